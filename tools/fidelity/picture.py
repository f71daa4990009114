"""What both sides of a comparison are drawn into."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

BACKGROUND = 0.5  # mid-grey, sRGB: hides neither dark nor light things


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture before its background. sRGB, 0..1; alpha-blending happens in sRGB, as splats are trained."""

    rgb: F32  # [h, w, 3], times alpha
    alpha: F32  # [h, w]
    depth_m: F32  # [h, w] along the ray, to where half of it is opaque; inf where that is nowhere

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Pixels that show more of the scene than of the background. [h, w]"""
        return np.asarray(self.alpha >= 0.5)

    def over(self, background: float = BACKGROUND) -> F32:
        """[h, w, 3] 0..1 on a grey background."""
        shown: F32 = np.clip(self.rgb + (1 - self.alpha[..., None]) * np.float32(background), 0, 1)
        return shown

    def opaque(self) -> "Picture":
        """The best that opaque voxels could show of it: covered pixels fully, in their colour; else nothing."""
        full = self.rgb / np.maximum(self.alpha, np.float32(1e-6))[..., None]
        mask = self.covered
        return Picture(full * mask[..., None], mask.astype(np.float32), self.depth_m)

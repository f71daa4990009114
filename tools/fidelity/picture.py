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
        """The best that opaque voxels could show of it: covered pixels fully, in their colour."""
        full = self.rgb / np.maximum(self.alpha, np.float32(1e-6))[..., None]
        mask = self.covered
        return Picture((full * mask[..., None]).astype(np.float32), mask.astype(np.float32), self.depth_m)

    def coarser(self, n: int) -> "Picture":
        """n x n pixels become one: colour and alpha their mean, depth the nearer median."""
        if n == 1:
            return self
        h, w = (side // n for side in self.alpha.shape)
        rgb = self.rgb.reshape(h, n, w, n, 3).mean((1, 3), dtype=np.float64)
        alpha = self.alpha.reshape(h, n, w, n).mean((1, 3), dtype=np.float64)
        depth = np.sort(self.depth_m.reshape(h, n, w, n).swapaxes(1, 2).reshape(h, w, n * n), axis=-1)
        return Picture(rgb.astype(np.float32), alpha.astype(np.float32), depth[..., (n * n - 1) // 2])

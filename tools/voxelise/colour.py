"""sRGB to linear light and back, as integers, so that averages are exact and order-independent."""

import numpy as np
from numpy.typing import NDArray

LINEAR_MAX = 65535

_CODE = np.arange(256) / 255
_LIGHT = np.where(_CODE <= 0.04045, _CODE / 12.92, ((_CODE + 0.055) / 1.055) ** 2.4)  # IEC 61966-2-1
SRGB_TO_LINEAR = np.rint(_LIGHT * LINEAR_MAX).astype(np.uint16)  # strictly increasing: every byte comes back
_MIDDLES = (SRGB_TO_LINEAR[1:].astype(np.int64) + SRGB_TO_LINEAR[:-1] + 1) // 2
LINEAR_TO_SRGB = np.searchsorted(_MIDDLES, np.arange(LINEAR_MAX + 1), side="right").astype(np.uint8)


def mean_srgb(colour: NDArray[np.int64], weight: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Sums of weighted linear light [M, 3] over their weights [M] >= 1 -> [M, 3] uint8 sRGB."""
    w = weight[:, None]
    return LINEAR_TO_SRGB[(2 * colour + w) // (2 * w)]

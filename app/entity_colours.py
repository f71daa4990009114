"""What the pass semantic shows an entity as: 254 colours, those of neighbouring ids well apart. Pure."""

import colorsys

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..atlas.layout import ENTITY_COLOURS, ENTITY_UNREAD

NO_ENTITY_RGB, UNREAD_RGB = (110, 110, 112), (40, 40, 44)
_GOLDEN = 0.61803398875  # of a turn: hues that come one after the other are far apart
_TONES = ((0.72, 0.95), (0.50, 1.00), (0.85, 0.70), (0.38, 0.80), (0.95, 1.00), (0.62, 0.58))


def colour_index(ids: ArrayLike) -> NDArray[np.uint8]:
    """Entity ids [...] -> [...] which colour: 0 for none. Ids 254 apart share one."""
    wide = np.asarray(ids, np.int64)
    return np.where(wide == 0, 0, 1 + (wide - 1) % ENTITY_COLOURS).astype(np.uint8)


def palette() -> NDArray[np.uint8]:
    """[256, 4] RGBA: none, the colours, and what has not been read."""
    out = np.full((ENTITY_UNREAD + 1, 4), 255, np.uint8)
    out[0, :3], out[ENTITY_UNREAD, :3] = NO_ENTITY_RGB, UNREAD_RGB
    for i in range(1, ENTITY_COLOURS + 1):
        saturation, value = _TONES[(i - 1) % len(_TONES)]
        rgb = colorsys.hsv_to_rgb(i * _GOLDEN % 1.0, saturation, value)
        out[i, :3] = [round(255 * c) for c in rgb]
    return out

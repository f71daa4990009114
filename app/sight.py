"""A view, as the streamer takes it: where its eyes are and what they can see at all. Pure."""

import numpy as np

from ..atlas.layout import PROJECTIONS
from ..streamer.view import Sight
from .camera import View


def sight_of(view: View) -> Sight:
    """The eyes of a view in world voxels, and what bounds what they see."""
    around = PROJECTIONS[view.projection] == "equirect"
    return Sight(view.eyes_voxels, view.planes, None if around else np.array(view.forward), view.cone)

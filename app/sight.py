"""A view, as the streamer takes it: where its eyes are and what they can see at all. Pure."""

from ..atlas.layout import PROJECTIONS
from ..streamer.view import Sight
from .camera import View


def sight_of(view: View) -> Sight:
    """The eyes of a view in world voxels, and what bounds what they see."""
    # On the face of a cube a pixel grows with the depth, which is at least the distance / sqrt(3).
    cone = view.cone / 3**0.5 if PROJECTIONS[view.projection] == "cube" else view.cone
    return Sight(view.eyes_voxels, view.planes, None if view.is_all_around else view.axis, cone)

"""The world's side of a comparison: drawn by the renderer that everybody sees, without light."""

import numpy as np

from ...app import frame
from ..errors import UserError
from ..shot import Studio
from .cameras import Camera, view_of
from .picture import Picture


def draw(place: Studio, camera: Camera) -> Picture:
    """The picture of a camera whose size is the studio's. UserError if it is too far away."""
    try:
        view = view_of(camera, place.scene.voxel_size_m, place.scene.root.corner_voxel)
    except ValueError as error:
        raise UserError(str(error)) from None
    rgba, hits, _ = place.draw(view, "albedo")
    alpha = frame.is_hit(hits).astype(np.float32)
    rgb = rgba[..., :3].astype(np.float32) / np.float32(255)
    return Picture(rgb * alpha[..., None], alpha, frame.depth_m(hits, place.scene.voxel_size_m))

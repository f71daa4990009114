"""A view, as the streamer takes it: where its eyes are and what they can see at all. Pure."""

import numpy as np
from numpy.typing import NDArray

from ..streamer.view import Sight
from .camera import View


def sight_of(view: View, corner_voxel: NDArray[np.int64]) -> Sight:
    """The view's eye and the four planes around its picture, in world voxels."""
    eye = np.array(view.eye) + corner_voxel + np.array(view.eye_frac)
    forward = np.array(view.forward)
    planes = []
    for half in (np.array(view.right), np.array(view.up)):
        width = float(np.linalg.norm(half))
        side = half / width
        planes += [width * forward - side, width * forward + side]
    normals = np.array(planes)
    return Sight(eye[None], normals / np.linalg.norm(normals, axis=1, keepdims=True), forward, view.cone)

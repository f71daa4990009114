"""What rays would say of a view, without a GPU: everything in sight that is wide enough, nothing hides."""

import numpy as np
from voxtide.atlas import layout
from voxtide.atlas.address import chunk_id, chunk_of_id
from voxtide.atlas.id_map import NOWHERE
from voxtide.streamer.descent import children, wanted
from voxtide.streamer.view import Sight

ALL_AROUND = np.zeros((0, 3))


def around(x, y, z, cone=0.02):
    """A panorama from a point, voxels."""
    return Sight(np.array([[x, y, z]], np.float64), ALL_AROUND, None, cone)


def feedback(residency, sight, n_most=layout.MAX_REQUESTS):
    """-> touched slots, requests: what a frame of this view says, given what is resident"""
    chunks = residency.table.chunks
    level, _ = chunk_of_id(chunks.ids)
    seen = np.isin(chunks.ids, wanted(chunks.ids, sight)[0]) | (level == residency.table.root.level)
    ids, slots = chunks.ids[seen], chunks.slots[seen]
    below, pixels = wanted(children(ids, residency.octants[slots]), sight)
    missing = chunks.find(below) == NOWHERE
    below, pixels = below[missing][:n_most], pixels[missing][:n_most]
    level, at = chunk_of_id(below)
    requests = np.zeros(below.size, layout.REQUEST)
    requests["slot"] = chunks.find(chunk_id(level + 1, at >> 1))
    requests["octant"] = (at & 1) @ [1, 2, 4]
    requests["wanted_level"], requests["error"] = level, pixels
    return slots.astype(np.uint32), requests

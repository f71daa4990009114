"""What upload.comp makes of streams, texel by texel, against `streams.decode`, its twin."""

import numpy as np
import pytest
from voxtide.app.render.pool import BIND_MASKS, Pool
from voxtide.atlas import streams
from voxtide.atlas.address import local_of_mask_index
from voxtide.atlas.chunk import pack, split
from voxtide.atlas.layout import ATLAS, MASK_BYTES
from voxtide.atlas.page_table import root_grid
from voxtide.atlas.slots import atlas_texel

N_SLOTS = 4096 + 300  # a layer and a bit
ALL = local_of_mask_index(np.arange(4096))


def chunk(seed, n_voxels, alpha=None, n_colours=None):
    """A packed chunk of so many voxels anywhere, in random colours or in a few."""
    rng = np.random.default_rng(seed)
    dense = np.zeros((4096, 4), np.uint8)
    palette = rng.integers(1, 256, (n_colours or n_voxels, 4))
    dense[rng.permutation(4096)[:n_voxels]] = palette[rng.integers(0, len(palette), n_voxels)]
    if alpha is not None:
        dense[dense[:, 3] > 0, 3] = alpha
    return pack(dense.reshape(16, 16, 16, 4))


CHUNKS = [
    chunk(seed, n_voxels, alpha, n_colours)
    for seed, (n_voxels, alpha, n_colours) in enumerate(
        (n, a, c)
        for n in (1, 2, 3, 63, 64, 65, 700, 4095, 4096)
        for a in (None, 255, 7)
        for c in (None, 1, 2)
    )
]


def texels(pool, slots):
    """-> [slots, 4096, 4] uint8 in mask order"""
    layer, x, y = atlas_texel(np.repeat(slots, 4096), np.tile(ALL, (len(slots), 1)))
    atlas = np.frombuffer(pool.atlas.read(), np.uint8).reshape(-1, ATLAS, ATLAS, 4)
    return atlas[layer, y, x].reshape(len(slots), 4096, 4)


@pytest.mark.parametrize("staging_bytes", [32 << 20, 17_000])
def test_every_form_of_stream_in_any_slot_at_any_byte(gl, staging_bytes):
    pool = Pool(gl, root_grid(5, np.zeros(3, np.int64), np.full(3, 64)), N_SLOTS, staging_bytes)
    slots = np.random.default_rng(1).permutation(N_SLOTS)[: len(CHUNKS)]
    encoded = [streams.encode(one) for one in CHUNKS]
    assert streams.decode(encoded) == (CHUNKS, [])
    assert {len(one) % 4 for one in encoded} == {0, 1, 2, 3}, "streams should begin at every byte of a word"
    pool.upload(slots, encoded)
    masks = np.frombuffer(pool._buffers[BIND_MASKS].read(), np.uint8).reshape(N_SLOTS, MASK_BYTES)
    for slot, found, one in zip(slots, texels(pool, slots), CHUNKS, strict=True):
        occupied, rgba = split(one)
        assert masks[slot].tobytes() == one[:MASK_BYTES]
        assert (found[occupied] == rgba).all()
    pool.release()

"""Region indices that lie under a right checksum. For one with chunks at (0, 0, 0) and (15, 15, 15)."""

import struct

import google_crc32c
import numpy as np
from voxtide.streamer import region_file as rf
from voxtide.streamer.codec import MAX_STORED_BYTES, MIN_STORED_BYTES


def sealed(body):
    """Some bytes and their crc32c."""
    return body + struct.pack("<I", google_crc32c.value(body))


def with_index(data, edit):
    """The region with its index entries changed by edit(entries [16, 16, 16, 2] z, y, x) and sealed again."""
    entries = np.frombuffer(data[-rf.INDEX_BYTES : -4], "<u8").reshape(16, 16, 16, 2).copy()
    edit(entries)
    return data[: -rf.INDEX_BYTES] + sealed(entries.tobytes())


def put(z, y, x, offset=None, n_bytes=None):
    def edit(entries):
        if offset is not None:
            entries[z, y, x, 0] = offset
        if n_bytes is not None:
            entries[z, y, x, 1] = n_bytes

    return edit


def swap(entries):
    entries[0, 0, 0], entries[0, 0, 3] = entries[0, 0, 3].copy(), entries[0, 0, 0].copy()


def chain_wraps(entries):
    entries[0, 0, 0, 1] = (1 << 64) - 2
    entries[15, 15, 15] = [(1 << 64) - 2, 40]


LYING_INDICES = {  # name -> (edit of the entries, what the refusal says)
    "offset absent": (put(0, 0, 0, offset=rf.ABSENT), "half absent"),
    "length absent": (put(0, 0, 0, n_bytes=rf.ABSENT), "half absent"),
    "half absent where nothing was": (put(9, 9, 9, n_bytes=20), "half absent"),
    "length 0": (put(0, 0, 0, n_bytes=0), "length outside"),
    "length 13": (put(0, 0, 0, n_bytes=MIN_STORED_BYTES - 1), "length outside"),
    "length of a bomb": (put(0, 0, 0, n_bytes=MAX_STORED_BYTES + 1), "length outside"),
    "length 2^40": (put(15, 15, 15, n_bytes=1 << 40), "length outside"),
    "sum beyond 2^64": (chain_wraps, "length outside"),
    "outside the file": (put(15, 15, 15, offset=1 << 40), "does not start"),
    "negative when signed": (put(15, 15, 15, offset=(1 << 64) - 3), "does not start"),
    "overlap": (put(15, 15, 15, offset=0), "does not start"),
    "gap": (put(0, 0, 0, offset=1), "does not start"),
    "longer than the file": (put(15, 15, 15, n_bytes=9000), "add up"),
    "one chunk forgotten": (put(15, 15, 15, rf.ABSENT, rf.ABSENT), "add up"),
    "two entries swapped": (swap, "does not start"),
    "nothing at all": (lambda entries: entries.fill(rf.ABSENT), "add up"),
}

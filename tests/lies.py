"""Region indices that lie under a right checksum. For one with chunks at (0, 0, 0) and (15, 15, 15)."""

import struct

import google_crc32c
import numpy as np
from voxtide.streamer import region_file as rf
from voxtide.streamer.codec import MAX_STORED_BYTES, MIN_STORED_BYTES


def sealed(body):
    """Some bytes and their crc32c."""
    return body + struct.pack("<I", google_crc32c.value(body))


def index_of(lengths, codes):
    """A region's index: lengths of chunks, and the Morton codes it says they have."""
    places = np.zeros(rf.N_ENTRIES, np.uint8)
    places[codes] = 1
    return sealed(np.array(lengths, "<u2").tobytes() + np.packbits(places, bitorder="little").tobytes())


def with_index(data, edit):
    """The region with its index changed and sealed again: edit(lengths, codes) changes these two lists."""
    index = rf.read_index(data)
    lengths, codes = index.n_bytes.tolist(), index.morton.tolist()
    chunks = data[: sum(lengths)]
    edit(lengths, codes)
    return chunks + index_of(lengths, codes)


def put(at, n_bytes):
    def edit(lengths, codes):
        lengths[at] = n_bytes

    return edit


def one_less(lengths, codes):
    lengths[-1] -= 1


def forget(lengths, codes):
    del lengths[-1], codes[-1]


def invent(lengths, codes):
    lengths.insert(1, 20)
    codes.insert(1, 3)


def forget_all(lengths, codes):
    lengths.clear()
    codes.clear()


def claim_all(lengths, codes):
    codes[:] = range(rf.N_ENTRIES)


LYING_INDICES = {  # name -> (edit of lengths and codes, what the refusal says)
    "length 0": (put(0, 0), "length outside"),
    "length 13": (put(0, MIN_STORED_BYTES - 1), "length outside"),
    "length of a bomb": (put(0, MAX_STORED_BYTES + 1), "length outside"),
    "length 65,535": (put(-1, (1 << 16) - 1), "length outside"),
    "longer than the file": (put(-1, 9000), "add up"),
    "shorter than the file": (one_less, "add up"),
    "one chunk forgotten": (forget, "add up"),
    "one chunk invented": (invent, "add up"),
    "nothing at all": (forget_all, "add up"),
    "more chunks than lengths": (claim_all, "crc32c"),
}

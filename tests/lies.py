"""Region indices that lie under a right checksum. For regions of a few chunks that are all different."""

import struct

import google_crc32c
import numpy as np
from voxtide.streamer import region_file as rf
from voxtide.streamer.codec import MAX_STORED_BYTES, MIN_STORED_BYTES


def sealed(body):
    """Some bytes and their crc32c."""
    return body + struct.pack("<I", google_crc32c.value(body))


def index_of(entries, codes, n_chunks=None):
    """A region's index: its entries, and what Morton codes and how many chunks it says that it has."""
    n_chunks = len(entries) if n_chunks is None else n_chunks
    if 2 * n_chunks < rf.PLACES_BYTES:
        places = np.array(codes, "<u2")
    else:
        places = np.packbits(np.isin(np.arange(rf.N_ENTRIES), codes), bitorder="little")
    return sealed(np.array(entries, "<u2").tobytes() + places.tobytes() + struct.pack("<H", n_chunks))


def with_index(data, edit):
    """The region with its index changed and sealed again.

    edit(entries, codes) changes these two lists, and may return how many chunks the index then claims to have
    """
    index = rf.read_index(data)
    n_chunks, end = index.morton.size, rf.stored_bytes(index)
    entries = np.frombuffer(data, "<u2", n_chunks, end).tolist()
    codes = index.morton.tolist()
    n_claimed = edit(entries, codes)
    return data[:end] + index_of(entries, codes, n_claimed)


def put(at, entry):
    def edit(entries, codes):
        entries[at] = entry

    return edit


def one_less(entries, codes):
    entries[-1] -= 1


def forget(entries, codes):
    del entries[-1], codes[-1]


def invent(entries, codes):
    entries.insert(1, 20)
    codes.insert(1, 3)


def name_one_that_names(entries, codes):
    entries[1:3] = SAME | 0, SAME | 1


def claim(n_chunks):
    return lambda entries, codes: n_chunks


def code(at, n):
    def edit(entries, codes):
        codes[at] = n

    return edit


def swap_codes(entries, codes):
    codes[:2] = codes[1::-1]


def bits(n_codes):
    """300 chunks, so that their codes are bits; of which so many are set."""

    def edit(entries, codes):
        entries += [SAME | 0] * (300 - len(entries))
        codes[:] = range(n_codes)

    return edit


SAME = rf.SAME
LYING_INDICES = {  # name -> (edit of entries and codes, what the refusal says)
    "length 0": (put(0, 0), "length outside"),
    "length 13": (put(0, MIN_STORED_BYTES - 1), "length outside"),
    "length of a bomb": (put(0, MAX_STORED_BYTES + 1), "length outside"),
    "length 32,767": (put(-1, SAME - 1), "length outside"),
    "longer than the file": (put(-1, 9000), "add up"),
    "shorter than the file": (one_less, "add up"),
    "one chunk forgotten": (forget, "add up"),
    "one chunk invented": (invent, "add up"),
    "the first is another's": (put(0, SAME | 1), "no earlier"),
    "its own": (put(1, SAME | 1), "no earlier"),
    "a later one's": (put(1, SAME | 2), "no earlier"),
    "that of none": (put(-1, 0xFFFF), "no earlier"),
    "that of one that is another's": (name_one_that_names, "no earlier"),
    "another's, its own bytes are left": (put(-1, SAME | 0), "add up"),
    "nothing at all": (claim(0), "index of 0 chunks"),
    "more chunks than a region has": (claim(4097), "index of 4097 chunks"),
    "more chunks than entries": (claim(200), "crc32c"),
    "fewer chunks than entries": (claim(1), "crc32c"),
    "a code twice": (code(1, 0), "in order"),
    "codes not in order": (swap_codes, "in order"),
    "code 4,096": (code(-1, 4096), "in order"),
    "code 65,535": (code(-1, 0xFFFF), "in order"),
    "a bit too few": (bits(299), "not that many"),
    "a bit too many": (bits(301), "not that many"),
    "no bit": (bits(0), "not that many"),
}

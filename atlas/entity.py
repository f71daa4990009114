"""Entity ids as bytes: a prefix code of one to three, so that a frequent entity costs one.

    0 .. 127              0xxxxxxx
    128 .. 16,511         1xxxxxxx 0xxxxxxx            id - 128, 14 bits
    16,512 .. 2,113,663   1xxxxxxx 1xxxxxxx 0xxxxxxx   id - 16,512, 21 bits

7-bit groups, the highest first; a set high bit says that another byte follows. Each length begins where the
shorter one ends, so every id has one code and every code one id. Id 0 means: no entity.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]

FIRST_OF_LENGTH = (0, 128, 16_512)  # the first id of one, two, three bytes
N_IDS = 2_113_664
MAX_CODE_BYTES = 3


def encode(ids: ArrayLike) -> bytes:
    """The codes of ids [N], one behind the other. ValueError: not integers, or outside 0..2,113,663."""
    values = np.asarray(ids)
    if values.dtype.kind not in "iu" and values.size:
        raise ValueError(f"entity ids must be integers, not {values.dtype}")
    if values.size and not (int(values.min()) >= 0 and int(values.max()) < N_IDS):
        raise ValueError(f"entity id outside 0..{N_IDS - 1}")
    v = values.ravel().astype(np.int64)
    n = n_bytes(v)
    rest = v - np.array(FIRST_OF_LENGTH)[n - 1]
    # Laid out right-aligned in three columns: the first byte of a short code stands in a later column.
    columns = np.stack([rest >> 14 | 0x80, rest >> 7 & 0x7F | 0x80, rest & 0x7F], axis=1).astype(np.uint8)
    return columns[np.arange(MAX_CODE_BYTES) >= MAX_CODE_BYTES - n[:, None]].tobytes()


def n_bytes(ids: ArrayLike) -> NDArray[np.int64]:
    """Length of each id's code. [N] int in 0..2,113,663 -> [N] int64, 1..3."""
    return np.searchsorted(np.array(FIRST_OF_LENGTH), np.asarray(ids, np.int64), side="right")


def decode(codes: bytes | memoryview | U8) -> U32:
    """Inverse of `encode` -> [N] uint32. ValueError: cut in the middle of a code, or one of over 3 bytes."""
    data = np.frombuffer(codes, np.uint8)
    if not data.size:
        return np.empty(0, np.uint32)
    last = np.flatnonzero(data < 0x80)
    if not last.size or last[-1] != data.size - 1:
        raise ValueError("entity codes are cut in the middle of one")
    n = np.diff(last, prepend=-1)
    if n.max() > MAX_CODE_BYTES:
        raise ValueError(f"an entity code of {n.max()} bytes; {MAX_CODE_BYTES} are the most")
    value = data[last].astype(np.uint32)
    for back in (1, 2):  # the groups before the last one, where there are any
        longer = np.flatnonzero(n > back)
        value[longer] |= (data[last[longer] - back] & np.uint8(0x7F)).astype(np.uint32) << np.uint32(7 * back)
    ids: U32 = value + np.array(FIRST_OF_LENGTH, np.uint32)[n - 1]
    return ids

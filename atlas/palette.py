"""The form of a stream (`streams.py`) for chunks of many voxels and few colours: these, and 4 bits a voxel.

    stream = 1 B, k: how many colours, 1 to 15
             residuals of the colours' R, G - R and B - G, and of A unless every A is 255: a plane of k bytes
             each, as voxels have them. As little-endian uint32 RGBA they increase
             2048 B, 4 bits for each voxel: 0 is empty, c the c-th colour. Voxel (x, y, z) is number
             256 x + 16 y + z; the even ones are low

Columns along z, because what is built repeats along walls: of nibbles in mask order, with the mask apart,
zstd leaves a third more. On a GPU each thread reads what its own voxels say, and needs no other's.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .address import local_of_mask_index
from .layout import BLOCK, CHUNK, CHUNK_VOXELS, MASK_BYTES, MAX_COLOURS, PALETTE_VOXELS_BYTES

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

MIN_BYTES = 1 + 3 + PALETTE_VOXELS_BYTES
MAX_BYTES = 1 + 4 * MAX_COLOURS + PALETTE_VOXELS_BYTES
_HEAD_BYTES = MAX_BYTES - PALETTE_VOXELS_BYTES
assert MIN_BYTES > _HEAD_BYTES

_NUMBER = local_of_mask_index(np.arange(CHUNK_VOXELS)) @ np.array([CHUNK * CHUNK, CHUNK, 1])  # in mask order
_PAIR = np.arange(256)
_SAID = (1 << (_PAIR & 15) | 1 << (_PAIR >> 4)).astype(np.uint16)  # by a pair: a bit for each of 16 colours


def encode(packed: bytes) -> bytes | None:
    """The stream of a packed chunk that holds at least one voxel; None if it has more than 15 colours."""
    rgba = np.frombuffer(packed, "<u4", offset=MASK_BYTES)
    if len(set(rgba[:: rgba.size // 64 + 1].tolist())) > MAX_COLOURS:  # as most have: cheaply seen
        return None
    colours, which = np.unique(rgba, return_inverse=True)
    if colours.size > MAX_COLOURS:
        return None
    planes = residuals(colours.view(np.uint8).reshape(-1, 4))
    held = np.unpackbits(np.frombuffer(packed, np.uint8, MASK_BYTES), bitorder="little").view(np.bool_)
    voxels = np.zeros(CHUNK_VOXELS, np.uint8)
    voxels[_NUMBER[held]] = which + 1
    return bytes([colours.size]) + planes.tobytes() + (voxels[::2] | voxels[1::2] << 4).tobytes()


def residuals(rgba: U8) -> U8:
    """[n, 4] colours -> [3 or 4, n]: R, G - R, B - G, A unless all are 255; each less the one before."""
    planes = rgba.T.copy()
    planes[2] -= planes[1]
    planes[1] -= planes[0]
    if (planes[3] == 255).all():
        planes = planes[:3]
    planes[:, 1:] -= planes[:, :-1].copy()
    return planes


def lying(chunks: Sequence[bytes]) -> Bool:
    """Which of C streams whose first byte is not 0 lie. -> [C]

    A stream lies whose length is not what its colours need, whose colours do not increase or are not all in
    use, that uses another, holds no voxel, or has a colour with A = 0.
    """
    return _read(chunks)[2]


def blocks(chunks: Sequence[bytes]) -> U8:
    """Which 4³ blocks of streams that do not lie hold a voxel. -> [C, 8] uint8, a bit each, lowest first"""
    pairs = _rows([one[-PALETTE_VOXELS_BYTES:] for one in chunks])
    n = CHUNK // BLOCK
    held = np.asarray(pairs.reshape(-1, n, BLOCK, n, BLOCK, n, BLOCK // 2).any(axis=(2, 4, 6)))  # x, y, z
    return np.packbits(held.transpose(0, 3, 2, 1).reshape(len(chunks), -1), axis=1, bitorder="little")


def masks(chunks: Sequence[bytes]) -> NDArray[np.uint64]:
    """The masks of streams that do not lie -> [C, 64] uint64, a word for each 4³ block."""
    voxels = _voxels(_rows([one[-PALETTE_VOXELS_BYTES:] for one in chunks]))
    return np.packbits(voxels != 0, axis=1, bitorder="little").view("<u8")


def decode(chunks: Sequence[bytes]) -> tuple[list[bytes], Bool]:
    """Any C streams whose first byte is not 0 -> (packed chunks, b"" for those that lie; which lie [C])."""
    palettes, pairs, wrong = _read(chunks)
    voxels = _voxels(pairs)
    held = voxels != 0
    masks = np.packbits(held, axis=1, bitorder="little")
    packed = [
        b"" if lies else mask.tobytes() + colours.take(one[here]).tobytes()
        for mask, colours, one, here, lies in zip(masks, palettes, voxels, held, wrong.tolist(), strict=True)
    ]
    return packed, wrong


def _voxels(pairs: U8) -> U8:
    """Pairs as they are stored [C, 2048] -> which colour each voxel has [C, 4096], in mask order"""
    apart = pairs.astype("<u2")
    spread: U8 = ((apart | apart << 4) & 0x0F0F).astype("<u2", copy=False).view(np.uint8)
    in_mask_order: U8 = spread.take(_NUMBER, axis=1)
    return in_mask_order


def _read(chunks: Sequence[bytes]) -> tuple[NDArray[np.uint32], U8, Bool]:
    """What C streams say -> (palettes [C, 16] as `_read_colours` has them; pairs [C, 2048]; which lie [C])"""
    n_bytes = np.array([len(one) for one in chunks], np.int64)
    wrong = n_bytes < MIN_BYTES
    whole = [bytes(MIN_BYTES) if bad else one for one, bad in zip(chunks, wrong.tolist(), strict=True)]
    heads = _rows([one[:_HEAD_BYTES] for one in whole])
    pairs = _rows([one[-PALETTE_VOXELS_BYTES:] for one in whole])
    n_colours = heads[:, 0].astype(np.int64)
    opaque = n_bytes == 1 + 3 * n_colours + PALETTE_VOXELS_BYTES
    wrong |= ~opaque & (n_bytes != 1 + 4 * n_colours + PALETTE_VOXELS_BYTES) | (n_colours > MAX_COLOURS)
    all_said = (2 << np.minimum(n_colours, MAX_COLOURS)) - 2
    wrong |= np.bitwise_or.reduce(_SAID[pairs], axis=1) & 0xFFFE != all_said
    colours = _read_colours(heads, np.where(wrong, 0, n_colours), opaque)
    used = np.arange(MAX_COLOURS) < n_colours[:, None]
    wrong |= (used & (colours[:, 1:] < 1 << 24)).any(axis=1)
    wrong |= (used[:, 1:] & (colours[:, 2:] <= colours[:, 1:-1])).any(axis=1)
    return colours, pairs, wrong


def _rows(parts: list[bytes]) -> U8:
    """Parts of one length as [C, length] uint8"""
    return np.frombuffer(b"".join(parts), np.uint8).reshape(len(parts), -1)


def _read_colours(heads: U8, n_colours: I64, opaque: Bool) -> NDArray[np.uint32]:
    """Palettes of C streams: heads [C, 61] uint8 -> [C, 16] uint32 little-endian RGBA, number 0 unused"""
    plane, colour = np.arange(4)[:, None], np.arange(MAX_COLOURS)
    at = 1 + plane * n_colours[:, None, None] + colour
    residuals = np.take_along_axis(heads, at.reshape(len(heads), -1), axis=1).reshape(at.shape)
    planes = np.cumsum(residuals, axis=2, dtype=np.uint8)
    planes[opaque, 3] = 255
    planes[:, 1] += planes[:, 0]
    planes[:, 2] += planes[:, 1]
    table = np.zeros((len(heads), 1 + MAX_COLOURS, 4), np.uint8)
    table[:, 1:] = planes.transpose(0, 2, 1)
    return table.view("<u4")[:, :, 0]

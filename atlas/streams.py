"""A chunk as it is stored, kept in memory and sent to the GPU: small, and undone by many threads at once.

    stream = 1 B, 0: else it is how many colours the other form has (`palette.py`)
             8 B, a bit for each of the 64 4³ blocks: whether it holds a voxel
             8 B for each that does: its part of the mask
             residuals of R, G - R and B - G, and of A unless every A is 255: a plane of n bytes each for n
             voxels, or one byte each where all n voxels are equal

A residual is the difference to the voxel before in mask order, modulo 256; the first is the value itself. The
length says what residuals there are: n voxels have 3, 4, 3n or 4n bytes of them. A writer takes the shorter
of a chunk's two forms, and this one where both are as long. Lossless.

It pays because voxels that follow each other in mask order are neighbours, and because what scans are unsure
of is brightness, which R, G and B share: `docs/architecture.md` has the figures, and what did not pay.
`upload.comp` undoes streams into slots. `decode` is its twin here, for whoever wants packed chunks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import palette
from .layout import CHUNK_VOXELS, MASK_BYTES

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
Bool = NDArray[np.bool_]
Stream = bytes

PLANES = b"\0"  # the first byte of a stream that has no palette
BLOCKS_BYTES = 8
WORD_BYTES = 8  # of the mask of one block
N_BLOCKS = MASK_BYTES // WORD_BYTES
MIN_STREAM_BYTES = 1 + BLOCKS_BYTES + WORD_BYTES + 3  # one block, one colour
MAX_STREAM_BYTES = 1 + BLOCKS_BYTES + MASK_BYTES + 4 * CHUNK_VOXELS
assert palette.MAX_BYTES <= MAX_STREAM_BYTES

_OPAQUE = b"\xff" + bytes(CHUNK_VOXELS - 1)  # residuals of an A that is 255 everywhere
# Streams decoded together: enough to hide what each call of NumPy costs, few enough that arrays stay in the
# cache and below the size from which malloc gives pages back (page faults took longer than all else here).
_STEP_STREAMS, _STEP_BYTES = 256, 1 << 18


def encode(packed: bytes) -> Stream:
    """The stream of a packed chunk that holds at least one voxel."""
    planes = PLANES + _encode_planes(packed)
    few = palette.encode(packed) if len(planes) > palette.MIN_BYTES else None
    return planes if few is None or len(few) >= len(planes) else few


def _encode_planes(packed: bytes) -> bytes:
    data = np.frombuffer(packed, np.uint8)
    words = data[:MASK_BYTES].copy().view("<u8")
    blocks = np.packbits(words != 0, bitorder="little").tobytes() + words[words != 0].tobytes()
    rgba = data[MASK_BYTES:].reshape(-1, 4)
    planes = palette.residuals(rgba)
    if (rgba == rgba[0]).all():
        planes = planes[:, :1]
    return bytes(blocks + planes.tobytes())


def lying(chunks: Sequence[Stream]) -> Bool:
    """Which streams have blocks, mask and length that disagree. -> [C]

    Each has MIN_STREAM_BYTES..MAX_STREAM_BYTES. One that does not lie may go to the GPU: undoing it reads no
    byte but its own. Colours are not looked at, but those of palettes.
    """
    few, planes, palettes = _by_form(chunks)
    if not palettes:
        return _read_head(planes).wrong
    wrong = few.copy()
    wrong[~few] = _read_head(planes).wrong
    wrong[few] = palette.lying(palettes)
    return wrong


def blocks(chunks: Sequence[Stream]) -> U8:
    """Which 4³ blocks of streams that do not lie hold a voxel. -> [C, 8] uint8, a bit each, lowest first"""
    out = np.frombuffer(b"".join([one[1 : 1 + BLOCKS_BYTES] for one in chunks]), np.uint8).reshape(-1, 8)
    few, _, palettes = _by_form(chunks)
    if palettes:
        out = out.copy()
        out[few] = palette.blocks(palettes)
    return out


def masks(chunks: Sequence[Stream]) -> U64:
    """The masks of streams that do not lie -> [C, 64] uint64, a word for each 4³ block."""
    few, planes, palettes = _by_form(chunks)
    out = np.empty((few.size, N_BLOCKS), np.uint64)
    out[~few] = _masks(_read_head(planes))
    if palettes:
        out[few] = palette.masks(palettes)
    return out


def decode(chunks: Sequence[Stream]) -> tuple[list[bytes], list[int]]:
    """Streams -> (packed chunks, b"" for those that lie; which ones lie).

    Each has MIN_STREAM_BYTES..MAX_STREAM_BYTES. A stream lies whose blocks, mask and length disagree, or that
    gives a voxel A = 0, or as `palette.lying` says. Costs memory for what masks can hold: at most 4,096
    voxels a stream.
    """
    packed: list[bytes] = []
    liars: list[int] = []
    for first, stop in steps(_sizes(chunks)):
        some, wrong = _decode_some(chunks[first:stop])
        packed += some
        liars += [first + i for i in wrong]
    return packed, liars


def steps(
    sizes: I64, most_streams: int = _STEP_STREAMS, most_bytes: int = _STEP_BYTES
) -> Iterator[tuple[int, int]]:
    """Consecutive (first, stop) of streams of these sizes that are best decoded together."""
    ends = np.cumsum(sizes)
    first = 0
    while first < sizes.size:
        most = int(np.searchsorted(ends, ends[first] - sizes[first] + most_bytes, "right"))
        stop = min(max(most, first + 1), first + most_streams)
        yield first, min(stop, sizes.size)
        first = stop


@dataclass(frozen=True, slots=True)
class _Head:
    """What C streams without a palette say of themselves before their colours."""

    blocks: U8  # [C, 8] which hold a voxel, a bit each; none of a stream that lies
    words: U64  # [W] the masks of those, stream after stream
    at: I64  # [C] where in its stream residuals begin
    n_voxels: I64  # [C]
    n_colours: I64  # [C] n_voxels, or 1 where all voxels are equal, or 0 of a stream that lies
    opaque: Bool  # [C] there are no residuals of A
    wrong: Bool  # [C] it lies


def _sizes(chunks: Sequence[Stream]) -> I64:
    sizes = np.array([len(one) for one in chunks], np.int64)
    assert sizes.size == 0 or (sizes.min() >= MIN_STREAM_BYTES and sizes.max() <= MAX_STREAM_BYTES)
    return sizes


def _read_head(chunks: Sequence[Stream]) -> _Head:
    sizes = _sizes(chunks)
    start = len(PLANES) + BLOCKS_BYTES
    blocks = np.frombuffer(b"".join([one[len(PLANES) : start] for one in chunks]), np.uint8)
    blocks = blocks.reshape(-1, BLOCKS_BYTES)
    n_blocks = np.bitwise_count(blocks.view("<u8")[:, 0]).astype(np.int64)
    wrong = start + WORD_BYTES * n_blocks >= sizes
    if wrong.any():  # read as nothing, so that the rest may be believed
        blocks = blocks.copy()
        n_blocks[wrong], blocks[wrong] = 0, 0
    at = start + WORD_BYTES * n_blocks
    parts = [one[start:end] for one, end in zip(chunks, at.tolist(), strict=True)]
    words = np.frombuffer(b"".join(parts), "<u8")
    if not words.all():  # a block that is said to hold something, and does not
        wrong[np.repeat(np.arange(sizes.size), n_blocks)[words == 0]] = True
    n_before = np.append(0, np.cumsum(np.bitwise_count(words), dtype=np.int64))
    stops = np.cumsum(n_blocks)
    n_voxels = n_before[stops] - n_before[stops - n_blocks]

    n_bytes = sizes - at
    uniform = (n_bytes == 3) | (n_bytes == 4)
    opaque = (n_bytes == 3) | (n_bytes == 3 * n_voxels)
    wrong |= ~(uniform | opaque | (n_bytes == 4 * n_voxels))
    n_colours = np.where(uniform, 1, n_voxels)
    if wrong.any():
        n_colours[wrong], opaque[wrong] = 0, True
    return _Head(blocks, words, at, n_voxels, n_colours, opaque, wrong)


def _masks(head: _Head) -> U64:
    held = np.unpackbits(head.blocks, axis=1, bitorder="little").view(np.bool_)
    masks = np.zeros(held.shape, np.uint64)
    masks[held] = head.words
    return masks


def _decode_some(chunks: Sequence[Stream]) -> tuple[list[bytes], list[int]]:
    """`decode`, without its care for how much is done together."""
    few, planes, palettes = _by_form(chunks)
    packed, wrong = _decode_planes(planes)
    if palettes:
        of_planes, of_palettes, lies = iter(packed), *palette.decode(palettes)
        rest = iter(of_palettes)
        packed = [next(rest if has else of_planes) for has in few.tolist()]
        wrong_planes, wrong = wrong, np.empty(few.size, np.bool_)
        wrong[few], wrong[~few] = lies, wrong_planes
    return packed, np.flatnonzero(wrong).tolist()


def _by_form(chunks: Sequence[Stream]) -> tuple[Bool, Sequence[Stream], list[Stream]]:
    """C streams -> (which have a palette [C], those that have none, those that have one)"""
    few = np.array([one[0] for one in chunks], np.uint8) != PLANES[0]
    if not few.any():
        return few, chunks, []
    return few, [one for one in chunks if one[0] == PLANES[0]], [one for one in chunks if one[0] != PLANES[0]]


def _decode_planes(chunks: Sequence[Stream]) -> tuple[list[bytes], Bool]:
    """Streams that have no palette -> (packed chunks, b"" for those that lie; which lie [C])"""
    head = _read_head(chunks)
    sizes = _sizes(chunks)
    starts = np.cumsum(sizes) - sizes
    rgba, see_through = _read_colours(b"".join(chunks), starts + head.at, head.n_colours, head.opaque)
    ends = np.cumsum(head.n_colours)
    wrong = head.wrong.copy()
    wrong[np.searchsorted(ends, see_through, "right")] = True

    all_masks, colours = _masks(head).tobytes(), rgba.tobytes()
    ends *= 4
    n_copies = np.where(head.n_colours == 1, head.n_voxels, 1)
    spans = zip((ends - 4 * head.n_colours).tolist(), ends.tolist(), n_copies.tolist(), strict=True)
    packed = [
        all_masks[i : i + MASK_BYTES] + colours[first:end] * n
        for i, (first, end, n) in zip(range(0, len(all_masks), MASK_BYTES), spans, strict=True)
    ]
    for i in np.flatnonzero(wrong).tolist():
        packed[i] = b""
    return packed, wrong


def _read_colours(
    data: bytes, at: I64, n_colours: I64, opaque: NDArray[np.bool_]
) -> tuple[NDArray[np.uint32], I64]:
    """Colours of N voxels out of C streams' residuals -> (RGBA [N] little-endian, which have A = 0)

    at [C] where residuals begin; n_colours [C]; opaque [C] which have none of A
    """
    n = int(n_colours.sum())
    n_planes = 3 if opaque.all() else 4
    parts = []
    for k in range(n_planes):  # a plane's residuals of all streams, then the next plane's
        first = at + k * n_colours
        spans = zip(first.tolist(), (first + n_colours).tolist(), strict=True)
        if k < 3:
            parts += [data[a:b] for a, b in spans]
        else:
            parts += [
                _OPAQUE[: b - a] if full else data[a:b]
                for (a, b), full in zip(spans, opaque.tolist(), strict=True)
            ]
    parts.append(bytes(-n * n_planes % 8))
    values = running_sums(b"".join(parts), np.tile(n_colours, n_planes))
    red, green, blue = values[:n], values[n : 2 * n], values[2 * n : 3 * n]
    green += red
    blue += green
    red_green = green.astype(np.uint16)
    red_green <<= 8
    red_green |= red
    if n_planes == 3:
        rgba = (blue | np.uint16(0xFF00)).astype(np.uint32)
        none = np.empty(0, np.int64)
    else:
        alpha = values[3 * n :]
        blue_alpha = alpha.astype(np.uint16)
        blue_alpha <<= 8
        blue_alpha |= blue
        rgba = blue_alpha.astype(np.uint32)
        none = np.flatnonzero(alpha == 0)
    rgba <<= 16
    rgba |= red_green
    return rgba, none


def running_sums(data: bytes, lengths: I64) -> U8:
    """Running sums modulo 256 of bytes, begun anew in each of the segments that data consists of.

    lengths [S] int64 >= 0; data is as long as they say, rounded up to words of 8 -> [sum of lengths] uint8

    NumPy adds bytes 64 at a time, but sums them up one by one, at 2 ns each. So: sums inside words of eight
    bytes by three shifts, sums of words as integers, and then each segment takes off what was before it.
    """
    n = int(lengths.sum())
    if n == 0:
        return np.empty(0, np.uint8)
    residuals = np.frombuffer(data, np.uint8)
    shifted = residuals.view("<u8") << 8
    sums = residuals + shifted.view(np.uint8)
    words = sums.view("<u8")
    for n_bits in (16, 32):
        np.left_shift(words, n_bits, out=shifted)
        sums += shifted.view(np.uint8)
    last_bytes = words >> 56
    before = np.cumsum(last_bytes)
    before -= last_bytes
    before &= 0xFF
    before *= 0x0101010101010101
    sums += before.view(np.uint8)
    starts = np.cumsum(lengths) - lengths
    base = sums[starts - 1]
    base[starts == 0] = 0
    sums = sums[:n]
    sums -= np.repeat(base, lengths)
    return sums

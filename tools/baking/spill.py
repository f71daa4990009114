"""Sums on their way from a source to a region: runs, in memory or in a file.

A run holds sums in the order in which a world is stored: by region (z, y, x), then chunk in Morton order,
then mask index. Any number of runs may hold the same voxel; whoever merges them adds up integers.

A run's file (little-endian; ours alone, gone when the bake ends):

    "voxtide run 1 n:1 weight:1 colour:3\\n"       the columns of Sums and how wide they are
    one block per region: key uint32 [n], then each column, every one in the narrowest integer that holds it
    index: one _ENTRY per block
    _END: where the index begins, how many blocks, xxh3-64 of the index
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from ...streamer import files
from ...streamer.errors import WorldError
from ..pyramid import storage_order
from ..voxelise import sums
from ..voxelise.semantic import Votes
from ..voxelise.sums import Sums
from ..voxelise.updated import Seen

I64 = NDArray[np.int64]
Corner = tuple[int, int, int]
Columns = dict[str, I64]  # by the names of Sums, without voxels: [M] or [M, width]

_EMPTY = sums.empty()
WIDTHS = {name: int(np.prod(getattr(_EMPTY, name).shape[1:])) for name in Sums.__slots__ if name != "voxels"}
# Runs of votes for entities, and of observations: not sums, but spilled alike.
ATTRIBUTES: dict[str, dict[str, int]] = {"semantic": {"ids": 1, "weight": 1}, "updated": {"n": 1}}
N_COLUMNS = max(len(columns) for columns in (WIDTHS, *ATTRIBUTES.values()))
_TYPES = ("<u1", "<u2", "<u4", "<i8")
_ENTRY = np.dtype(
    [("region", "<i4", 3), ("n_rows", "<u4"), ("offset", "<u8"), ("n_bytes", "<u8"), ("digest", "<u8"),
     ("types", "u1", N_COLUMNS)]
)  # fmt: skip
_END = np.dtype([("offset", "<u8"), ("n_blocks", "<u8"), ("digest", "<u8")])


def columns_of(kind: str) -> dict[str, int]:
    """The columns of a run and how wide each is."""
    return ATTRIBUTES.get(kind, WIDTHS)


def _magic(kind: str) -> bytes:
    widths = " ".join(f"{name}:{width}" for name, width in columns_of(kind).items())
    return f"voxtide run 1 {widths}\n".encode("ascii")


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """M sums, each voxel once (votes: as often as entities voted for it), in storage order.

    regions [K, 3] int64; firsts [K + 1]: where each begins; key [M] int32 in its region: Morton code << 12 |
    mask index.
    """

    regions: I64
    firsts: I64
    key: NDArray[np.int32]
    columns: Columns

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True, slots=True)
class MemoryBlock:
    """The part of a run that lies in one region."""

    kind: str
    run: Run
    at: int

    @property
    def n_rows(self) -> int:
        return int(self.run.firsts[self.at + 1] - self.run.firsts[self.at])

    def load(self) -> tuple[NDArray[np.int32], Columns]:
        """(key [M] int32 ascending, columns)."""
        rows = slice(int(self.run.firsts[self.at]), int(self.run.firsts[self.at + 1]))
        return self.run.key[rows], {name: column[rows] for name, column in self.run.columns.items()}


@dataclass(frozen=True, slots=True)
class FileBlock:
    """The same, in a file."""

    kind: str
    root: Path
    name: str
    n_rows: int
    offset: int
    n_bytes: int
    digest: int
    types: tuple[int, ...]

    def load(self) -> tuple[NDArray[np.int32], Columns]:
        """As of a MemoryBlock. WorldError: the file is not what it was."""
        file = files.open_file(self.root, self.name)
        try:
            data = files.pread(file, self.name, self.n_bytes, self.offset)
        finally:
            os.close(file)
        if xxhash.xxh3_64_intdigest(data) != self.digest:
            raise WorldError(self.name, "its sums were changed: remove the unfinished bake and begin again")
        key = np.frombuffer(data, "<u4", self.n_rows).astype(np.int32)
        at, columns = key.nbytes, {}
        for (name, width), code in zip(columns_of(self.kind).items(), self.types, strict=False):
            values = np.frombuffer(data, _TYPES[code], self.n_rows * width, at)
            at += values.nbytes
            columns[name] = values.astype(np.int64).reshape((-1, width) if width > 1 else -1)
        return key, columns


Block = MemoryBlock | FileBlock


def run_of(parts: Sequence[Sums]) -> Run:
    """Any sums, added up and brought into storage order."""
    voxels = np.concatenate([_EMPTY.voxels, *(p.voxels for p in parts)]).astype(np.int64)
    if not len(voxels):
        return Run(np.empty((0, 3), np.int64), np.zeros(1, np.int64), np.empty(0, np.int32), {})
    order, local, firsts = storage_order(voxels)
    fresh = np.append(True, np.diff(local) != 0)
    fresh[firsts] = True
    starts = np.flatnonzero(fresh)
    regions = voxels[order[firsts]] >> 8
    del voxels
    columns = {
        name: np.add.reduceat(np.concatenate([getattr(p, name) for p in parts]).take(order, axis=0), starts)
        for name in WIDTHS
    }
    begins = np.append(np.searchsorted(starts, firsts), len(starts))
    return Run(regions, begins, local[starts].astype(np.int32), columns)


def run_of_rows(kind: str, rows: Votes | Seen) -> Run:
    """Rows of an attribute, merged before, in storage order."""
    voxels = rows.voxels.astype(np.int64)
    order, local, firsts = storage_order(voxels)
    columns = {name: getattr(rows, name).astype(np.int64).take(order) for name in ATTRIBUTES[kind]}
    return Run(voxels[order[firsts]] >> 8, np.append(firsts, len(voxels)), local.astype(np.int32), columns)


def blocks_of(kind: str, run: Run) -> Iterator[tuple[Corner, MemoryBlock]]:
    """(region, block) of a run that stays in memory."""
    for at, (x, y, z) in enumerate(run.regions.tolist()):
        yield (x, y, z), MemoryBlock(kind, run, at)


def _narrow(values: I64) -> tuple[int, bytes]:
    """(code of the type, bytes) of a column in the narrowest type that holds it."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    code = next((i for i in range(3) if low >= 0 and high < 1 << 8 * 2**i), 3)
    return code, values.astype(_TYPES[code]).tobytes()


def write_run(root: Path, name: str, kind: str, run: Run) -> None:
    """Write a run, whole or not at all. OSError, with the path."""
    files.write_file(root, name, _encoded(kind, run))


def _encoded(kind: str, run: Run) -> Iterator[bytes]:
    yield _magic(kind)
    offset = len(_magic(kind))
    index = np.zeros(len(run.regions), _ENTRY)
    for at, region in enumerate(run.regions):
        rows = slice(int(run.firsts[at]), int(run.firsts[at + 1]))
        narrow = [_narrow(run.columns[column][rows]) for column in columns_of(kind)]
        data = b"".join([run.key[rows].astype("<u4").tobytes(), *(part for _, part in narrow)])
        digest = xxhash.xxh3_64_intdigest(data)
        types = [code for code, _ in narrow] + [0] * (N_COLUMNS - len(narrow))
        index[at] = (region, rows.stop - rows.start, offset, len(data), digest, types)
        offset += len(data)
        yield data
    table = index.tobytes()
    yield table
    yield np.array([(offset, len(index), xxhash.xxh3_64_intdigest(table))], _END).tobytes()


def read_index(root: Path, name: str, kind: str) -> list[tuple[Corner, FileBlock]]:
    """(region, block) of a run's file. WorldError if it is missing, cut or changed."""
    file = files.open_file(root, name)
    try:
        size = os.fstat(file).st_size
        magic = _magic(kind)
        if size < len(magic) + _END.itemsize or files.pread(file, name, len(magic), 0) != magic:
            raise WorldError(name, "is not a run of sums of this version")
        end = np.frombuffer(files.pread(file, name, _END.itemsize, size - _END.itemsize), _END)[0]
        offset, n_blocks = int(end["offset"]), int(end["n_blocks"])
        if offset + n_blocks * _ENTRY.itemsize + _END.itemsize != size:
            raise WorldError(name, "is cut short")
        table = files.pread(file, name, n_blocks * _ENTRY.itemsize, offset)
    finally:
        os.close(file)
    if xxhash.xxh3_64_intdigest(table) != int(end["digest"]):
        raise WorldError(name, "its index was changed")
    found = []
    for region, n_rows, at, n_bytes, digest, types in np.frombuffer(table, _ENTRY).tolist():
        block = FileBlock(kind, root, name, n_rows, at, n_bytes, digest, tuple(types))
        found.append(((region[0], region[1], region[2]), block))
    return found

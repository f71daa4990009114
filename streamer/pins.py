"""Chunks that are read before the first frame: is each there, empty or unknown?

A root chunk has no parent whose voxels could say that it is empty. So that a ray may pass it, the page table
says so; of one that could not be read it says nothing, and a ray that meets it and finds nothing behind is
unresolved (march.glsl).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..atlas.streams import Stream
from .chunk_source import ChunkSource, OnBad
from .descent import present
from .errors import WorldError

U64 = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Known:
    """What a source holds of some chunks: ids [N] uint64 with N streams; empty [E]; unknown [U]."""

    ids: U64
    streams: list[Stream]
    empty: U64
    unknown: U64


def read_known(source: ChunkSource, ids: U64, on_bad: OnBad) -> Known:
    """Read chunks, on this thread. on_bad hears of each damage once."""
    errors: list[WorldError] = []
    there, streams = present(source.read_many(ids, errors.append))
    rest = np.delete(ids, there)
    for error in errors:
        on_bad(error)
    bad = np.zeros(rest.size, bool)
    if errors:  # one by one: damage in one must not make the others unknown
        bad[:] = [_fails(source, rest[i : i + 1]) for i in range(rest.size)]
    return Known(ids[there], streams, rest[~bad], rest[bad])


def _fails(source: ChunkSource, one: U64) -> bool:
    errors: list[WorldError] = []
    source.read_many(one, errors.append)
    return bool(errors)

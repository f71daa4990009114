"""Worlds that nobody baked: chunks of any level, worked out when asked for, the same bytes everywhere.

    procedural://island?seed=1&size_km=10&voxel_size_m=0.01

A chunk source like `World`. A coarse voxel that is empty has nothing below it, as in a baked world. Now and
then one is occupied and has nothing below it (bounds are not exact): a chunk asked for there is None.
"""

import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from numpy.typing import NDArray

from ..atlas import address
from ..atlas.layout import CHUNK_BITS, MAX_LEVEL, MIN_PINNED_LEVEL, ORIGIN_BITS
from ..atlas.streams import Stream, encode
from .codec import LEVELS
from .errors import WorldError
from .island import heights_at, make_ground
from .island_chunks import Island, make_chunks, surface
from .island_shape import CENTRE, SEA_Z, UNIT, make_shape
from .metadata import WorldMeta

U64 = NDArray[np.uint64]

SCHEME = "procedural://"
GENERATORS = ("island",)
N_CACHED = 4096  # packed chunks kept: 2 kB each as a rule, 17 kB at worst
MIN_SIZE_KM, MAX_SIZE_KM = 0.02, 100.0
MIN_VOXEL_M, MAX_VOXEL_M = 0.005, 1.0
MAX_TOP_CHUNKS = 4  # per axis of the coarsest level


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a procedural world is made of. `str` is its URL."""

    name: str = "island"
    seed: int = 1
    size_km: float = 1.0
    voxel_size_m: float = 0.01

    def __str__(self) -> str:
        size, voxel = _plain(self.size_km), _plain(self.voxel_size_m)
        return f"{SCHEME}{self.name}?seed={self.seed}&size_km={size}&voxel_size_m={voxel}"


def _plain(value: float) -> str:
    return repr(int(value)) if value == int(value) else repr(value)


def checked(recipe: Recipe) -> Recipe:
    """The recipe, if such a world can be. ValueError, one line, otherwise."""
    r = recipe
    if r.name not in GENERATORS:
        raise ValueError(f"no procedural world is called {r.name[:40]!a}: there is {', '.join(GENERATORS)}")
    if not 0 <= r.seed < 1 << 32:
        raise ValueError(f"seed {r.seed} must be an integer from 0 to {(1 << 32) - 1}")
    if not MIN_SIZE_KM <= r.size_km <= MAX_SIZE_KM:
        raise ValueError(f"size_km {r.size_km:g} must be from {MIN_SIZE_KM:g} to {MAX_SIZE_KM:g}")
    if not MIN_VOXEL_M <= r.voxel_size_m <= MAX_VOXEL_M:
        raise ValueError(f"voxel_size_m {r.voxel_size_m:g} must be from {MIN_VOXEL_M:g} to {MAX_VOXEL_M:g}")
    if _half(r) + CENTRE >= 1 << ORIGIN_BITS:
        size = f"size_km {r.size_km:g} at voxel_size_m {r.voxel_size_m:g}"
        raise ValueError(f"{size} is too large: a world spans at most {2 << ORIGIN_BITS:,} voxels")
    return r


def _half(recipe: Recipe) -> int:
    return math.floor(recipe.size_km * 500.0 / recipe.voxel_size_m)


_FIELDS: dict[str, tuple[str, Callable[[str], float]]] = {
    "seed": (r"\d{1,10}", int),
    "size_km": (r"\d{1,6}(\.\d{1,9})?", float),
    "voxel_size_m": (r"\d{1,6}(\.\d{1,9})?", float),
}


def parse_url(url: str) -> Recipe:
    """A procedural world's URL, checked. ValueError, one line, if it is anything else."""
    shown = ascii(url[:120])
    if not url.startswith(SCHEME):
        raise ValueError(f"{shown} is not a procedural world: write {SCHEME}island?seed=1&size_km=1")
    parts = urlsplit(url)
    if parts.path or parts.fragment:
        raise ValueError(
            f"{shown}: behind the name comes ?seed=...&size_km=...&voxel_size_m=..., nothing else"
        )
    given: dict[str, float] = {}
    for key, text in parse_qsl(parts.query, keep_blank_values=True, max_num_fields=8):
        if key not in _FIELDS or key in given:
            raise ValueError(f"{shown}: {key[:40]!a} is not one of {', '.join(_FIELDS)}, each once")
        pattern, number = _FIELDS[key]
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(f"{shown}: {key}={text[:40]!a} is not a number")
        given[key] = number(text)
    return checked(Recipe(parts.netloc, **given))  # type: ignore[arg-type]


class ProceduralWorld:
    """A chunk source. Made by `open_procedural`; any thread may read."""

    def __init__(self, recipe: Recipe) -> None:
        """ValueError, one line, if such a world cannot be."""
        self.recipe = checked(recipe)
        half = _half(recipe)
        shape = make_shape(recipe.seed, 2 * half * recipe.voxel_size_m, recipe.voxel_size_m)
        self.island = Island(make_ground(shape), (CENTRE - half,) * 2, (CENTRE + half,) * 2)
        self.meta = _meta(recipe, self.island)
        self._cache: OrderedDict[int, bytes | None] = OrderedDict()
        self._lock = threading.Lock()

    def read_many(self, ids: U64, on_bad: Callable[[WorldError], None] | None = None) -> list[Stream | None]:
        """[N] uint64 chunk ids in any order -> N streams, None where nothing is.

        Nothing here can be bad, so on_bad is never told. ValueError: a level that the world does not have.
        """
        return [packed and encode(packed) for packed in self.read_packed(ids)]

    def read_packed(self, ids: U64) -> list[bytes | None]:
        """As `read_many`, but packed chunks: for a bake."""
        keys = np.asarray(ids, np.uint64).tolist()
        with self._lock:
            known = {key: self._cache[key] for key in keys if key in self._cache}
        missing = np.array(sorted(set(keys) - known.keys()), np.uint64)
        levels, chunks = address.chunk_of_id(missing)
        if missing.size and levels.max() >= self.meta.n_levels:
            raise ValueError(f"level {levels.max()} outside 0..{self.meta.n_levels - 1}")
        for level in np.unique(levels).tolist():
            at = np.flatnonzero(levels == level)
            made = make_chunks(self.island, level, chunks[at])
            known |= dict(zip(missing[at].tolist(), made, strict=True))
        with self._lock:
            for key in keys:
                self._cache[key] = known[key]
                self._cache.move_to_end(key)
            while len(self._cache) > N_CACHED:
                self._cache.popitem(last=False)
        return [known[key] for key in keys]


def open_procedural(url: str) -> ProceduralWorld:
    """A procedural world by its URL. ValueError, one line, for one that is wrong."""
    return ProceduralWorld(parse_url(url))


def _meta(recipe: Recipe, island: Island) -> WorldMeta:
    high = SEA_Z + 1 + _highest(island)
    bounds = ((*island.low, SEA_Z), (*island.high, high))
    middle = np.array([CENTRE])
    ground = SEA_Z + int(heights_at(island.ground, middle, middle, 0)[0][0]) // UNIT
    source = {"kind": "procedural", "url": str(recipe), "middle_voxel": [CENTRE, CENTRE, ground]}
    return WorldMeta(recipe.voxel_size_m, _n_levels(bounds), bounds, "zstd", LEVELS["zstd"], (source,))


def _n_levels(bounds: tuple[tuple[int, int, int], tuple[int, int, int]]) -> int:
    """Up to where the world spans 4 chunks per axis, at least to level 5."""
    for level in range(MIN_PINNED_LEVEL, MAX_LEVEL):
        shift = level + CHUNK_BITS
        spans = [((high - 1) >> shift) - (low >> shift) for low, high in zip(*bounds, strict=True)]
        if max(spans) < MAX_TOP_CHUNKS:
            return level + 1
    return MAX_LEVEL + 1


def _highest(island: Island) -> int:
    """Voxels above the sea that hold everything: of the level that spans at most 8 chunks an axis."""
    level = 5
    while (island.high[0] - island.low[0]) >> (level + CHUNK_BITS) > 8:
        level += 1
    low, high = (np.array(edge) >> (level + CHUNK_BITS) for edge in (island.low, island.high))
    axes = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    found = surface(island, min(level, MAX_LEVEL), grid)
    return int(found.room[found.inside].max()) - SEA_Z

"""Bake: a source becomes a world. batches -> sums per voxel -> level 0 -> levels upwards -> region files.

The stages are functions with arrays between them. Integers add up and sorting decides the order, so the same
items in any order, and any batches, give the same bytes.
"""

import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from ..atlas.lod import reduce_sparse
from ..atlas.lod_planes import reduce_plane
from ..streamer.manifest import RegionRecord
from ..streamer.writer import WorldWriter
from .bake_options import BakeOptions, checked, place
from .errors import UserError, shown
from .pyramid import Levels, bounds_of, min_levels, plane_regions_of, regions_of
from .sources.source import Batch, Source
from .voxelise import sums
from .voxelise.attributes import Attributes
from .voxelise.kinds import KINDS
from .voxelise.placement import Placement
from .voxelise.sums import Sums

__all__ = ["BakeOptions", "BakeReport", "bake"]

BATCH = 1 << 17  # items read at a time
KEEP = 1 << 19  # sources of at most this many items are read once and held (56 bytes a Gaussian)
WAITING_REGIONS = 4  # packed regions that may wait for the disk
PENDING = 1 << 22  # voxels of sums that may wait to be merged

Progress = Callable[[str, int, int], None]  # stage, done, total


@dataclass(frozen=True, slots=True)
class BakeReport:
    """What a bake made. bytes are those of the colour's region files, bits_per_voxel these over level 0."""

    voxels: int
    chunks: list[int]  # per level
    bytes: int
    bits_per_voxel: float
    seconds: float
    peak_rss_bytes: int  # of the whole process
    dropped: dict[str, int] = field(default_factory=dict)  # items, by reason
    stages_s: dict[str, float] = field(default_factory=dict)
    plane_bytes: int = 0  # of the attributes' region files


def quiet(stage: str, done: int, total: int) -> None:
    """No progress shown."""


def bake(source: Source, out: Path, options: BakeOptions, progress: Progress = quiet) -> BakeReport:
    """Bake `source` into a new world at `out`.

    UserError before `out` is touched: options out of range, a world there already, nothing to bake. UserError
    later: the disk refuses; what was written stays an unfinished bake.
    """
    began = time.perf_counter()
    options = checked(options, source)
    check_out(out, options.overwrite)
    placement = place(source, options)
    summed, attributes, dropped = accumulate(source, placement, options, progress)
    summed_at = time.perf_counter()
    level, rgba = resolve(summed, source, placement, options, dropped)
    planes = attributes.planes(level)
    bounds = bounds_of(level)
    n_levels = chosen_levels(bounds, options)
    origin = provenance(source, options)
    try:
        with WorldWriter(
            out, voxel_size_m=options.voxel_size_m, codec=options.codec, overwrite=options.overwrite
        ) as writer:
            records = write_levels(writer, level, rgba, n_levels, progress, planes, attributes.now)
            writer.finish(
                bounds_voxels=bounds,
                n_levels=n_levels,
                sources=[origin],
                entities=source.entities,
                now=attributes.now,
            )
    except OSError as error:  # somebody else's files, a full disk, no permission
        raise UserError(f"cannot write {shown(out)}: {shown(error.strerror or error)}") from error
    ended = time.perf_counter()
    n_bytes = sum(r.n_bytes for r in records)
    return BakeReport(
        voxels=len(level),
        chunks=[sum(r.n_chunks for r in records if r.level == k) for k in range(n_levels)],
        bytes=n_bytes,
        bits_per_voxel=8 * n_bytes / len(level),
        seconds=ended - began,
        peak_rss_bytes=peak_rss_bytes(),
        dropped=dropped,
        stages_s={"voxelise": summed_at - began, "write": ended - summed_at},
        plane_bytes=sum(p.n_bytes for r in records for p in r.planes),
    )


def check_out(out: Path, overwrite: bool) -> None:
    """UserError if a world cannot be written there; asked before the work, not after it."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{shown(out)} is a file: name a folder for the world")
    if out.is_dir() and not overwrite and any(out.iterdir()):
        raise UserError(f"{shown(out)} is not empty: name another folder, or pass --overwrite")


# Stage 1: batches -> sums --------------------------------------------------------------------------


def rereadable(source: Source) -> Callable[[], Iterable[Batch]]:
    """The batches, as often as wanted: held where the source is small, else read again."""
    if source.n_items > KEEP or not KINDS[source.kind].held:
        return lambda: source.batches(BATCH)
    held = list(source.batches(BATCH))
    return lambda: held


def accumulate(
    source: Source, placement: Placement, options: BakeOptions, progress: Progress
) -> tuple[Sums, Attributes, dict[str, int]]:
    """Every item of the source, added up per voxel; and how many items were dropped, by reason."""
    attributes = Attributes()
    kind = KINDS[source.kind]
    batches = rereadable(source)
    total = source.n_items
    if kind.looks_first:
        progress("survey", 0, total)
    limits = kind.survey(batches, source, placement, options)
    dropped: dict[str, int] = {}
    merged: list[Sums] = []
    done = 0
    for batch in batches():
        parts, lost = kind.voxelise(batch, placement, limits)
        for reason, n in lost.items():
            dropped[reason] = dropped.get(reason, 0) + n
        for i, part in enumerate(parts):
            merged = gathered([*merged, part])
            if kind.observes:
                attributes.observe(part, done + i + 1)
        attributes.vote(batch, lambda b: kind.voxelise(b, placement, limits)[0])
        done += len(batch)
        progress("voxelise", done, total)
    dropped["invalid"] = total - done
    return sums.merge(merged), attributes, {reason: n for reason, n in dropped.items() if n}


def gathered(parts: list[Sums]) -> list[Sums]:
    """Merge what waits once it is larger than what is merged: so a voxel is sorted a few times only."""
    waiting = sum(len(p.n) for p in parts[1:])
    if parts and waiting > max(PENDING, len(parts[0].n)):
        return [sums.merge(parts)]
    return parts


# Stage 2: sums -> voxels of level 0 ----------------------------------------------------------------


def resolve(
    summed: Sums, source: Source, placement: Placement, options: BakeOptions, dropped: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Sums -> (voxels [N, 3], rgba [N, 4] with A >= 1). UserError, saying why, if none is left."""
    kind = KINDS[source.kind]
    solid, coverage = kind.resolve(summed, options)
    if kind.carve and options.carve:
        solid[solid] = kind.carve(source, summed.voxels[solid], placement, options)
    if not solid.any():
        raise UserError(f"{shown(source.path)} leaves no voxel: {why_empty(summed, options, dropped)}")
    rgba = np.concatenate([KINDS[source.kind].colour(summed), coverage[:, None]], axis=1)
    return summed.voxels[solid].astype(np.int64), rgba[solid]


def why_empty(summed: Sums, options: BakeOptions, dropped: dict[str, int]) -> str:
    """What to change when nothing was solid."""
    if len(summed.n):
        return f"nowhere do they add up to --threshold {options.threshold:g}: lower it, or use larger voxels"
    advice = {
        "cropped": "lie outside --bounds",
        "faint": f"are fainter than --min-opacity {options.min_opacity:g}",
        "huge": "are larger than --max-scale",
        "invalid": "are not finite",
    }
    found = [f"{n:,} {advice[reason]}" for reason, n in dropped.items()]
    return ", ".join(found) or "the source is empty"


# Stage 3: level by level to disk -------------------------------------------------------------------


def chosen_levels(bounds: tuple[tuple[int, int, int], tuple[int, int, int]], options: BakeOptions) -> int:
    """The number of levels; UserError if the user's is too small for a world of this extent."""
    least = min_levels(bounds)
    if options.n_levels is not None and options.n_levels < least:
        raise UserError(f"--levels {options.n_levels} is too few for this extent: use at least {least}")
    return options.n_levels or least


def write_levels(
    writer: WorldWriter,
    level: NDArray[np.int64],
    rgba: NDArray[np.uint8],
    n_levels: int,
    progress: Progress,
    planes: Levels,
    now: int = 0,
) -> list[RegionRecord]:
    """Write every level. One thread compresses and waits for the disk while this one packs and reduces."""
    records: list[RegionRecord] = []
    waiting: deque[Future[RegionRecord]] = deque()
    with ThreadPoolExecutor(2) as pool:
        for k in range(n_levels):
            progress("levels", k, n_levels)
            held = plane_regions_of(planes)
            for region, morton, packed in regions_of(level, rgba):
                while len(waiting) >= WAITING_REGIONS:
                    records.append(waiting.popleft().result())
                waiting.append(
                    pool.submit(writer.write_region, k, region, morton, packed, held.get(region, {}))
                )
            if k + 1 < n_levels:
                level, rgba = reduce_sparse(level, rgba)
                planes = {name: reduce_plane(name, *held, now) for name, held in planes.items()}
        records += [future.result() for future in waiting]
    progress("levels", n_levels, n_levels)
    return records


# What the world says of itself ---------------------------------------------------------------------


def provenance(source: Source, options: BakeOptions) -> dict[str, Any]:
    """Where the voxels come from: nothing of this machine, nothing of this hour."""
    used = {name: value for name, value in asdict(options).items() if name != "overwrite"}
    return {
        "file": source.path.name,
        "xxh3_128": digest(*(source.files or (source.path,))),
        "kind": source.kind,
        "n_items": source.n_items,
        "notes": dict(source.notes),
        "options": used,
    }


def digest(*paths: Path) -> str:
    """xxh3-128 of the bytes of files one after the other, as hex; a frame that is missing counts as empty."""
    state = xxhash.xxh3_128()
    for path in (path for path in paths if path.is_file()):
        for block in _blocks(path):
            state.update(block)
    return state.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block


def peak_rss_bytes() -> int:
    """The most memory this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

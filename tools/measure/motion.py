"""`voxtide stress spin` and `sprint`: turning and flying faster than anyone could."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ...app import moves
from ...app.paths import CameraPath
from ...streamer.chunk_source import OnBad
from ..progress import Progress
from .figures import spread
from .opening import Opened
from .places import flight, jumps, outline
from .rig import Setup, open_rig

SPINS_DEG_S = (360.0, 720.0, 1440.0)
SPRINTS_M_S = (5.0, 50.0, 100.0, 200.0)
_SPIN_PITCH_DEG = -10.0


def spin(
    opened: Opened, setup: Setup, seed: int, seconds: float, on_bad: OnBad, show: Progress
) -> dict[str, Any]:
    """Turn on the spot, at each speed with nothing but the pinned levels to begin with. -> the JSON"""
    place = replace(jumps(outline(opened.source), 1, seed)[0], pitch=_SPIN_PITCH_DEG)
    runs = [
        ("degrees_per_s", v, moves.turn(place, v * seconds, seconds, fov_deg=setup.fov_deg))
        for v in SPINS_DEG_S
    ]
    return _all(opened, setup, runs, on_bad, show)


def sprint(opened: Opened, setup: Setup, seconds: float, on_bad: OnBad, show: Progress) -> dict[str, Any]:
    """Fly straight across the world, at each speed with nothing but the pinned levels to begin with."""
    world = outline(opened.source)
    runs = [("m_per_s", v, flight(world, v, seconds, setup.fps, setup.fov_deg)) for v in SPRINTS_M_S]
    return _all(opened, setup, runs, on_bad, show)


def _all(
    opened: Opened,
    setup: Setup,
    runs: Iterable[tuple[str, float, CameraPath]],
    on_bad: OnBad,
    show: Progress,
) -> dict[str, Any]:
    told = [{unit: v, **_one(opened, setup, path, on_bad, show)} for unit, v, path in runs]
    return {"runs": told, "unresolved_pixels": sum(run["unresolved_pixels"] for run in told)}


def _one(opened: Opened, setup: Setup, path: CameraPath, on_bad: OnBad, show: Progress) -> dict[str, Any]:
    keys, before = list(path.poses(setup.fps)), opened.read_bytes
    with open_rig(opened, setup, on_bad) as rig:
        records = []
        for i, key in enumerate(keys):
            records.append(rig.step(key.pose, key.fov_deg))
            show("frames", i + 1, len(keys))
    return {
        "frames": len(records),
        "coarse_pixel_fraction": sum(r.n_coarse for r in records) / sum(r.n_pixels for r in records),
        "full_frames_fraction": sum(r.n_coarse == 0 for r in records) / len(records),
        "unresolved_pixels": sum(r.n_unresolved for r in records),
        "chunks_loaded": sum(r.n_loaded for r in records),
        "chunks_evicted": sum(r.n_evicted for r in records),
        "read_bytes": opened.read_bytes - before,
        "frame_ms": spread((r.frame_ms for r in records), "p50", "p99", "max"),
        "stream_main_ms": spread((r.stream_main_ms for r in records), "p50", "p99", "max"),
    }

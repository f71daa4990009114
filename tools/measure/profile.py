"""`voxtide profile`: a camera path through a streamed world, frame by frame."""

from dataclasses import dataclass
from typing import Any

from ...app.paths import CameraPath
from ...app.render.pool import BYTES_PER_SLOT
from ...streamer.chunk_source import OnBad
from ..progress import Progress
from .figures import machine, rss_bytes, spread
from .opening import Opened
from .rig import FrameRecord, Rig, Setup, open_rig

VOXELS_EVERY = 30  # frames between counts of touched voxels
PARTS = ("march", "reduce", "upload", "shade")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a run along a path was like."""

    gl_renderer: str
    records: list[FrameRecord]
    gpu_ms: dict[str, float]  # mean per frame
    read_bytes: int
    touched_voxels: list[int]  # of every VOXELS_EVERYth frame
    rss_bytes: int


def profile(opened: Opened, setup: Setup, path: CameraPath, on_bad: OnBad, show: Progress) -> Profile:
    """Draw every frame of a path at the setup's fps. The same path gives the same views on every run."""
    n_frames = sum(1 for _ in path.poses(setup.fps))
    records, touched = list[FrameRecord](), list[int]()
    before = opened.read_bytes
    with open_rig(opened, setup, on_bad) as rig:
        for i, key in enumerate(path.poses(setup.fps)):
            records.append(rig.step(key.pose, key.fov_deg))
            if i % VOXELS_EVERY == VOXELS_EVERY - 1 or i == n_frames - 1:
                touched.append(rig.touched_voxels(key.pose, key.fov_deg))
            show("frames", i + 1, n_frames)
        read = opened.read_bytes - before
        return Profile(rig.gl_renderer, records, _gpu_ms(rig), read, touched, rss_bytes())


def _gpu_ms(rig: Rig) -> dict[str, float]:
    return {part: round(rig.timers.mean_ms(part), 4) for part in PARTS}


def facts(run: Profile) -> dict[str, Any]:
    """The JSON of a profile; docs/measuring.md tells what each field means."""
    records = run.records
    n_pixels = sum(r.n_pixels for r in records)
    touched = [r.n_touched for r in records if r.n_touched is not None]
    return {
        "machine": machine(),
        "gl_renderer": run.gl_renderer,
        "frames": len(records),
        "frame_ms": spread((r.frame_ms for r in records), "p50", "p90", "p99", "p999", "max"),
        "gpu_ms": run.gpu_ms,
        "stream_main_ms": spread((r.stream_main_ms for r in records), "p50", "p99", "p999", "max"),
        "read_bytes": run.read_bytes,
        "upload_bytes": sum(r.n_bytes for r in records),
        "chunks_loaded": sum(r.n_loaded for r in records),
        "chunks_evicted": sum(r.n_evicted for r in records),
        "touched_chunks": spread(touched, "p50", "max"),
        "touched_voxels": spread(run.touched_voxels, "p50", "max"),
        "unresolved_pixels": sum(r.n_unresolved for r in records),
        "coarse_pixel_fraction": sum(r.n_coarse for r in records) / n_pixels,
        "vram_bytes": max(r.n_resident for r in records) * BYTES_PER_SLOT,
        "ram_bytes": max(r.ram_bytes for r in records),
        "rss_bytes": max(run.rss_bytes, *(r.rss_bytes for r in records)),
    }

"""`voxtide stress thrash`: one view, and budgets below what it needs."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...app.camera import Pose
from ...app.render.pool import BYTES_PER_SLOT
from ...atlas.address import chunk_id, chunk_of_id, parent
from ...streamer.chunk_source import OnBad
from ..progress import Progress
from .opening import Opened
from .places import jumps, outline
from .rig import Rig, Setup, open_rig

SHARES = (1.0, 0.5, 0.25, 0.1)  # of the working set
MAX_SWING = 0.02  # of the pixels: what still counts as settled
N_SAMPLES = 20
_LISTENED_FRAMES = 24  # rays that only pass through a chunk say so once in about 20 frames


def thrash(
    opened: Opened, setup: Setup, seed: int, seconds: float, on_bad: OnBad, show: Progress
) -> dict[str, Any]:
    """Draw a view with less and less room. It is settled when the last third swings by little."""
    pose = jumps(outline(opened.source), 1, seed)[0]
    with open_rig(opened, setup, on_bad) as rig:
        working_set = _working_set(rig, pose).size
    n_frames = max(3, round(seconds * setup.fps))
    budgets = []
    for i, share in enumerate(SHARES):
        n_slots = math.ceil(share * working_set)
        small = replace(setup, vram_bytes=n_slots * BYTES_PER_SLOT)
        with open_rig(opened, small, on_bad) as rig:
            budgets.append({"share": share, **_one(rig, pose, n_frames)})
        show("budgets", i + 1, len(SHARES))
    return {
        "working_set_chunks": working_set,
        "budgets": budgets,
        "settles": all(b["settles"] for b in budgets),
        "unresolved_pixels": sum(b["unresolved_pixels"] for b in budgets),
    }


def _working_set(rig: Rig, pose: Pose) -> NDArray[np.uint64]:
    """What a settled view needs to stay whole: the chunks its rays use, all above them, the pinned ones."""
    needed = [rig.streamer.residency.resident_ids]  # so far only the pinned ones
    rig.settle(pose)
    for _ in range(_LISTENED_FRAMES):
        rig.step(pose)
        needed.append(rig.streamer.residency.owners[rig.heard.touched_slots])
    ids = np.unique(np.concatenate(needed))
    while True:
        level, chunk = chunk_of_id(ids)
        low = level < rig.scene.root.level
        above = np.union1d(ids, chunk_id(level[low] + 1, parent(chunk[low])))
        if above.size == ids.size:
            return ids
        ids = above


def _one(rig: Rig, pose: Pose, n_frames: int) -> dict[str, Any]:
    records = [rig.step(pose) for _ in range(n_frames)]
    coarse = np.array([r.n_coarse / r.n_pixels for r in records])
    late = coarse[-(n_frames // 3) :]
    samples = coarse[np.linspace(0, n_frames - 1, min(N_SAMPLES, n_frames)).astype(int)]
    swing = float(late.max() - late.min())
    return {
        "slots": rig.scene.residency.slots.n_slots,
        "coarse_pixel_fraction": round(float(late.mean()), 4),
        "swing": round(swing, 4),
        "settles": swing <= MAX_SWING,
        "chunks_loaded_late": sum(r.n_loaded for r in records[-late.size :]),
        "unresolved_pixels": sum(r.n_unresolved for r in records),
        "coarse_over_time": [round(v, 4) for v in samples.tolist()],
    }

"""The cache experiment: each memory is filled with the same frames and asked for the same views.

After upstream's inference: a step is 80 frames, of which those whose number is divisible by 8 are stored; one
retrieval per step, for its last view. Five views of each step are compared with the truth. The last frame of
the step before is in all arms: a generator has it anyway. Times are CPU times: others may use the machine.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from time import process_time
from typing import Any

import numpy as np

from ..memory import ARMS, Memory, Picture
from ..memory.view import F64, Bool, Frame
from . import scores
from .courses import COURSES, STEP_FRAMES
from .exact import CONDITIONS, Exact

STORED = 8  # of the frames, one in so many is stored
LOOKED_AT = (16, 32, 48, 64, 80)  # frames of a step that are compared
SIZE = (60, 104)


@dataclass(slots=True)
class Tally:
    """Squared error and the like, gathered over pixels; holes count as grey."""

    n: int = 0
    n_covered: int = 0
    squares: float = 0.0
    squares_covered: float = 0.0
    ssim: float = 0.0

    def count(self, picture: Picture, truth: Frame, similar: F64, where: Bool) -> None:
        """Add a view's pixels. similar [H, W] SSIM."""
        covered = where & picture.covered
        n, n_covered = int(where.sum()), int(covered.sum())
        if n:
            self.squares += scores.mse(truth.rgb, scores.filled(picture), where) * n
            self.ssim += float(similar[where].sum())
        if n_covered:
            self.squares_covered += scores.mse(truth.rgb, picture.rgb, covered) * n_covered
        self.n += n
        self.n_covered += n_covered

    def told(self) -> dict[str, float | int | None]:
        """Figures; None where there were no pixels."""
        return {
            "pixels": self.n,
            "psnr_db": round(scores.decibels(self.squares / self.n), 3) if self.n else None,
            "psnr_covered_db": round(scores.decibels(self.squares_covered / self.n_covered), 3)
            if self.n_covered
            else None,
            "ssim": round(self.ssim / self.n, 4) if self.n else None,
            "coverage": round(self.n_covered / self.n, 4) if self.n else None,
        }


@dataclass(slots=True)
class StepRecord:
    """What one step gave. known: pixels that some earlier frame shows; remembered: those of them that the

    last frame does not show, which only a memory can have.
    """

    step: int
    known: Tally = field(default_factory=Tally)
    remembered: Tally = field(default_factory=Tally)
    misplaced_px: list[float] = field(default_factory=list)
    n_bytes: dict[str, int] = field(default_factory=dict)
    add_ms: list[float] = field(default_factory=list)
    retrieve_ms: float = 0.0
    render_ms: list[float] = field(default_factory=list)
    n_examined: int = 0
    frames: tuple[int, ...] = ()
    doubled: float | None = None
    thickness: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Truths:
    """The true frames of a course, and what was seen before of the views that are looked at."""

    frames: dict[int, Frame]
    known: dict[int, Bool]
    remembered: dict[int, Bool]


def truths_of(exact: Exact) -> Truths:
    """Cast all the frames that are stored or looked at."""
    n = exact.course.n_steps
    frames = {i: exact.truth(i) for i in range(0, n * STEP_FRAMES + 1, STORED)}
    known, remembered = {}, {}
    for step in range(n):
        start = step * STEP_FRAMES
        earlier = [frames[i] for i in frames if i <= start][::-1]
        for i in (start + at for at in LOOKED_AT):
            known[i] = scores.known(frames[i], earlier)
            remembered[i] = known[i] & ~scores.known(frames[i], earlier[:1])
    return Truths(frames, known, remembered)


def run(
    exact: Exact,
    frames: dict[int, Frame],
    truths: Truths,
    memory: Memory,
    targets: tuple[int, ...] = (STEP_FRAMES,),
) -> list[StepRecord]:
    """Walk a course with a memory. frames: what is generated; targets: views of a step to retrieve for."""
    memory.add(frames[0])
    records = []
    for step in range(exact.course.n_steps):
        record, start = StepRecord(step), step * STEP_FRAMES
        views = [exact.course.view(start + at, exact.size) for at in targets]
        began = process_time()
        found = memory.retrieve(views)
        record.retrieve_ms = _ms(began)
        record.frames, record.n_examined = found.frames, found.n_examined
        for i in (start + at for at in LOOKED_AT):
            began = process_time()
            picture = memory.render(found, exact.course.view(i, exact.size))
            record.render_ms.append(_ms(began))
            truth = truths.frames[i]
            similar = scores.ssim_map(truth.rgb.astype(np.float64), scores.filled(picture))
            record.known.count(picture, truth, similar, truths.known[i])
            record.remembered.count(picture, truth, similar, truths.remembered[i])
            record.misplaced_px += scores.misplaced_px(picture, truth, truths.remembered[i]).tolist()
        for i in range(start + STORED, start + STEP_FRAMES + 1, STORED):
            began = process_time()
            memory.add(frames[i])
            record.add_ms.append(_ms(began))
        record.n_bytes = memory.n_bytes()
        records.append(record)
    records[-1].doubled, records[-1].thickness = scores.doubled(*memory.geometry(), exact.course.scene)
    return records


def summed(tallies: Iterable[Tally]) -> Tally:
    """All of them as one."""
    out = Tally()
    for tally in tallies:
        for name, value in asdict(tally).items():
            setattr(out, name, getattr(out, name) + value)
    return out


def told(records: list[StepRecord]) -> dict[str, Any]:
    """A walk as figures for JSON."""
    off = np.array([px for r in records for px in r.misplaced_px])
    doubled, thickness = records[-1].doubled, records[-1].thickness
    return {
        "known": summed(r.known for r in records).told(),
        "remembered": summed(r.remembered for r in records).told(),
        "reprojection_px": quantiles(off, (50, 95)) if off.size else None,
        "doubled": None if doubled is None or np.isnan(doubled) else round(doubled, 4),
        "thickness_cm": None if thickness is None or np.isnan(thickness) else round(100 * thickness, 2),
        "add_ms": quantiles(np.concatenate([r.add_ms for r in records]), (50, 95)),
        "retrieve_ms": quantiles(np.array([r.retrieve_ms for r in records]), (50, 95)),
        "render_ms": quantiles(np.concatenate([r.render_ms for r in records]), (50, 95)),
        "bytes": records[-1].n_bytes,
        "steps": [
            {
                "step": r.step,
                "psnr_known_db": r.known.told()["psnr_db"],
                "psnr_remembered_db": r.remembered.told()["psnr_db"],
                "coverage_remembered": r.remembered.told()["coverage"],
                "bytes": sum(r.n_bytes.values()),
                "retrieve_ms": round(r.retrieve_ms, 3),
                "n_examined": r.n_examined,
            }
            for r in records
        ],
    }


def quantiles(values: F64, shares: tuple[int, ...]) -> dict[str, float]:
    """{"p50": ...}; values may hold infinities."""
    held = np.nan_to_num(values, posinf=1e6)
    return {f"p{share}": round(float(np.percentile(held, share)), 3) for share in shares}


def generated(exact: Exact) -> dict[int, Frame]:
    """All the frames that are stored."""
    return {i: exact.frame(i) for i in range(0, exact.course.n_steps * STEP_FRAMES + 1, STORED)}


def experiment(
    courses: Iterable[str],
    conditions: Iterable[str],
    arms: Iterable[str],
    seeds: Iterable[int],
    size: tuple[int, int],
    tell: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Every arm on every course, condition and seed -> one row of figures each."""
    rows, conditions, arms = [], list(conditions), list(arms)
    for course in courses:
        for seed in seeds:
            made = COURSES[course](seed)
            truths = truths_of(Exact(made, CONDITIONS["exact"], seed, size))
            for condition in conditions:
                exact = Exact(made, CONDITIONS[condition], seed, size)
                frames = generated(exact)
                for arm in arms:
                    records = run(exact, frames, truths, ARMS[arm]())
                    rows.append(
                        {"course": course, "condition": condition, "seed": seed, "arm": arm, **told(records)}
                    )
            tell(f"{course}, seed {seed}")
    return rows


def _ms(began: float) -> float:
    return 1e3 * (process_time() - began)

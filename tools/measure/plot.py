"""A profile as a picture: times, what came and went, and memory, over the run."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # not pyplot: no display is looked for, nothing is kept
from numpy.typing import NDArray

from ...app.render.pool import BYTES_PER_SLOT
from ..errors import UserError
from .profile import Profile
from .rig import FrameRecord, Setup

F64 = NDArray[np.float64]

# Okabe and Ito's colours, told apart by everyone
_BLUE, _ORANGE, _GREEN, _RED, _GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
_PURPLE = "#CC79A7"
_MIB = 2**20


def save_plot(file: Path, run: Profile, setup: Setup, name: str) -> None:
    """Write a PNG. Raises UserError where it cannot be written."""
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(10, 10), dpi=120, layout="constrained")
        panels = figure.subplots(5, 1, sharex=True, height_ratios=(3, 2, 2, 1, 2))
        at = np.array([r.at_s for r in run.records])
        width, height = setup.size
        figure.suptitle(
            f"{name}: {len(run.records):,} frames of {width} x {height}, {run.gl_renderer}", fontsize=11
        )
        _times(panels[0], at, run, setup)
        _main_thread(panels[1], at, run.records)
        _chunks(panels[2], at, run.records)
        _coarse(panels[3], at, run.records)
        _memory(panels[4], at, run, setup)
        panels[4].set_xlabel("seconds since the first frame was due")
        for panel in panels:
            panel.grid(axis="y", color="#dddddd", linewidth=0.6)
            panel.margins(x=0.005)
        try:
            figure.savefig(file, format="png")
        except OSError as error:
            raise UserError(f"{file}: cannot write this picture ({error.strerror})") from None


def _column(records: list[FrameRecord], name: str) -> F64:
    return np.array([getattr(r, name) for r in records], np.float64)


def _times(panel: Axes, at: F64, run: Profile, setup: Setup) -> None:
    ms = _column(run.records, "frame_ms")
    panel.plot(at, ms, color=_BLUE, linewidth=0.9, label="frame")
    for share, style in ((50, "-"), (99, "--")):
        value = float(np.percentile(ms, share))
        label = f"p{share} {value:.1f} ms"
        panel.axhline(value, color=_GREY, linestyle=style, linewidth=0.9, label=label)
    due = 1e3 / setup.fps
    panel.axhline(due, color=_RED, linestyle=":", linewidth=1.1, label=f"{setup.fps:g} Hz: {due:.1f} ms")
    panel.set(ylabel="frame time, ms", ylim=(0, max(1.15 * float(np.percentile(ms, 99.5)), 1.2 * due)))
    _legend(panel)


def _main_thread(panel: Axes, at: F64, records: list[FrameRecord]) -> None:
    main, packing = _column(records, "stream_main_ms"), _column(records, "packing_ms")
    panel.fill_between(at, main, color=_GREEN, linewidth=0, alpha=0.8, label="hear and decide")
    panel.fill_between(at, main, main + packing, color=_ORANGE, linewidth=0, label="lay out uploads")
    panel.axhline(2.0, color=_RED, linestyle=":", linewidth=1.1, label="2 ms")
    top = max(2.4, 1.15 * float(np.percentile(main + packing, 99.5)))
    panel.set(ylabel="streaming,\nmain thread, ms", ylim=(0, top))
    _legend(panel)


def _chunks(panel: Axes, at: F64, records: list[FrameRecord]) -> None:
    came, went = _column(records, "n_loaded"), _column(records, "n_evicted")
    panel.vlines(at, 0, came, color=_BLUE, linewidth=1.2, label=f"in, {int(came.sum()):,} in all")
    panel.vlines(at, -went, 0, color=_ORANGE, linewidth=1.2, label=f"out, {int(went.sum()):,} in all")
    panel.axhline(0, color=_GREY, linewidth=0.6)
    panel.set_yscale("symlog", linthresh=1)  # single chunks are to be seen beside a thousand
    most = max(2.0, float(came.max()), float(went.max()))
    powers = [10**k for k in range(0, int(np.log10(most)) + 1, 1 if most < 1000 else 2)]
    ticks = [-p for p in reversed(powers) if p <= went.max()] + [0, *powers]
    panel.set_yticks(ticks, [f"{abs(t):,}" for t in ticks])
    panel.minorticks_off()
    panel.set(ylabel="chunks per frame", ylim=(-1.5 * max(float(went.max()), 0.3), 1.5 * max(came.max(), 1)))
    _legend(panel)


def _coarse(panel: Axes, at: F64, records: list[FrameRecord]) -> None:
    share = _column(records, "n_coarse") / _column(records, "n_pixels") * 100
    panel.fill_between(at, share, color=_PURPLE, linewidth=0.8, alpha=0.8, label="coarser than wanted")
    panel.set(ylabel="pixels, %", ylim=(0, max(1.0, 1.15 * float(share.max()))))
    _legend(panel)


def _memory(panel: Axes, at: F64, run: Profile, setup: Setup) -> None:
    vram = _column(run.records, "n_resident") * BYTES_PER_SLOT / _MIB
    ram, rss = (_column(run.records, name) / _MIB for name in ("ram_bytes", "rss_bytes"))
    panel.plot(at, vram, color=_BLUE, linewidth=1.4, label=f"VRAM tier, of {setup.vram_bytes / _MIB:g} MiB")
    panel.plot(at, ram, color=_GREEN, label=f"RAM tier, of {setup.ram_bytes / _MIB:g} MiB")
    panel.plot(at, rss, color=_GREY, label="process (RSS)")
    panel.set(ylabel="MiB", yscale="log")
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _legend(panel)


def _legend(panel: Axes) -> None:
    """Beside the panel, so that it hides nothing."""
    panel.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0.0)

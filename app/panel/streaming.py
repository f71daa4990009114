"""The window "Streaming": budgets, tiers and queues, frame times, and the switches that make them work."""

import numpy as np
from imgui_bundle import imgui, implot

from ..render.pool import BYTES_PER_SLOT
from ..session import Session
from . import style, widgets

_MB = 1 << 20
PLOT_HEIGHT = 5.2  # lines of text
_STILL = (  # put together once: to combine Python's flags takes longer than to draw a line of text
    implot.Flags_.no_inputs | implot.Flags_.no_title | implot.Flags_.no_menus | implot.Flags_.no_mouse_text
)
_PLAIN = implot.AxisFlags_.no_label | implot.AxisFlags_.no_grid_lines


def draw(session: Session) -> None:
    """Between imgui's begin and end."""
    _frames(session)
    _budgets(session)
    _queues(session)
    widgets.heading("To see it at work")
    session.frozen = widgets.switch(
        session,
        "Freeze streaming",
        session.frozen,
        "Nothing comes, nothing goes: fly on and see.",
    )
    imgui.begin_disabled(session.disk is None)
    slow = session.slow_disk_ms > 0
    if widgets.switch(session, "Slow disk", slow, "Each read takes 200 ms longer.") != slow:
        session.slow_disk_ms = 0.0 if slow else 200.0
    imgui.end_disabled()
    session.tiny_budget = widgets.switch(
        session,
        "Tiny budget",
        session.tiny_budget,
        "8 MB of video memory: what is not looked at goes.",
    )


def _frames(session: Session) -> None:
    history = session.history
    p50, p99 = history.percentile("frame_ms", 50), history.percentile("frame_ms", 99)
    highest = max(history.percentile("frame_ms", 100), 20.0)
    told = "Milliseconds from frame to frame while something moves; in the darker part the rays are marched."
    series = {"frame": history.series("frame_ms"), "march": history.series("march_ms")}
    _plot(session, "##frames", f"frame {p50:.0f} ms, p99 {p99:.0f} ms", series, highest * 1.1, told)


def _budgets(session: Session) -> None:
    scene, streamer = session.scene, session.scene.streamer
    slots = scene.pool.n_slots
    budget = max(slots * BYTES_PER_SLOT, scene.vram_bytes)
    widgets.bar(
        session, "Video", scene.n_resident * BYTES_PER_SLOT / _MB, budget / _MB, "MB",
        f"Chunks on the GPU: {scene.n_resident:,} of {slots:,} slots.",
    )  # fmt: skip
    if streamer is None:
        return
    ram = streamer.ram.counts()
    widgets.bar(
        session, "Main", ram.n_bytes / _MB, streamer.ram.budget_bytes / _MB, "MB",
        f"Packed chunks in main memory: {ram.n_chunks:,}.",
    )  # fmt: skip
    update = session.report.update if session.report else None
    widgets.bar(
        session, "Upload", (update.n_bytes if update else 0) / _MB,
        streamer.budgets.upload_bytes_per_frame / _MB, "MB",
        "What went to the GPU in the last frame, and what may at most.",
    )  # fmt: skip


def _queues(session: Session) -> None:
    history = session.history
    series = {name: history.series(key) for name, key in (("reading", "under_way"), ("arrived", "arrived"))}
    highest = max(float(max((s.max() for s in series.values() if s.size), default=0)), 10.0)
    under_way = history.series("under_way")
    title = f"{int(under_way[-1]) if under_way.size else 0:,} chunks under way"
    _plot(
        session,
        "##queues",
        title,
        series,
        highest * 1.1,
        "Chunks being read; chunks that came in.",
    )
    streamer = session.scene.streamer
    if streamer is None:
        return
    ram = streamer.ram.counts()
    hits = ram.n_hits / max(ram.n_hits + ram.n_misses, 1) * 100
    widgets.pair(session, "Found in memory", f"{hits:.0f} %", "Chunks that need not be read again.")
    speed = history.series("read_mb_s")
    shown = f"{float(speed[-30:].mean()) if speed.size else 0:.1f} MB/s, {session.read_mb:,.1f} MB"
    widgets.pair(
        session, "Disk", shown if session.disk else "none: computed", "Read now; since it was opened."
    )
    widgets.pair(session, "Evicted", f"{streamer.n_evicted:,}", "Chunks that had to make room.")


def _plot(
    session: Session, name: str, title: str, series: dict[str, np.ndarray], highest: float, told: str
) -> None:
    imgui.text_colored(style.colour(style.FAINT), title)
    widgets.tip(session, told)
    size = imgui.ImVec2(-1, imgui.get_text_line_height() * PLOT_HEIGHT)
    if implot.begin_plot(name, size, _STILL):
        implot.setup_axes("", "", implot.AxisFlags_.no_decorations, _PLAIN)
        implot.setup_axes_limits(0, 240, 0, highest, implot.Cond_.always)
        implot.setup_legend(implot.Location_.north_west, implot.LegendFlags_.horizontal)
        for label, values in series.items():
            implot.plot_line(label, np.ascontiguousarray(values))
        implot.end_plot()
    widgets.tip(session, told)

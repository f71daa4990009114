"""The cache experiment as pictures: quality over the steps, cost over the entries, keys over cell sizes."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # not pyplot: no display is looked for, nothing is kept

from ...errors import UserError
from .curves import COSTLY

# Okabe and Ito's colours, told apart by everyone
LOOKS: dict[str, dict[str, Any]] = {
    "none": {"color": "#777777", "marker": "x"},
    "frame": {"color": "#0072B2", "marker": "o"},
    "frame+world": {"color": "#56B4E9", "marker": ".", "linestyle": "--"},
    "atlas": {"color": "#E69F00", "marker": "s"},
    "atlas+votes": {"color": "#009E73", "marker": "^"},
}
CONDITIONS = {"exact": "#009E73", "noise": "#0072B2", "drift": "#D55E00"}
MIB = 2**20


def draw(figures: dict[str, Any], folder: Path) -> None:
    """Write caches-quality.png, caches-cost.png and caches-keys.png. UserError where that cannot be."""
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        for name, make in (("quality", _quality), ("cost", _cost), ("keys", _keys)):
            file = folder / f"caches-{name}.png"
            try:
                make(figures).savefig(file, format="png", metadata={"Software": None})
            except OSError as error:
                raise UserError(f"{file}: cannot write this picture ({error.strerror})") from None


def _quality(figures: dict[str, Any]) -> Figure:
    rows = figures["rows"]
    courses, conditions = (list(dict.fromkeys(r[key] for r in rows)) for key in ("course", "condition"))
    figure = Figure(
        figsize=(2.6 * len(courses) + 1.2, 2.1 * len(conditions) + 0.9), dpi=110, layout="constrained"
    )
    panels = figure.subplots(len(conditions), len(courses), sharey=True, squeeze=False)
    for line, condition in zip(panels, conditions, strict=True):
        for panel, course in zip(line, courses, strict=True):
            group = [r for r in rows if (r["course"], r["condition"]) == (course, condition)]
            for arm in dict.fromkeys(r["arm"] for r in group):
                steps = [[s["psnr_remembered_db"] for s in r["steps"]] for r in group if r["arm"] == arm]
                values = np.array(steps, float)  # None becomes NaN: nothing to remember in that step
                there = ~np.isnan(values).all(axis=0)
                at = np.flatnonzero(there) + 1
                panel.plot(
                    at,
                    np.nanmean(values[:, there], axis=0),
                    markersize=4,
                    linewidth=1.3,
                    label=arm,
                    **LOOKS[arm],
                )
            panel.grid(axis="y", color="#dddddd", linewidth=0.6)
            panel.set_xticks(range(1, len(group[0]["steps"]) + 1))
            if condition == conditions[0]:
                panel.set_title(course, fontsize=10)
            if condition == conditions[-1]:
                panel.set_xlabel("step of 80 frames")
        line[0].set_ylabel(f"{condition}\nPSNR, dB")
    figure.suptitle(
        "Pixels that were seen before but not in the last frame (mean over seeds; holes are grey)"
    )
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure


def _cost(figures: dict[str, Any]) -> Figure:
    rows = figures["curves"]
    walks = list(dict.fromkeys(r["walk"] for r in rows))
    figure = Figure(figsize=(10, 6.4), dpi=110, layout="constrained")
    panels = figure.subplots(2, len(walks), sharex=True, sharey="row", squeeze=False)
    for column, walk in enumerate(walks):
        for arm in COSTLY:
            group = [r for r in rows if (r["walk"], r["arm"]) == (walk, arm)]
            at = [r["entries"] for r in group]
            look = {**LOOKS[arm], "markersize": 3, "linewidth": 1.2}
            panels[0][column].plot(at, [r["retrieve_ms"] for r in group], label=arm, **look)
            panels[1][column].plot(at, [sum(r["bytes"].values()) / MIB for r in group], label=arm, **look)
        panels[0][column].set_title(walk, fontsize=10)
        panels[1][column].set_xlabel("entries")
    panels[0][0].set_ylabel("one retrieval, CPU ms")
    panels[1][0].set_ylabel("held, MiB")
    for panel in panels.ravel():
        panel.grid(axis="y", color="#dddddd", linewidth=0.6)
        panel.set_xlim(0, None)
        panel.set_ylim(0, None)
    width, height = figures["size"]
    figure.suptitle(f"What a memory costs as it fills ({width} x {height}, depth noise 1 %, voxels of 5 cm)")
    panels[0][0].legend(frameon=False)
    return figure


def _keys(figures: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(10, 3.9), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    for condition, color in CONDITIONS.items():
        rows = sorted((r for r in figures["keys"] if r["condition"] == condition), key=lambda r: r["cell_mm"])
        at = [r["cell_mm"] for r in rows]
        left.plot(
            at, [100 * r["same_key"] for r in rows], color=color, marker="o", markersize=4, label=condition
        )
        voxels = [r for r in rows if r["image_bytes"] is None]
        right.plot(
            [r["cell_mm"] / 10 for r in voxels], [r["psnr_remembered_db"] for r in voxels],
            color=color, marker="s", markersize=4, label=f"atlas, {condition}",
        )  # fmt: skip
    rows = sorted((r for r in figures["keys"] if r["condition"] == "noise"), key=lambda r: r["cell_mm"])
    left.plot(
        [r["cell_mm"] for r in rows], [100 * r["alone"] for r in rows],
        color="#777777", linestyle="--", marker="x", markersize=4, label="a key is one pixel's",
    )  # fmt: skip
    left.set(xscale="log", xlabel="cell, mm", ylabel="%", ylim=(-3, 103))
    left.set_title("two frames give a point the same key", fontsize=10)
    right.set(xlabel="voxel, cm", ylabel="PSNR of remembered pixels, dB")
    right.set_title("what the atlas then shows", fontsize=10)
    for panel in (left, right):
        _grid(panel)
        panel.legend(frameon=False, fontsize=8)
    return figure


def _grid(panel: Axes) -> None:
    panel.grid(color="#dddddd", linewidth=0.6)

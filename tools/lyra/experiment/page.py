"""The figures of the cache experiment as tables, and into a page: docs/experiments/caches.md."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import plots
from .curves import COSTLY, slope_ms_per_entry

Row = dict[str, Any]
MIB = 2**20
SETTLED = 60  # entries after which the walk back and forth shows nothing new
_PLACE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def update(page: Path, figures: dict[str, Any]) -> None:
    """Put the tables between `<!-- name -->` and `<!-- end -->`, and draw the plots beside the page."""
    made = tables(figures)

    def place(match: re.Match[str]) -> str:
        return f"{match[1]}{made[match[2]]}\n{match[3]}"

    page.write_text(_PLACE.sub(place, page.read_text("utf-8")), "utf-8")
    plots.draw(figures, page.parent)


def text(figures: dict[str, Any]) -> str:
    """All tables, one behind the other."""
    return "\n\n".join(tables(figures).values())


def tables(figures: dict[str, Any]) -> dict[str, str]:
    """Name -> a table in Markdown."""
    rows: list[Row] = figures["rows"]
    return {
        "run": _run(figures),
        "quality": _by_arm(figures, _quality),
        "reprojection": _by_arm(figures, _reprojection),
        "doubling": _by_arm(figures, _doubling),
        "paired": _paired(rows),
        "cost": _cost(figures),
        "curves": _curves(figures["curves"]),
        "keys": _keys(figures["keys"]),
    }


def _run(figures: dict[str, Any]) -> str:
    width, height = figures["size"]
    took = f", {figures['cpu_s']:.0f} s of CPU time" if "cpu_s" in figures else ""
    return f"Pictures of {width} x {height}, seeds {', '.join(map(str, figures['seeds']))}{took}."


def _by_arm(figures: dict[str, Any], cell: Callable[[list[Row]], str]) -> str:
    arms, groups = figures["arms"], _groups(figures["rows"])
    lines = [["path", "condition", *arms]]
    for course, condition in groups:
        rows = groups[course, condition]
        lines.append([course, condition, *(cell([r for r in rows if r["arm"] == arm]) for arm in arms)])
    return markdown(lines)


def _groups(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    out: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        out.setdefault((row["course"], row["condition"]), []).append(row)
    return out


def mean_of(rows: list[Row], *path: str) -> float:
    """Mean over rows of a nested figure; NaN where none has it."""
    values = []
    for row in rows:
        value: Any = row
        for key in path:
            value = None if value is None else value[key]
        if value is not None:
            values.append(value)
    return float(np.mean(values)) if values else float("nan")


def _quality(rows: list[Row]) -> str:
    psnr, ssim, coverage = (mean_of(rows, "remembered", key) for key in ("psnr_db", "ssim", "coverage"))
    return "-" if np.isnan(psnr) else f"{psnr:.1f} / {ssim:.2f} / {coverage:.0%}"


def _reprojection(rows: list[Row]) -> str:
    middle, high = (mean_of(rows, "reprojection_px", key) for key in ("p50", "p95"))
    return "-" if np.isnan(middle) else f"{middle:.2f} / {high:.1f}"


def _doubling(rows: list[Row]) -> str:
    share, thick = mean_of(rows, "doubled"), mean_of(rows, "thickness_cm")
    return "-" if np.isnan(share) else f"{share:.0%} / {thick:.1f}"


def _paired(rows: list[Row]) -> str:
    """Differences to the frame-keyed memory, scene by scene."""
    others = ("none", "frame+world", "atlas", "atlas+votes")
    lines = [["path", "condition", *others]]
    for (course, condition), group in _groups(rows).items():
        held = {(r["arm"], r["seed"]): r["remembered"]["psnr_db"] for r in group}
        cells = []
        for arm in others:
            off = [
                held[arm, s] - held["frame", s]
                for a, s in held
                if a == arm and held["frame", s] is not None and held[arm, s] is not None
            ]
            cells.append(f"{np.mean(off):+.2f} [{min(off):+.2f}, {max(off):+.2f}]" if off else "-")
        lines.append([course, condition, *cells])
    return markdown(lines)


def _cost(figures: dict[str, Any]) -> str:
    lines = [
        ["path", "memory", "MiB at the end: of what", "add ms p50 / p95", "retrieve ms", "render a view ms"]
    ]
    for (course, condition), group in _groups(figures["rows"]).items():
        if condition != "noise":
            continue
        for arm in figures["arms"]:
            rows = [r for r in group if r["arm"] == arm]
            parts = {key: np.mean([r["bytes"].get(key, 0) for r in rows]) / MIB for key in rows[0]["bytes"]}
            split = ", ".join(f"{key} {value:.2f}" for key, value in parts.items())
            times = [
                f"{mean_of(rows, key, 'p50'):.2f} / {mean_of(rows, key, 'p95'):.2f}"
                for key in ("add_ms", "retrieve_ms", "render_ms")
            ]
            lines.append([course, arm, f"**{sum(parts.values()):.2f}**: {split}", *times])
    return markdown(lines)


def _curves(rows: list[Row]) -> str:
    lines = [["walk", "memory", "retrieve ms at 10, 60, 150, 300 entries", "µs per entry, from 60 on",
              "points examined at 300", "MiB at 60, 300", "add ms at 300"]]  # fmt: skip
    for walk in dict.fromkeys(r["walk"] for r in rows):
        for arm in COSTLY:
            at = {r["entries"]: r for r in rows if (r["walk"], r["arm"]) == (walk, arm)}
            last = max(at)
            picked = [n for n in (10, SETTLED, 150, 300) if n in at]
            lines.append(
                [
                    walk,
                    arm,
                    ", ".join(f"{at[n]['retrieve_ms']:.2f}" for n in picked),
                    f"{1e3 * slope_ms_per_entry(rows, walk, arm, SETTLED):+.1f}",
                    f"{at[last]['n_examined']:,}",
                    ", ".join(
                        f"{sum(at[n]['bytes'].values()) / MIB:.1f}" for n in (SETTLED, last) if n in at
                    ),
                    f"{at[last]['add_ms']:.2f}",
                ]
            )
    return markdown(lines)


def _keys(rows: list[Row]) -> str:
    head = ["keyed by", "cell, mm", "image of 832 x 480, MB", "alone", "same key: exact", "noise", "drift"]
    lines = [[*head, "PSNR: exact", "noise", "drift", "MiB: exact", "noise"]]
    for name in dict.fromkeys(r["keying"] for r in rows):
        of = {r["condition"]: r for r in rows if r["keying"] == name}
        exact = of["exact"]
        image = f"{exact['image_bytes'] / 1e6:.2f}" if exact["image_bytes"] else "-"
        alone = f"{of['noise']['alone']:.1%}"
        same = [f"{of[c]['same_key']:.1%}" for c in ("exact", "noise", "drift")]
        psnr = [f"{of[c]['psnr_remembered_db']:.1f}" for c in ("exact", "noise", "drift")]
        held = [f"{of[c]['bytes'] / MIB:.1f}" for c in ("exact", "noise")]
        lines.append([name, f"{exact['cell_mm']:.2g}", image, alone, *same, *psnr, *held])
    return markdown(lines)


def markdown(lines: list[list[str]]) -> str:
    """A table, its head first."""
    head, *rest = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, f"|{' --- |' * len(lines[0])}", *rest])

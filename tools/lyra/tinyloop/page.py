"""The figures of the gates as tables, and into a page: docs/experiments/tinyloop.md. Needs no torch."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from ..experiment.page import markdown, mean_of

Row = dict[str, Any]
_PLACE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
GATED, ALONE, UNTRAINED = "tinyloop", "tinyloop, decoded only", "tinyloop, untrained"


def update(page: Path, figures: dict[str, Any]) -> None:
    """Put the tables between `<!-- name -->` and `<!-- end -->`."""
    made = tables(figures)
    page.write_text(_PLACE.sub(lambda m: f"{m[1]}{made[m[2]]}\n{m[3]}", page.read_text("utf-8")), "utf-8")


def text(figures: dict[str, Any]) -> str:
    return "\n\n".join(tables(figures).values())


def tables(figures: dict[str, Any]) -> dict[str, str]:
    """Name -> a table in Markdown."""
    return {
        "run": _run(figures),
        "gates": _gates(figures["gates"]),
        "quality": _quality(figures["rows"]),
        "steps": _steps(figures["rows"]),
    }


def passes(figures: dict[str, Any], method: str) -> bool:
    """Whether all gates hold for what a method makes."""
    return all(gate["holds"] for gate in figures["gates"][method].values())


def _verdict(figures: dict[str, Any]) -> str:
    """Weights are shipped when the network passes the gates by itself as well as mixed with the warp."""
    held = {m: "hold" if passes(figures, m) else "do **not** all hold" for m in (GATED, ALONE, UNTRAINED)}
    shipped = "are" if passes(figures, GATED) and passes(figures, ALONE) else "are **not**"
    return (
        f"The gates {held[GATED]} for what the backend makes, {held[ALONE]} for the network without the "
        f"warp's pixels, and {held[UNTRAINED]} for untrained weights with them. "
        f"These weights {shipped} fit to be shipped."
    )


def _run(figures: dict[str, Any]) -> str:
    told, (width, height) = figures["weights"], figures["size"]
    agrees = figures["agreement"]
    same = (
        f"not compared: {agrees['skipped']}"
        if "skipped" in agrees
        else f"{agrees['bytes']:.2f} bytes and {agrees['depth']:.4f} of depth apart on average"
    )
    return (
        f"Weights: {told['parameters']:,} parameters, seed {told['seed']}, {int(told['steps']):,} steps "
        f"({told['phase']}), {told['walks']} walks of {told['grammar']}. Frames of {width} x {height}, "
        f"memory {figures['memory']}, scenes {', '.join(map(str, figures['scenes']))} of grammar C, "
        f"{figures['device']}, {figures['threads']} thread(s). CPU and GPU {same}. "
        f"{_verdict(figures)}"
    )


def _gates(gates: dict[str, dict[str, Row]]) -> str:
    methods = [m for m in gates if m not in ("warp only", "warpfill")]
    lines = [["gate (worst scene)", "limit", *methods, "warpfill"]]
    for name, told in gates[GATED].items():
        cells = []
        for method in [*methods, "warpfill"]:
            gate = gates[method][name]
            cells.append(f"{'' if gate['holds'] else '**fails** '}{gate['value']:.3g}")
        lines.append([name, f"{told['limit']:g}", *cells])
    return markdown(lines)


def _quality(rows: list[Row]) -> str:
    there = [
        "frame 0 shows",
        "PSNR there, dB",
        "elsewhere",
        "whole",
        "depth there, relative",
        "elsewhere, log",
    ]
    lines = [["course", "method", *there, "s for 80 frames"]]
    for course in dict.fromkeys(r["course"] for r in rows):
        for method in dict.fromkeys(r["method"] for r in rows):
            of = [r for r in rows if (r["course"], r["method"]) == (course, method)]
            lines.append([
                course, method, f"{mean_of(of, 'known'):.0%}", _told(mean_of(of, "psnr_known_db"), ".1f"),
                _told(mean_of(of, "psnr_unknown_db"), ".1f"), _told(mean_of(of, "psnr_db"), ".1f"),
                _told(mean_of(of, "abs_rel_known"), ".3f"), _told(mean_of(of, "log_unknown"), ".3f"),
                _told(float(np.mean([s for r in of for s in r["seconds"]])), ".1f"),
            ])  # fmt: skip
    return markdown(lines)


def _steps(rows: list[Row]) -> str:
    long = [r for r in rows if len(r["steps"]) > 1]
    n = max((len(r["steps"]) for r in long), default=0)
    lines = [["method: mean colour off, depth's scale, PSNR", *(f"step {i + 1}" for i in range(n))]]
    for method in dict.fromkeys(r["method"] for r in long):
        cells = []
        for i in range(n):
            of = [r["steps"][i] for r in long if r["method"] == method]
            colour, scale, psnr = (
                np.mean([s[key] for s in of]) for key in ("colour", "scale", "psnr_known_db")
            )
            cells.append(f"{colour:.1%}, {scale:.3f}, {psnr:.1f}")
        lines.append([method, *cells])
    return markdown(lines)


def _told(value: float, form: str) -> str:
    return "-" if np.isnan(value) else format(value, form)

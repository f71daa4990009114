"""What a comparison found, for people: a Markdown page, its JSON and its sheet in one folder."""

import json
from pathlib import Path
from typing import Any

from ..errors import UserError, shown
from ..shot import save_picture
from .compare import Comparison, facts
from .sheet import sheet

NAMES = {  # figure -> (what it is called, digits)
    "psnr_db": ("PSNR, whole picture (dB)", 2),
    "psnr_covered_db": ("PSNR, pixels that both cover (dB)", 2),
    "psnr_opaque_db": ("PSNR of the source made opaque (dB)", 2),
    "ssim": ("SSIM", 4),
    "coverage_iou": ("coverage, both / either", 4),
    "depth_median_voxels": ("depth error, median (voxels)", 2),
    "depth_p95_voxels": ("depth error, 95th percentile (voxels)", 2),
    "source_pixels": ("share of the picture that the source covers", 3),
    "translucent_pixels": ("of what the source shows, translucent", 3),
    "voxel_pixels": ("width of a voxel (pixels)", 2),
}
COLUMNS = ("psnr_db", "psnr_covered_db", "ssim", "coverage_iou", "depth_median_voxels", "depth_p95_voxels")


def write(folder: Path, comparison: Comparison, world: str) -> None:
    """Write report.md, report.json and sheet.png. UserError where that cannot be done."""
    told = {"world": world, **facts(comparison)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(told, indent=2) + "\n")
        (folder / "report.md").write_text(page(told))
    except OSError as error:
        raise UserError(f"cannot write the report to {shown(folder)}: {error.strerror or error}") from None
    save_picture(folder / "sheet.png", sheet(comparison), with_alpha=False)


def page(told: dict[str, Any]) -> str:
    """The Markdown of a report, from its facts."""
    width, height = told["size"]
    lines = [
        f"# How faithful {told['world']} is to {told['source']}",
        "",
        f"{told['n_views']} views of {width} x {height} pixels, "
        f"{'from the poses of its frames' if told['own_cameras'] else 'on all sides'}; "
        f"voxels of {told['voxel_size_m']:g} m. Both sides on mid-grey, without light. "
        f"The world: {told['rays_per_pixel']} rays a pixel ({told['gl_renderer']}).",
        "",
        "| over all views, the mean of | |",
        "| --- | ---: |",
        *(f"| {name} | {_number(told['overall'][key], digits)} |" for key, (name, digits) in NAMES.items()),
        "",
        "## What is lost",
        "",
        *(f"* {line}" for line in losses(told)),
        "",
        "## View by view",
        "",
        "| view | " + " | ".join(NAMES[key][0] for key in COLUMNS) + " |",
        "| ---: |" + " ---: |" * len(COLUMNS),
        *(
            f"| {i} | " + " | ".join(_number(view[key], NAMES[key][1]) for key in COLUMNS) + " |"
            for i, view in enumerate(told["views"])
        ),
        "",
        "![source, world, difference](sheet.png)",
        "",
    ]
    return "\n".join(lines)


def losses(told: dict[str, Any]) -> list[str]:
    """One sentence or two for each thing that voxels do not keep, with its figure."""
    overall, known = told["overall"], told["facts"]
    voxel, out = _number(overall["voxel_pixels"], 2), []
    if told["kind"] == "gaussians":
        out.append(
            f"Transparency: a voxel is there or not. {_percent(overall['translucent_pixels'])} of what the "
            "source shows is translucent (alpha 0.1 to 0.9); the source itself, every pixel made opaque or "
            f"empty, has {_number(overall['psnr_opaque_db'], 1)} dB."
        )
        out.append(_view_dependence(told["notes"]))
        out.append(
            f"Detail below a voxel: a voxel is {voxel} pixels wide in these views. "
            f"{_percent(known.get('narrower_than_a_voxel'))} of the Gaussians are narrower than a voxel: "
            "their colours are mixed, and what little they cover is filled or left out."
        )
        out.append(
            "Blending in depth: a pixel of the source mixes Gaussians in front with those behind, a voxel "
            f"those inside it. {_percent(known.get('opacity_below_half'))} are less than half opaque. "
            f"Those below opacity {told['min_opacity']:.2g} were left out as floaters; the source shows them."
        )
    elif told["kind"] == "frames":
        out.append(
            "View dependence: a voxel has one colour; shine, exposure and vignetting differ per frame."
        )
        out.append(
            f"Detail below a voxel, {voxel} pixels wide here, and whatever the "
            "poses are off: both blur or shift what frames show sharply."
        )
    else:
        out.append(
            f"Detail below a voxel, {voxel} pixels wide here: edges become steps, and colours are mixed."
        )
    if told["n_sources_of_world"] > 1:
        out.append(
            f"The world has {told['n_sources_of_world']} sources; only this one is drawn as the source."
        )
    if told["baked_from"] != told["source"]:
        out.append(f"The world was baked from {told['baked_from']}, not from this file.")
    return out


def _view_dependence(notes: dict[str, Any]) -> str:
    degree = notes.get("sh_degree", 0)
    if degree or "harmonics" in notes:
        which = f"spherical harmonics up to degree {degree}" if degree else "spherical harmonics"
        return (
            f"View dependence: the file has {which}, and a voxel has one colour for all directions. "
            "Both sides are drawn with degree 0, so these figures do not hold what that costs."
        )
    return "View dependence: the file has none (degree 0), so none is lost."


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"

"""Every setting, once: name, default, unit, range, sentence. Flags, panel, documentation come from here."""

from dataclasses import dataclass, field, fields
from typing import Any

GROUPS = ("Camera", "Moving", "Light", "Quality", "Memory", "Panel")


@dataclass(frozen=True, slots=True)
class Setting:
    """What the table says of one field of Settings."""

    field: str
    default: Any
    name: str  # as the panel shows it
    flag: str
    unit: str
    range: tuple[Any, ...] | None  # lowest and highest of a number; None for a switch
    group: str
    sentence: str

    @property
    def is_switch(self) -> bool:
        return isinstance(self.default, bool)


def setting(default: Any, name: str, flag: str, unit: str, within: Any, group: str, sentence: str) -> Any:
    """A field of Settings and its line in the table."""
    said = {"name": name, "flag": flag, "unit": unit, "range": within, "group": group, "sentence": sentence}
    return field(default=default, metadata=said)


@dataclass(slots=True)
class Settings:
    """What the user chose: each field is a flag of `voxtide view`, a widget of the panel, a stored value."""

    # fmt: off
    fov_deg: float = setting(60.0, "Field of view", "--fov", "°", (5.0, 165.0), "Camera",
        "How much the camera sees from bottom to top; more looks wider and farther away.")
    ipd_m: float = setting(0.063, "Eye distance", "--ipd", "m", (0.0, 1.0), "Camera",
        "Distance of the two eyes in a stereo picture; larger makes the world look smaller.")
    mouse_deg_per_pixel: float = setting(0.15, "Mouse", "--mouse", "°/px", (0.01, 1.0), "Moving",
        "How far the view turns for each pixel that the mouse is dragged.")
    inertia: bool = setting(True, "Inertia", "--inertia", "", None, "Moving",
        "Movement starts and ends softly; without it the camera stops at once.")
    speed_by_distance: bool = setting(True, "Speed by distance", "--speed-by-distance", "", None, "Moving",
        "Fly slowly near things and fast far from them.")
    sun_azimuth_deg: float = setting(307.0, "Sun direction", "--sun-azimuth", "°", (0.0, 360.0), "Light",
        "Where the sun stands, counter-clockwise from +x seen from above.")
    sun_elevation_deg: float = setting(46.0, "Sun height", "--sun-elevation", "°", (-5.0, 90.0), "Light",
        "How high the sun stands above the horizon.")
    exposure_stops: float = setting(0.0, "Exposure", "--exposure", "stops", (-5.0, 5.0), "Light",
        "Brightness of the picture; one more is twice as bright.")
    haze_percent: float = setting(2.0, "Haze", "--haze", "%", (0.0, 60.0), "Light",
        "Share of the light that haze takes over the length of the world.")
    shadows: bool = setting(False, "Shadows", "--shadows", "", None, "Light",
        "March a second ray to the sun from every voxel that is seen; about half as fast again.")
    voxel_pixels: float = setting(1.0, "Voxel size", "--quality", "px", (0.5, 8.0), "Quality",
        "The widest voxel that is drawn before a finer level is asked for; 1 is exact, more is faster.")
    adaptive: bool = setting(True, "Adaptive resolution", "--adaptive", "", None, "Quality",
        "While you move, draw as few pixels as the frame rate needs; all of them again when you stop.")
    target_fps: float = setting(30.0, "Frame rate to hold", "--target-fps", "fps", (5.0, 240.0), "Quality",
        "The frame rate that adaptive resolution holds while you move.")
    lowest_percent: float = setting(20.0, "Lowest resolution", "--lowest", "%", (5.0, 100.0), "Quality",
        "How far adaptive resolution may go down, in percent of the window's width and height.")
    resolution_percent: float = setting(100.0, "Resolution", "--resolution", "%", (10.0, 100.0), "Quality",
        "Pixels drawn when nothing moves, in percent of the window's width and height.")
    vram_mb: float = setting(1024.0, "Video memory", "--vram", "MB", (8.0, 131072.0), "Memory",
        "Budget for chunks on the GPU; it takes effect when a world is opened.")
    ram_mb: float = setting(1024.0, "Main memory", "--ram", "MB", (1.0, 1048576.0), "Memory",
        "Budget for chunks in main memory; it takes effect when a world is opened.")
    upload_mb: float = setting(8.0, "Upload", "--upload", "MB/frame", (0.5, 64.0), "Memory",
        "Budget for chunks that are sent to the GPU in one frame.")
    drop_voxel_m: float = setting(0.01, "Dropped scenes", "--drop-voxel", "m", (0.0005, 10.0), "Memory",
        "Width of a voxel when a scene that is no world yet is dropped on the window and baked.")
    panel_scale: float = setting(1.0, "Panel size", "--panel-scale", "x", (0.5, 3.0), "Panel",
        "Size of text and widgets, besides what the display asks for.")
    panel_hz: float = setting(8.0, "Panel refresh", "--panel-hz", "Hz", (1.0, 60.0), "Panel",
        "How often figures and graphs are drawn anew while nobody touches the panel.")
    tooltips: bool = setting(True, "Tooltips", "--tooltips", "", None, "Panel",
        "Explain what the mouse rests on.")
    vsync: bool = setting(True, "Wait for the display", "--vsync", "", None, "Panel",
        "Show each frame when the display is ready for it; without it frames may tear but come sooner.")
    # fmt: on


TABLE: tuple[Setting, ...] = tuple(Setting(f.name, f.default, **f.metadata) for f in fields(Settings))


def fits(said: Setting, value: Any) -> bool:
    """Whether a value, from wherever, may be that setting's."""
    if said.is_switch:
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float) or said.range is None:
        return False
    lowest, highest = said.range
    return bool(lowest <= value <= highest)  # NaN is not


def as_markdown() -> str:
    """docs/settings.md, of which a test says that it is current."""
    lines = [
        "# Settings of the viewer",
        "",
        "This page is printed by `app/settings.py`; a test says when it is not current. Each setting is a",
        "flag of `voxtide view`, a widget in the panel's window *Settings*, and a value in `viewer.json` in",
        "the folder that your system has for settings (on Linux `~/.config/voxtide`). A flag counts for one",
        "start and is not stored. `--safe-mode` starts with the defaults below and the panel as made, and",
        "stores nothing.",
        "A value that is stored but cannot be is left out with a line that says so.",
    ]
    for group in GROUPS:
        lines += [
            "",
            f"## {group}",
            "",
            "| setting | flag | default | range | |",
            "| --- | --- | --- | --- | --- |",
        ]
        for s in TABLE:
            if s.group == group:
                lines.append(f"| {s.name} | `{s.flag}` | {_shown(s)} | {_range(s)} | {s.sentence} |")
    return "\n".join(lines) + "\n"


def _shown(said: Setting) -> str:
    if said.is_switch:
        return "on" if said.default else f"off (`{said.flag}` is on)"
    return f"{number(said.default)} {said.unit}".strip()


def number(value: float) -> str:
    """As a person writes it: 1,048,576 and 0.0005, never 1.04858e+06."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def _range(said: Setting) -> str:
    if said.range is None:
        return f"on or off (`--no-{said.flag[2:]}`)"
    return f"{number(said.range[0])} to {number(said.range[1])}"

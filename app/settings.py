"""Every setting, once: name, default, unit, range, sentence. Flags, panel, documentation come from here."""

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """What the table says of one field of Settings."""

    name: str
    default: Any
    flag: str
    unit: str
    range: tuple[float, float] | tuple[str, ...] | None  # lowest and highest, or the choices
    sentence: str
    group: str


def setting(default: Any, flag: str, unit: str, within: Any, group: str, sentence: str) -> Any:
    """A field of Settings and its line in the table."""
    said = {"flag": flag, "unit": unit, "range": within, "group": group, "sentence": sentence}
    return field(default=default, metadata=said)


@dataclass(slots=True)
class Settings:
    """What the user chose: each field is a flag of `voxtide view`, a widget of the panel, a stored value."""

    # fmt: off
    fov_deg: float = setting(60.0, "--fov", "°", (5.0, 165.0), "Camera",
        "Vertical field of view.")
    ipd_m: float = setting(0.063, "--ipd", "m", (0.0, 1.0), "Camera",
        "Distance of the two eyes in a stereo picture.")
    mouse_deg_per_pixel: float = setting(0.15, "--mouse", "°/px", (0.01, 2.0), "Moving",
        "How far the view turns per pixel that the mouse is dragged.")
    inertia: bool = setting(True, "--inertia", "", None, "Moving",
        "Let movement start and end softly.")
    speed_by_distance: bool = setting(True, "--speed-by-distance", "", None, "Moving",
        "Fly slower near things and faster far from them.")
    # fmt: on


def table() -> tuple[Setting, ...]:
    """The settings in the order in which they are shown."""
    return tuple(Setting(name=f.name, default=f.default, **f.metadata) for f in fields(Settings))

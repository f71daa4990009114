"""Camera paths in files of any kind that is known, told by what is in them: Voxtide's, nerfstudio's, Lyra's.

docs/paths.md says which axes and units each has.
"""

from pathlib import Path
from typing import Literal

from ...app import path_file
from ...app.paths import CameraPath
from ..errors import UserError, shown
from . import lyra, nerfstudio

Kind = Literal["voxtide", "nerfstudio", "lyra"]
KINDS: tuple[Kind, ...] = ("voxtide", "nerfstudio", "lyra")


def load(file: Path, *, keyframes: bool = False) -> CameraPath:
    """Read a camera path. Raises UserError.

    keyframes: of a nerfstudio path take the keyframes, to edit them, rather than the frames that it shows
    """
    try:
        with file.open("rb") as stream:
            is_zip = stream.read(2) == b"PK"
        if is_zip:
            return lyra.load(file)
        found = path_file.json_of(path_file.read(file))
        if nerfstudio.is_one(found):
            return nerfstudio.path_of(found, keyframes=keyframes)
        return path_file.path_of(found)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"{file}: {shown(error)}") from None


def kind_of(file: Path) -> Kind:
    """What a file is to be, by its name."""
    name = file.name.lower()
    return (
        "lyra" if name.endswith(".npz") else "nerfstudio" if name.endswith(".nerfstudio.json") else "voxtide"
    )


def save(file: Path, path: CameraPath, kind: Kind | None = None) -> None:
    """Write a camera path. kind: by default kind_of its name. Raises UserError."""
    kind = kind or kind_of(file)
    try:
        if kind == "lyra":
            lyra.save(file, path)
        elif kind == "nerfstudio":
            file.write_text(nerfstudio.text(path), encoding="utf-8")
        else:
            path_file.save(file, path)
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"{file}: {shown(error)}") from None

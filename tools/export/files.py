"""An export is whole or not there: it is written under a temporary name beside its place, then renamed."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UserError, shown


def check_out(out: Path, overwrite: bool, folder: bool = False) -> None:
    """UserError if `out` may not be written: asked before the work. With folder, it is to be a folder."""
    if not out.parent.is_dir():
        raise UserError(f"{shown(out.parent)}: no such folder: make it first")
    if not out.exists() and not out.is_symlink():
        return
    if folder != out.is_dir():
        kind = "a folder" if out.is_dir() else "a file"
        raise UserError(f"{shown(out)} is {kind} that no export of this kind made: name another place")
    if not overwrite:
        raise UserError(f"{shown(out)} is there already: name another place, or pass -f")
    if folder and (out.is_symlink() or not _is_export(out)):
        raise UserError(f"{shown(out)} is not an OME-Zarr: it is not replaced; name another place")


def _is_export(folder: Path) -> bool:
    """Whether a folder is what `ome_zarr` writes, or empty: anything else is never removed."""
    try:
        if not any(folder.iterdir()):
            return True
        with (folder / "zarr.json").open("rb") as file:
            return b'"ome"' in file.read(1 << 20)
    except OSError:
        return False


@contextmanager
def replacing(*outs: Path) -> Iterator[list[Path]]:
    """Temporary paths beside `outs`, which take their places together once the block has ended well.

    Each is made by the block, as a file or a folder. On any exception they are removed, and what was there
    stays. UserError for what the system refuses.
    """
    mark = secrets.token_hex(8)
    temps = [out.with_name(f".{out.name}.{mark}.tmp") for out in outs]
    try:
        yield temps
        for temp in temps:
            _flush(temp)
        for temp, out in zip(temps, outs, strict=True):
            _take_place(temp, out, out.with_name(f".{out.name}.{mark}.old"))
    except OSError as error:
        raise UserError(f"cannot write {shown(outs[0])}: {shown(error.strerror or error)}") from error
    finally:
        for temp in temps:
            remove(temp)


def _flush(path: Path) -> None:
    """fsync a file, or every file and folder below a folder."""
    for inner in (sorted(path.rglob("*")) if path.is_dir() else []) + [path]:
        file = os.open(inner, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _take_place(temp: Path, out: Path, old: Path) -> None:
    if (
        temp.is_dir() and out.exists()
    ):  # a folder that is not empty cannot be renamed over: killed between the
        # two renames, neither is at its place, and the old one is beside it under a hidden name
        os.rename(out, old)
        os.rename(temp, out)
        remove(old)
    else:
        os.replace(temp, out)
    folder = os.open(out.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove(path: Path) -> None:
    """Remove a file or a folder of ours, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

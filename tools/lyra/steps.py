"""Steps on disk: a manifest, the seed, and a folder for each step; a folder is there only when it is whole.

    manifest.json                 what was asked for, which backend, whose weights under which licence
    seed/, step_0000/, ...        frames/%05d.png, cams.npz, depth.npz, made.npz, state.npz, meta.json

A step is written beside its place and renamed when it is whole; its digest tells if a crash tore it. Nothing
here depends on the hour or the machine: the same run writes the same bytes.
"""

import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, overload

import numpy as np
import xxhash
from numpy.typing import NDArray
from PIL import Image

from ..errors import UserError, shown
from ..sources import npz, rgbd_images
from ..sources.rgbd_images import File
from ..sources.rgbd_recording import json_object
from .protocol import STEP_FRAMES, StepRequest, StepResult, frame_ids_of

FORMAT, VERSION = "voxtide-steps", 1
MANIFEST = "manifest.json"
_OLDEST = (1980, 1, 1, 0, 0, 0)  # a zip member's date, where it has none


@dataclass(frozen=True, slots=True)
class Steps:
    """A folder of steps. OSErrors of writing are the caller's."""

    path: Path

    def folder(self, index: int) -> Path:
        return self.path / (f"step_{index:04d}" if index >= 0 else "seed")

    def frame(self, number: int) -> Path:
        index = (number - 1) // STEP_FRAMES if number else -1
        return self.folder(index) / "frames" / f"{number:05d}.png"

    def begin(self, manifest: dict[str, Any]) -> "Done":
        """Claim the folder for a run, or go on with the same -> its whole steps. UserError: another's."""
        word = word_of(manifest)
        manifest = {"format": FORMAT, "version": VERSION, "word": word, **manifest}
        file = self.path / MANIFEST
        if file.is_file():
            if read_manifest(self.path).get("word") != word:
                raise UserError(
                    f"{shown(self.path)} holds the steps of another run: ask for the same again, name "
                    "another folder with --frames, or pass --overwrite"
                )
        else:
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise UserError(f"{shown(self.path)} is not empty: name another folder with --frames")
            self.path.mkdir(parents=True, exist_ok=True)
            _write(self.path / (MANIFEST + ".part"), json.dumps(manifest, indent=1).encode())
            (self.path / (MANIFEST + ".part")).replace(file)
            _sync(self.path)
        for part in self.path.glob("*.part"):
            shutil.rmtree(part) if part.is_dir() else part.unlink()
        return Done(self, self.n_whole())

    def clear(self) -> None:
        """Remove the steps that are there, and nothing else. UserError: the folder is not one of steps."""
        if not self.path.exists():
            return
        if not (self.path / MANIFEST).is_file():
            raise UserError(f"{shown(self.path)} is no folder of steps: it is not removed")
        (self.path / MANIFEST).unlink()
        for folder in (*self.path.glob("step_[0-9]*"), self.path / "seed", self.path / "log"):
            shutil.rmtree(folder, ignore_errors=True)

    def n_whole(self) -> int:
        """How many folders are whole, the seed's first, without a gap. Damaged ones count as missing."""
        n = 0
        while self.whole(n - 1):
            n += 1
        for late in (self.folder(i) for i in range(n - 1, n + 1)):
            if late.exists():
                shutil.rmtree(late)
        return n

    def whole(self, index: int) -> bool:
        """Whether a step is there and its bytes are those that were written."""
        folder = self.folder(index)
        if not (folder / "meta.json").is_file():
            return False
        try:
            meta = json_object(folder / "meta.json")
            return bool(meta.get("xxh3_128") == _digest(folder))
        except (OSError, UserError):
            return False

    def write(self, result: StepResult, request: StepRequest | None) -> None:
        """One step, whole or not at all. OSError."""
        part = self.path / (self.folder(result.index).name + ".part")
        if part.exists():
            shutil.rmtree(part)
        (part / "frames").mkdir(parents=True)
        for number, frame in zip(result.frame_ids, result.frames, strict=True):
            png = BytesIO()
            Image.fromarray(frame).save(png, "PNG", compress_level=3)
            _write(part / "frames" / f"{number:05d}.png", png.getvalue())
        height, width = result.frames.shape[1:3]
        cams = {"w2c": result.w2c, "intrinsics": result.k, "frame_ids": result.frame_ids}
        sides = {"image_height": np.int64(height), "image_width": np.int64(width)}
        _write(part / "cams.npz", npz_bytes(cams | sides))
        if result.depth is not None and result.depth_ids is not None:
            depths = {f"{n:05d}": d for n, d in zip(result.depth_ids, result.depth, strict=True)}
            _write(part / "depth.npz", npz_bytes(depths))
        if result.made is not None:
            _write(part / "made.npz", npz_bytes({"made": np.packbits(result.made, axis=-1)}))
        if result.state:
            _write(part / "state.npz", npz_bytes(result.state))
        meta = {
            "index": result.index,
            "frames": [int(result.frame_ids[0]), int(result.frame_ids[-1])],
            "size": [width, height],
            "prompt": request.prompt if request else "",
            "seed": request.seed if request else 0,
            "depth": [] if result.depth_ids is None else [int(n) for n in result.depth_ids],
            "retrieved": [int(n) for n in result.retrieved],
            "coverage": None if result.coverage is None else round(result.coverage, 6),
            "warnings": result.warnings,
            "xxh3_128": _digest(part),
        }
        _write(part / "meta.json", json.dumps(meta, indent=1).encode())
        _sync(part / "frames")
        _sync(part)
        part.replace(self.folder(result.index))
        _sync(self.path)

    def read(self, index: int) -> StepResult:
        """A whole step, as it was written. UserError."""
        folder = self.folder(index)
        w2c, k = (npz.load(folder / "cams.npz", name, 3) for name in ("w2c", "intrinsics"))
        ids = frame_ids_of(index)
        frames = np.stack([rgbd_images.picture(File(folder / "frames" / f"{n:05d}.png")) for n in ids])
        result = StepResult(index, frames, w2c, k)
        if (folder / "depth.npz").is_file():
            names = npz.names(folder / "depth.npz")
            result.depth = np.stack([npz.load(folder / "depth.npz", name, 2) for name in names])
            result.depth_ids = np.array([int(name) for name in names], np.int64)
        if (folder / "made.npz").is_file():
            bits = npz.load(folder / "made.npz", "made", 3)
            result.made = np.unpackbits(bits, axis=-1, count=frames.shape[2]).astype(bool)
        if (folder / "state.npz").is_file():
            result.state = {n: npz.load(folder / "state.npz", n, 2) for n in npz.names(folder / "state.npz")}
        meta = json_object(folder / "meta.json")
        result.warnings = [str(w) for w in meta.get("warnings", [])]
        return result


class Done(Sequence[StepResult]):
    """The whole steps of a run, seed first, each read when it is asked for."""

    def __init__(self, steps: Steps, n: int) -> None:
        self._steps, self._n = steps, n

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, at: int) -> StepResult: ...
    @overload
    def __getitem__(self, at: slice) -> list[StepResult]: ...
    def __getitem__(self, at: int | slice) -> StepResult | list[StepResult]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(self._n))]
        if not -self._n <= at < self._n:
            raise IndexError(at)
        return self._steps.read(at % self._n - 1)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder of steps. UserError: it is none, or of another version."""
    found = json_object(folder / MANIFEST)
    if found.get("format") != FORMAT or found.get("version") != VERSION:
        raise UserError(f"{shown(folder / MANIFEST)} is not of {FORMAT}, version {VERSION}")
    return found


def word_of(manifest: dict[str, Any]) -> str:
    """One word that differs when anything asked for does."""
    return xxhash.xxh3_128_hexdigest(json.dumps(manifest, sort_keys=True).encode())


def npz_bytes(arrays: dict[str, Any]) -> bytes:
    """An .npz without dates: the same arrays, the same bytes."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            body = BytesIO()
            np.lib.format.write_array(body, np.asarray(array), version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(name + ".npy", _OLDEST), body.getvalue())
    return out.getvalue()


def digest_of(*arrays: NDArray[Any] | None) -> str:
    """xxh3-128 of arrays, with their shapes."""
    state = xxhash.xxh3_128()
    for array in arrays:
        state.update(repr(None if array is None else (array.shape, array.dtype.str)).encode())
        if array is not None:
            state.update(np.ascontiguousarray(array).tobytes())
    return state.hexdigest()


def _digest(folder: Path) -> str:
    """Of every file of a step but its meta.json, in order."""
    state = xxhash.xxh3_128()
    for file in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "meta.json"):
        data = file.read_bytes()
        state.update(f"{file.relative_to(folder).as_posix()}\0{len(data)}\0".encode())
        state.update(data)
    return state.hexdigest()


def _write(path: Path, data: bytes) -> None:
    """Not forced to disk one by one: a file that a crash tore does not have the digest of its meta.json."""
    path.write_bytes(data)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

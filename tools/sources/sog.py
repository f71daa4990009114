"""SOG, "spatially ordered Gaussians" (PlayCanvas): meta.json and images in which a pixel is a splat.

A `.sog` is a zip of them; a folder holds them as files. Version 2 (developer.playcanvas.com, "The SOG
format"): position 16 bits per axis in two images, undone by sign(n)(exp|n| - 1); log scale and f_dc through
codebooks of 256 numbers; opacity 0..1; rotation w x y z without its largest component, which A = 252..255
names. The old layout without `version` (playcanvas/sogs): the same, but scale, f_dc and the logit of opacity
run linearly from mins to maxs. Harmonics above the constant are not read. Axes are those of the .ply it was
made from: -y is up.

A splat whose A is below 252 has no rotation and is dropped. Precision: position 2^-17 of the logarithmic
extent, rotation 1/361 per component, opacity 1/510; scale and colour exactly the codebook's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown
from . import json_fields as j
from . import source as s
from .gaussians import SH_C0, assemble, exp_scale, place_largest, sigmoid
from .sog_files import Read, in_folder, in_zip, pixels

MAX_SPLATS = 1 << 25  # of one set of images; WebP ends at 2^28
_STEP = 1 << 16  # splats that are decoded at a time

Float = NDArray[np.float64]
Table = NDArray[np.float64]  # [channels, 256]: what a byte means


@dataclass(frozen=True, slots=True)
class Sog:
    """One set of images, its header checked."""

    read: Read
    where: str  # what an error calls it
    n_splats: int
    version: int
    low: Float  # [3] ends of the logarithmic positions
    high: Float
    log_scale: Table  # [3, 256]
    f_dc: Table  # [3, 256]
    opacity: Table  # [1, 256] 0..1
    files: dict[str, list[str]]
    has_harmonics: bool


def open_sog(path: Path) -> s.Source:
    """A .sog bundle."""
    head = s.read_bytes(path, 0, min(16, s.file_bytes(path)))
    if not head.startswith(b"PK\x03\x04"):
        raise s.wrong_magic(path, head, "a .sog bundle (a zip with meta.json)")
    return _source(path, in_zip(path), (path,))


def open_sog_meta(path: Path) -> s.Source:
    """meta.json beside its images."""
    s.file_bytes(path)
    read = in_folder(path.parent)
    names = [name for names in parse(read, path.name, shown(path)).files.values() for name in names]
    return _source(path, read, (path, *(path.parent / name for name in sorted(set(names)))))


def _source(path: Path, read: Read, files: tuple[Path, ...]) -> s.Source:
    name = "meta.json" if path.suffix.lower() == ".sog" else path.name
    sog = parse(read, name, shown(path))
    notes: dict[str, str | int] = {"format": f"sog v{sog.version}"}
    if sog.has_harmonics:
        notes["harmonics"] = "ignored"

    def batches(n: int) -> Iterator[s.Gaussians]:
        return decoded(sog, [(0, sog.n_splats)], n)

    return s.Source(path, "gaussians", sog.n_splats, "-y", batches, notes, files=files)


def parse(read: Read, name: str, where: str) -> Sog:
    """meta.json, checked. Raises UserError."""
    data = read(name)
    if len(data) > j.MAX_JSON_BYTES:
        raise UserError(f"{where}: {len(data):,} bytes of JSON: the limit is {j.MAX_JSON_BYTES:,}")
    meta = j.parsed(data, f"{where}: meta.json" if name != where.rsplit("/", 1)[-1] else where)
    version = meta.get("version", 1)
    if type(version) is not int or version not in (1, 2):
        raise UserError(f"{where} is SOG version {shown(repr(version)[:20])}: the old layout and 2 are read")
    means, scales, sh0 = (j.part(meta, key, where) for key in ("means", "scales", "sh0"))
    if version == 2:
        n_splats = j.whole(meta, "count", where, MAX_SPLATS)
        log_scale = np.tile(j.floats(scales, "codebook", where, 256), (3, 1))
        f_dc = np.tile(j.floats(sh0, "codebook", where, 256), (3, 1))
        opacity = np.arange(256)[None] / 255
    else:
        shape = j.listed(means, "shape", where, int, 2, 2)
        n_splats = j.whole({"means.shape": shape[0]}, "means.shape", where, MAX_SPLATS)
        log_scale, table = _ramps(scales, where, 3), _ramps(sh0, where, 4)
        f_dc, opacity = table[:3], sigmoid(table[3:])
    s.check_count(Path(where), n_splats, "splats")
    files = {
        key: j.listed(j.part(meta, key, where), "files", where, str, n, n)
        for key, n in (("means", 2), ("scales", 1), ("quats", 1), ("sh0", 1))
    }
    low, high = (np.array(j.floats(means, end, where, 3)) for end in ("mins", "maxs"))
    return Sog(
        read, where, n_splats, version, low, high, log_scale, f_dc, opacity, files, bool(meta.get("shN"))
    )


def _ramps(meta: j.Json, where: str, n: int) -> Table:
    """Bytes run from mins to maxs: [n, 256]."""
    low, high = (np.array(j.floats(meta, end, where, n))[:, None] for end in ("mins", "maxs"))
    with np.errstate(all="ignore"):
        ramp: Table = low + (high - low) * (np.arange(256) / 255)
    return ramp


def decoded(sog: Sog, ranges: list[tuple[int, int]], n: int) -> Iterator[s.Gaussians]:
    """The splats in ranges (start, count) of a set of images, 1..n at a time. Raises UserError."""
    image = {
        name: pixels(sog.read(name), sog.n_splats, f"{sog.where}: {shown(name)}")
        for names in sog.files.values()
        for name in names
    }
    lower, upper = (image[name] for name in sog.files["means"])
    scale, quat, sh0 = (image[sog.files[key][0]] for key in ("scales", "quats", "sh0"))
    channels = np.arange(3)
    for first, total in ranges:
        for start, count in s.spans(total, min(n, _STEP)):
            rows = slice(first + start, first + start + count)
            sixteen = upper[rows, :3].astype(np.int64) << 8 | lower[rows, :3]
            with np.errstate(all="ignore"):
                log_position = sog.low + (sog.high - sog.low) * (sixteen / 65535)
                position = np.sign(log_position) * np.expm1(np.abs(log_position))
            batch = assemble(
                position,
                exp_scale(sog.log_scale[channels, scale[rows, :3]]),
                _rotation(quat[rows]),
                sog.opacity[0, sh0[rows, 3]],
                0.5 + SH_C0 * sog.f_dc[channels, sh0[rows, :3]],
            )
            if len(batch):
                yield batch


def _rotation(quat: NDArray[np.uint8]) -> Float:
    """[N, 4] bytes -> [N, 4] w, x, y, z; NaN where A names no component."""
    small = (quat[:, :3] / 255 - 0.5) * np.sqrt(2)
    out = place_largest(small, np.maximum(quat[:, 3], 252) - np.uint8(252))
    out[quat[:, 3] < 252] = np.nan
    return out

"""3D Gaussian splats as trainers write them: one `vertex` element, every property found by its name.

Layout: Kerbl et al. 2023, `save_ply` (x y z, nx ny nz, f_dc_*, f_rest_*, opacity, scale_*, rot_*). Normals
and f_rest may be missing; order, scalar types and further properties do not matter. Scale is a logarithm,
opacity a logit, the quaternion w, x, y, z of any length; colour is the constant term of the spherical
harmonics: clip(1/2 + SH_C0 f_dc). 2DGS writes two scales: the third is TINY_SCALE. y points down.

Precision: exactly the file's, then float32; colour within half of 1/255.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import UserError, shown
from . import ply as p
from .gaussians import SH_C0, TINY_SCALE, assemble, exp_scale, sigmoid
from .source import Gaussians, Source, check_count

_POSITION = ("x", "y", "z")
_COLOUR = ("f_dc_0", "f_dc_1", "f_dc_2")
_SCALE = ("scale_0", "scale_1", "scale_2")
_ROTATION = ("rot_0", "rot_1", "rot_2", "rot_3")
_REST_OF_DEGREE = {0: 0, 9: 1, 24: 2, 45: 3}
_MARKS = frozenset(("f_dc_0", "scale_0", "rot_0"))


def is_gaussian_ply(ply: p.Ply) -> bool:
    """True if the vertices carry what only splats have; whether it is complete is told on opening."""
    vertex = ply.element("vertex")
    return vertex is not None and len(_MARKS & vertex.names) >= 2


def open_gaussian_ply(ply: p.Ply) -> Source:
    vertex = ply.element("vertex")
    assert vertex is not None
    check_count(ply.path, vertex.n_rows, "splats")
    scale = _SCALE if "scale_2" in vertex.names else _SCALE[:2]
    needed = (*_POSITION, *_COLOUR, "opacity", *scale, *_ROTATION)
    if missing := [name for name in needed if name not in vertex.names]:
        raise UserError(f"{shown(ply.path)} looks like Gaussian splats but has no {', '.join(missing)}")

    def part(n: int, first: int = 0, count: int | None = None) -> Iterator[Gaussians]:
        for rows in p.rows(ply, "vertex", n, first, count):
            sigma = exp_scale(p.stack(rows, scale))
            if len(scale) == 2:
                sigma = np.concatenate([sigma, np.full((len(rows), 1), TINY_SCALE)], axis=1)
            batch = assemble(
                p.stack(rows, _POSITION),
                sigma,
                p.stack(rows, _ROTATION),
                sigmoid(p.stack(rows, ("opacity",))[:, 0]),
                0.5 + SH_C0 * p.stack(rows, _COLOUR),
            )
            if len(batch):
                yield batch

    n_rest = sum(name.startswith("f_rest_") for name in vertex.names)
    notes: dict[str, str | int] = {"format": "2DGS ply" if len(scale) == 2 else "3DGS ply", **p.describe(ply)}
    if n_rest in _REST_OF_DEGREE:
        notes["sh_degree"] = _REST_OF_DEGREE[n_rest]
    else:
        notes["sh_ignored"] = n_rest
    return Source(
        ply.path, "gaussians", vertex.n_rows, "-y", part, notes, None if ply.encoding == "ascii" else part
    )

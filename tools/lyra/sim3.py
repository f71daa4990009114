"""One similarity between two frames of reference, from cameras whose poses are known in both.

The turn comes from the cameras' own turns (their mean on SO(3): Horn, Hilden, Negahdaripour 1988), because
the centres of a straight walk leave the turn about it free; scale and shift then come from the centres
(Umeyama 1991 with the turn given).
"""

from dataclasses import dataclass

import numpy as np

from .problems import Code, GeneratorError
from .protocol import F64, inverse

MAX_RESIDUAL = 0.02  # of the way's length, rms
MAX_TURN_DEG = 5.0  # rms


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """p -> scale turn p + shift. residual: rms of centres as part of the way's length; turn_deg: rms."""

    scale: float
    turn: F64  # [3, 3]
    shift: F64  # [3]
    residual: float
    turn_deg: float

    def of(self, points: F64) -> F64:
        """[N, 3] -> [N, 3]"""
        moved: F64 = self.scale * points @ self.turn.T + self.shift
        return moved


def fitted(from_w2c: F64, to_w2c: F64) -> Similarity:
    """The similarity that takes cameras [N, 4, 4] to others. GeneratorError: they do not lie alike."""
    if from_w2c.shape != to_w2c.shape or len(to_w2c) < 3:
        raise GeneratorError(
            Code.ALIGNMENT, f"{len(from_w2c)} cameras cannot be laid over {len(to_w2c)}: 3 or more are needed"
        )
    here, there = inverse(from_w2c), inverse(to_w2c)
    turns = there[:, :3, :3] @ np.swapaxes(here[:, :3, :3], 1, 2)
    u, _, v = np.linalg.svd(turns.sum(0))
    turn = u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v
    a, b = here[:, :3, 3], there[:, :3, 3]
    spread = a - a.mean(0)
    length = float(np.sqrt((np.diff(b, axis=0) ** 2).sum(1)).sum())
    if (spread**2).sum() < 1e-12 or length < 1e-9:
        raise GeneratorError(Code.ALIGNMENT, "the camera stands still: that tells no scale")
    scale = float(((b - b.mean(0)) * (spread @ turn.T)).sum() / (spread**2).sum())
    if not scale > 0:
        raise GeneratorError(Code.ALIGNMENT, "the two ways run against each other")
    shift = b.mean(0) - scale * turn @ a.mean(0)
    off = np.sqrt(((scale * a @ turn.T + shift - b) ** 2).sum(1).mean()) / length
    cosine = (np.einsum("nij,ij->n", turns, turn) - 1) / 2
    degrees = float(np.degrees(np.sqrt((np.arccos(cosine.clip(-1, 1)) ** 2).mean())))
    if off > MAX_RESIDUAL or degrees > MAX_TURN_DEG:
        raise GeneratorError(
            Code.ALIGNMENT,
            f"the reconstruction's cameras are off by {off:.1%} of the way and {degrees:.1f} degrees, "
            f"where {MAX_RESIDUAL:.0%} and {MAX_TURN_DEG:.0f} are the most",
        )
    return Similarity(scale, turn, shift, float(off), degrees)

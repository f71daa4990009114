"""What the network is shown: the memory warped into the new views and filled, and where each pixel came from.

One chunk of views at a time. What a view makes up is drawn into the later views of the chunk, so that they
agree; `covered` tells what the memory itself gave.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import cloud as clouds
from ..cloud import Cloud
from ..inpaint import filled
from ..memory import Memory, Retrieved
from ..memory.view import NEAR, Frame, View, project, unproject
from ..protocol import F32, F64, Mask, Rgb
from ..warp import seen
from .config import CELL, FRAMES_OF, SLOTS, Config

FAR, FAR_QUANTILE = 1.5, 0.98  # as WarpFill has it
REACH = 1.5  # one unit of the network's depth is a factor of exp(REACH)
DEEPEST = 2.0  # of the network's depth; the sky is there
SKY_FROM = 1.9
CRACK, MOST_AROUND = 0.05, 12  # of z, and of 24 pixels around one: a crack of at most two pixels
SEEN_THROUGH = 0.04  # of z: nearer than what an earlier frame shows behind it, by more
SAME = 0.06  # of z: a point that a slot sees this near to its depth is the one that it shows


@dataclass(slots=True, eq=False)
class Warped:
    """Views [T, H, W] of a chunk, filled. new: pixels made up that no earlier view of the chunk made up."""

    rgb: Rgb
    depth: F32
    covered: Mask
    new: Mask


Seen = tuple[F32, F32, F32, Mask]  # colours 0..255, depth, normals in the camera's axes, where anything is


def of_patches(known: Cloud, w2c: F64, k: F64, size: tuple[int, int]) -> Seen:
    """What WarpFill's memory shows in one view."""
    view = seen(known, w2c, k, size)
    return view.rgb, view.depth, view.normal, view.covered


def of_arm(memory: Memory, found: Retrieved, view: View) -> Seen:
    """What one of the memories of `memory.ARMS` shows in one view."""
    picture = memory.render(found, view)
    q = np.where(picture.covered, 1 / np.where(picture.covered, picture.depth, 1), 0).astype(np.float32)
    return picture.rgb, picture.depth, clouds.normals(q, view.k), picture.covered


def warped(
    show: Callable[[int], Seen], w2c: F64, k: F64, ids: Iterable[int], size: tuple[int, int], far: float
) -> Warped:
    """What a memory shows in views w2c [T, 4, 4], k [T, 3, 3], filled; ids: the frames' numbers."""
    parts: list[Cloud] = []
    made: list[tuple[NDArray[Any], ...]] = []
    for at, number in enumerate(ids):
        rgb, depth, normal, covered = show(at)
        there = covered.copy()
        if parts:
            own = seen(clouds.joined(parts), w2c[at], k[at], size)
            add = own.covered & ~there
            rgb[add], depth[add], normal[add] = own.rgb[add], own.depth[add], own.normal[add]
            there |= add
        rgb, depth, normal = filled(rgb, depth, normal, there, k[at], far)
        bytes_ = np.rint(rgb.clip(0, 255)).astype(np.uint8)
        new = ~there & (depth > 0)
        if new.any():
            parts.append(clouds.cloud_of(bytes_, depth, new, w2c[at], k[at], int(number), normal))
        made.append((bytes_, depth, covered, new))
    return Warped(*(np.stack(column) for column in zip(*made, strict=True)))


def closed(covered: Mask, depth: F32) -> Mask:
    """Coverage [T, H, W] without its cracks: a pixel counts where most around it are covered, and as deep.

    Points of a surface seen aslant lie apart; what is between two of them is known and needs no network.
    """
    reach, height, width = 2, *depth.shape[1:]
    pad = ((0, 0), (reach, reach), (reach, reach))
    wide, deep = np.pad(covered, pad), np.pad(depth, pad)
    votes = np.zeros(depth.shape, np.int8)
    for row in range(2 * reach + 1):
        for column in range(2 * reach + 1):
            at = np.s_[:, row : row + height, column : column + width]
            votes += wide[at] & (np.abs(deep[at] - depth) <= CRACK * depth)
    return covered | (votes >= MOST_AROUND)


def allowed(depth: F32, view: View, slots: Sequence[Frame]) -> Mask:
    """Pixels [H, W] of a made-up depth that stand in no space that an earlier frame saw through."""
    out = np.ones(depth.size, bool)
    points = unproject(depth, view).reshape(-1, 3)
    for slot in slots:
        x, y, z = project(points, slot.view)
        height, width = slot.depth.shape
        column, row = np.rint(x), np.rint(y)
        inside = (z > NEAR) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        at = np.flatnonzero(inside)
        there = slot.depth[row[at].astype(int), column[at].astype(int)]
        out[at[z[at] < there * (1 - SEEN_THROUGH)]] = False
    return out.reshape(depth.shape)


def begun(rgb: Rgb, depth: F32, w2c: F64, k: F64) -> tuple[Cloud, float, F32]:
    """Frame 0 -> its patches, how deep anything made up may lie, and its depth without gaps."""
    firm = clouds.settled(depth)
    there = firm > 0
    q = np.where(there, 1 / np.where(there, firm, np.float32(1)), np.float32(0))
    far = FAR * float(np.quantile(firm[there], FAR_QUANTILE))
    _, whole, normal = filled(rgb.astype(np.float32), firm, clouds.normals(q, k), there, k, far)
    return clouds.cloud_of(rgb, whole, np.ones(whole.shape, bool), w2c, k, 0, normal), far, whole


def depth_in(z: NDArray[np.floating], reference: float) -> F32:
    """Distances -> the network's depth, -DEEPEST..DEEPEST; 0 and infinity (nothing, the sky) are deepest."""
    known = np.isfinite(z) & (z > 0)
    out = np.log(np.where(known, z, 1) / reference) / REACH
    return np.where(known, out.clip(-DEEPEST, DEEPEST), DEEPEST).astype(np.float32)


def depth_out(depth: NDArray[np.floating], reference: float) -> F32:
    """Inverse of `depth_in`; the sky comes out at one distance."""
    deep = np.where(depth >= SKY_FROM, DEEPEST, depth.clip(-DEEPEST, DEEPEST))
    return (reference * np.exp(REACH * deep)).astype(np.float32)


def padded(image: NDArray[Any], config: Config) -> NDArray[Any]:
    """Frames [T, H, W] or [T, H, W, 3] on the grid: edge rows repeated."""
    axis = image.ndim - (3 if image.shape[-1] == 3 and image.ndim > 3 else 2)
    pad = [(0, 0)] * image.ndim
    pad[axis] = config.above, config.grid_height - config.height - config.above
    return np.pad(image, pad, mode="edge")


def pictures(rgb: Rgb, depth: F32, reference: float, config: Config) -> F32:
    """Frames [T, H, W, 3], [T, H, W] -> what the autoencoder takes, [T, 5, grid, W]: colours, depth, sky."""
    deep = padded(depth_in(depth, reference), config)
    colour = padded(rgb, config).astype(np.float32) / np.float32(127.5) - 1
    sky = np.where(deep >= SKY_FROM, np.float32(1), np.float32(-1))
    return np.concatenate([np.moveaxis(colour, -1, 1), deep[:, None], sky[:, None]], 1)


def routes(
    views: Sequence[View], depths: Sequence[F32 | None], slots: Sequence[Frame], last: View,
    reference: float, config: Config, own: Sequence[int | None] | None = None,
) -> F32:  # fmt: skip
    """Where to look: per view and cell, its place in each slot's picture, and its ray.

    -> [V, 4 SLOTS + 6, rows, columns]: for each slot x, y (-1..1), depth, 1 where the slot shows the point,
    else -1, -1, 1, 0; then the ray's origin (over `reference`) and direction, in the axes of the view `last`.
    A view that is slot own[i] itself has its own places there. Depth None: rays alone.
    """
    rows, columns = config.cells
    y = np.arange(rows) * CELL + CELL / 2 - 0.5 - config.above
    x = np.arange(columns) * CELL + CELL / 2 - 0.5
    out = np.empty((len(views), 4 * SLOTS + 6, rows, columns), np.float32)
    out[:, : 4 * SLOTS] = np.tile([-1, -1, 1, 0], SLOTS)[None, :, None, None]
    pick_y, pick_x = np.rint(y).astype(int).clip(0, config.height - 1), np.rint(x).astype(int)
    for i, view in enumerate(views):
        ray = np.ones((rows, columns, 3))
        ray[..., 0] = (x - view.k[0, 2]) / view.k[0, 0]
        ray[..., 1] = ((y - view.k[1, 2]) / view.k[1, 1])[:, None]
        world = ray @ view.w2c[:3, :3]
        local = (world / np.linalg.norm(world, axis=-1, keepdims=True)) @ last.w2c[:3, :3].T
        origin = (last.w2c[:3, :3] @ view.centre + last.w2c[:3, 3]) / reference
        out[i, 4 * SLOTS :] = np.concatenate([np.broadcast_to(origin[:, None, None], (3, rows, columns)),
                                              np.moveaxis(local, -1, 0)])  # fmt: skip
        depth = depths[i]
        if depth is None:
            continue
        z = depth[pick_y[:, None], pick_x]
        points = (view.centre + world * z[..., None]).reshape(-1, 3)
        for n, slot in enumerate(slots):
            if own is not None and own[i] is not None and own[i] != n:
                continue
            u, v, there = project(points, slot.view)
            height, width = slot.depth.shape
            row, column = np.rint(v), np.rint(u)
            inside = np.flatnonzero(
                (there > 0) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            )
            found = slot.depth[row[inside].astype(int), column[inside].astype(int)]
            same = inside[np.abs(found - there[inside]) <= SAME * there[inside]]
            cells = np.unravel_index(same, (rows, columns))
            out[(i, 4 * n, *cells)] = 2 * u[same] / (width - 1) - 1
            out[(i, 4 * n + 1, *cells)] = 2 * v[same] / (height - 1) - 1
            out[(i, 4 * n + 2, *cells)] = depth_in(there[same], reference) / DEEPEST
            out[(i, 4 * n + 3, *cells)] = 1
    return out


def group_views(views: Sequence[View]) -> list[int]:
    """Of each FRAMES_OF views the last: the one whose routes stand for all."""
    return list(range(FRAMES_OF - 1, len(views), FRAMES_OF))

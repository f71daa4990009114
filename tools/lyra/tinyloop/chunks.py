"""From frames to what the denoiser is shown of one chunk; the same for training and for the backend."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..memory.view import Frame, View
from ..protocol import F32, Rgb
from .condition import group_views, padded, pictures, routes
from .config import FAR, FRAMES_OF, SLOTS, Config
from .denoiser import ROUTE, Shown
from .model import TinyLoop, coverage_of


def past_ids(first: int) -> list[int]:
    """Frames before a chunk that begins at `first`: FAR older ones, the last FRAMES_OF; 0 where none is."""
    return [max(i, 0) for i in range(first - FAR - FRAMES_OF, first)]


def routed(
    views: Sequence[View],
    depths: Sequence[F32] | F32,
    slots: Sequence[Frame],
    last: View,
    reference: float,
    config: Config,
) -> tuple[F32, F32, F32]:
    """Routes of the chunk's views [T / 4], of the slots [SLOTS] and of the recent frames [1]."""
    groups = group_views(views)
    chunk = routes([views[i] for i in groups], [depths[i] for i in groups], slots, last, reference, config)
    shown = np.zeros((SLOTS, ROUTE, *config.cells), np.float32)
    if slots:
        own = list(range(len(slots)))
        shown[: len(slots)] = routes(
            [s.view for s in slots], [s.depth for s in slots], slots, last, reference, config, own
        )
    return chunk, shown, routes([last], [None], slots, last, reference, config)


def palette_of(rgb: Rgb) -> F32:
    """Mean and deviation of a frame's colours, [6], in -1..1."""
    colour = rgb.reshape(-1, 3).astype(np.float32) / np.float32(127.5) - 1
    return np.concatenate([colour.mean(0), colour.std(0)])


def seen_pictures(rgb: Rgb, depth: F32, reference: float, config: Config) -> Tensor:
    """[T, 5, H, W] for the autoencoder."""
    return torch.from_numpy(pictures(rgb, depth, reference, config))


def mask(covered: np.ndarray, config: Config) -> Tensor:
    """[T, H, W] bool -> [T, 1, grid, W] 0 or 1."""
    return torch.from_numpy(padded(covered.astype(np.float32), config))[:, None]


def chunk_of(
    model: TinyLoop, fill: Tensor, covered: Tensor, slots: Tensor, past: Tensor, where: tuple[F32, F32, F32],
    theme: int, palette: F32,
) -> Shown:  # fmt: skip
    """Pictures of a chunk's warps [T, 5, H, W], coverage [T, 1, H, W], latents of slots [n, ...] and of the
    past [FAR + FRAMES_OF, ...] -> what the denoiser is shown, a batch of one."""
    device = fill.device
    n = len(slots)
    whole = torch.zeros(SLOTS, *slots.shape[1:], device=device)
    whole[:n] = slots
    there = (torch.arange(SLOTS, device=device) < n).float()
    chunk, own, recent = (torch.from_numpy(r).to(device) for r in where)
    return Shown(
        model.encode(fill)[None], coverage_of(covered)[None], whole[None], there[None], past[None, FAR:],
        past[None, :FAR], torch.ones(1, 2, device=device), chunk[None], own[None], recent[None],
        torch.tensor([theme], device=device), torch.from_numpy(palette)[None].to(device),
    )  # fmt: skip

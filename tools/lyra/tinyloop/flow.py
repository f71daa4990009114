"""Rectified flow between the warp's latents with noise (or noise alone) and the clean ones.

x_t = (1 - t) x0 + t x1. The network gives r, what x0 is off the warp's latents c, and the velocity follows:
v = (x_t - (c + r)) / t. So an untrained network, whose r is 0, gives the warp as the autoencoder has it. The
loss is that of v, whose weight 1 / t^2 is held below MAX_WEIGHT.

Lyra 2 begins from noise alone: source="noise". The default begins from x1 = c + spread * noise, with a spread
of COVERED where the memory covers the latent and 1 where it does not, so that four steps suffice.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Source = Literal["warp", "noise"]
SOURCES: tuple[Source, ...] = ("warp", "noise")
COVERED = 0.15
TIMES = (1.0, 0.75, 0.5, 0.25)
SHIFT = 3.0
MAX_WEIGHT = 16.0


def noise(shape: tuple[int, ...], seed: int, device: torch.device | str = "cpu") -> Tensor:
    """Drawn on the CPU, so that every device gets the same."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)


def begin(warp: Tensor, covered: Tensor, drawn: Tensor, source: Source) -> Tensor:
    """x1. warp and drawn [B, T, C, h, w], covered [B, T, 1, h, w] in 0..1"""
    return drawn if source == "noise" else warp + (COVERED * covered + (1 - covered)) * drawn


def times(n: int, generator: torch.Generator) -> Tensor:
    """Training's times [n], logit-normal, shifted towards noise."""
    t = torch.sigmoid(torch.randn(n, generator=generator))
    return (SHIFT * t / (1 + (SHIFT - 1) * t)).clamp(0.02, 1)


def loss(r: Tensor, x0: Tensor, warp: Tensor, t: Tensor) -> Tensor:
    """Mean squared error of the velocity, [B]."""
    weight = (1 / t**2).clamp(max=MAX_WEIGHT)
    return weight * ((r - (x0 - warp)) ** 2).flatten(1).mean(1)


def sample(network: Callable[[Tensor, Tensor], Tensor], warp: Tensor, x1: Tensor) -> Tensor:
    """Euler's steps along TIMES from x1 to x0. network: noisy latents, time [B] -> r."""
    x = x1
    for t, after in zip(TIMES, (*TIMES[1:], 0.0), strict=True):
        time = torch.full((len(x),), t, device=x.device)
        velocity = (x - (warp + network(x, time))) / t
        x = x + (after - t) * velocity
    return x

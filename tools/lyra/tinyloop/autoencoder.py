"""The autoencoder, frame by frame: colours, depth, sky to 16 channels at an eighth of the size, and back."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import CELL, LATENT, Config

PLANES = 5  # red, green, blue, depth, sky
QUIET = -5.0  # log variance that latents begin with


class Residual(nn.Module):
    """x + two convolutions of it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.silu(self.first(functional.silu(x))))


class Encoder(nn.Module):
    """[B, 5, H, W] -> mean and log variance [B, LATENT, H / 8, W / 8].

    The first five channels begin as the planes at an eighth of the size: so colours come through that no
    scene of training has, and nothing has to be learnt for it.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        a, b, c, d = config.widths
        self.layers = nn.Sequential(
            nn.Conv2d(PLANES, a, 3, padding=1), nn.SiLU(),
            nn.Conv2d(a, b, 3, 2, 1), Residual(b),
            nn.Conv2d(b, c, 3, 2, 1), Residual(c),
            nn.Conv2d(c, d, 3, 2, 1), Residual(d), nn.SiLU(),
            nn.Conv2d(d, 2 * LATENT, 3, padding=1),
        )  # fmt: skip

        last = self.layers[-1]
        with torch.no_grad():
            last.weight[:PLANES] = 0
            last.weight[LATENT:] = 0
            last.bias.zero_()
            last.bias[LATENT:] = QUIET

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = self.layers(x).chunk(2, 1)
        rough = functional.avg_pool2d(x, CELL)
        return torch.cat([mean[:, :PLANES] + rough, mean[:, PLANES:]], 1), spread.clamp(-10, 4)


class Decoder(nn.Module):
    """[B, LATENT, h, w] -> [B, 5, 8 h, 8 w]; begins as the first five channels, made large."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        a, b, c, d = config.widths
        self.layers = nn.Sequential(
            nn.Conv2d(LATENT, d, 3, padding=1), Residual(d),
            nn.Conv2d(d, 4 * c, 3, padding=1), nn.PixelShuffle(2), Residual(c),
            nn.Conv2d(c, 4 * b, 3, padding=1), nn.PixelShuffle(2), Residual(b), nn.SiLU(),
            nn.Conv2d(b, 4 * a, 3, padding=1), nn.PixelShuffle(2), nn.SiLU(),
            nn.Conv2d(a, PLANES, 3, padding=1),
        )  # fmt: skip

        last = self.layers[-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, z: Tensor) -> Tensor:
        rough = functional.interpolate(z[:, :PLANES], scale_factor=CELL, mode="bilinear")
        found: Tensor = rough + self.layers(z)
        return found


class Refiner(nn.Module):
    """Decoded frames, made sharp by the warp that the network was shown: a mixture of both, and a correction.

    Where the memory covers nothing the mixture begins at a twentieth of the warp, elsewhere at nineteen.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.refiner
        self.layers = nn.Sequential(
            nn.Conv2d(2 * PLANES + 1, width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.SiLU(),
        )  # fmt: skip
        self.last = nn.Conv2d(width, PLANES + 2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, decoded: Tensor, fill: Tensor, covered: Tensor) -> Tensor:
        """[B, 5, H, W] x 2, [B, 1, H, W] 0 or 1 -> [B, 5, H, W]"""
        found = self.last(self.layers(torch.cat([decoded, fill, covered], 1)))
        share = torch.sigmoid(found[:, PLANES:] + 6 * covered - 3)
        share = torch.cat([share[:, :1].expand(-1, 3, -1, -1), share[:, 1:].expand(-1, 2, -1, -1)], 1)
        mixed: Tensor = decoded + share * (fill - decoded) + found[:, :PLANES]
        return mixed


def reconstruction_loss(out: Tensor, truth: Tensor) -> Tensor:
    """L1 of all planes and of their slopes; depth counts less at its edges."""
    off = (out - truth).abs()
    deep = truth[:, 3:4]
    edge = functional.pad(_across(deep).abs(), (0, 1, 0, 0)) + functional.pad(_down(deep).abs(), (0, 0, 0, 1))
    weight = 1 / (1 + 4 * edge)
    slopes = (_across(out[:, :4]) - _across(truth[:, :4])).abs().mean() + (
        _down(out[:, :4]) - _down(truth[:, :4])
    ).abs().mean()
    return 3 * off[:, :3].mean() + (2 * off[:, 3:4] * weight).mean() + 0.5 * off[:, 4:].mean() + slopes


def _across(a: Tensor) -> Tensor:
    return a[..., 1:] - a[..., :-1]


def _down(a: Tensor) -> Tensor:
    return a[..., 1:, :] - a[..., :-1, :]

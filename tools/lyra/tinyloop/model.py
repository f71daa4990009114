"""A whole TinyLoop: autoencoder, denoiser, refiner, what turns pictures into latents and back; its file."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import UserError, shown
from . import flow, safetensors
from .autoencoder import Decoder, Encoder, Refiner
from .config import CELL, GRAMMAR, LATENT, LICENSE, Config
from .denoiser import Denoiser, Shown
from .stamp import FORMAT, read_stamp

MAX_PARAMETERS = 20_000_000
AT_ONCE = 16  # frames through the autoencoder


class TinyLoop(nn.Module):
    """All networks. Latents are scaled to mean 0 and deviation 1 by what training measured."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.denoiser, self.refiner = Denoiser(config), Refiner(config)
        self.register_buffer("mean", torch.zeros(LATENT))
        self.register_buffer("deviation", torch.ones(LATENT))

    def encode(self, pictures: Tensor) -> Tensor:
        """[N, 5, H, W] -> latents [N, LATENT, h, w]"""
        z = torch.cat([self.encoder(part)[0] for part in pictures.split(AT_ONCE)])
        return (z - self.mean[:, None, None]) / self.deviation[:, None, None]

    def decode(self, latents: Tensor) -> Tensor:
        """Inverse of `encode`."""
        z = latents * self.deviation[:, None, None] + self.mean[:, None, None]
        return torch.cat([self.decoder(part) for part in z.split(AT_ONCE)])

    def refine(self, decoded: Tensor, fill: Tensor, covered: Tensor) -> Tensor:
        """[N, 5, H, W] x 2, [N, 1, H, W]"""
        parts = zip(decoded.split(AT_ONCE), fill.split(AT_ONCE), covered.split(AT_ONCE), strict=True)
        return torch.cat([self.refiner(*part) for part in parts])

    def sample(self, shown: Shown, seed: int, source: flow.Source = "warp") -> Tensor:
        """Latents [B, T, LATENT, h, w] of a chunk."""
        drawn = flow.noise(tuple(shown.warp.shape), seed, shown.warp.device)
        x1 = flow.begin(shown.warp, shown.covered, drawn, source)
        return flow.sample(lambda x, t: self.denoiser(x, t, shown), shown.warp, x1)


def coverage_of(covered: Tensor) -> Tensor:
    """[..., H, W] 0 or 1 -> the share of each latent's pixels, [..., h, w]"""
    flat = covered.reshape(-1, 1, *covered.shape[-2:])
    return functional.avg_pool2d(flat, CELL).reshape(*covered.shape[:-2], covered.shape[-2] // CELL, -1)


def built(config: Config, seed: int) -> TinyLoop:
    """Untrained; the same seed, the same weights. UserError: too large."""
    state = torch.get_rng_state()
    torch.manual_seed(seed % (1 << 63))
    model = TinyLoop(config)
    torch.set_rng_state(state)
    if n_parameters(model) > MAX_PARAMETERS:
        raise UserError(f"{n_parameters(model):,} parameters: a TinyLoop has at most {MAX_PARAMETERS:,}")
    return model


def n_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def save(model: TinyLoop, path: Path, told: dict[str, str]) -> None:
    """Weights in half precision, with where they come from. OSError."""
    tensors = {name: t.detach().cpu().to(torch.float16).numpy() for name, t in model.state_dict().items()}
    for name in ("mean", "deviation"):
        tensors[name] = getattr(model, name).cpu().numpy()
    fixed = {
        "format": FORMAT,
        "config": json.dumps(model.config.told()),
        "grammar": GRAMMAR,
        "license": LICENSE,
    }
    safetensors.write(path, tensors, fixed | told)


def load(path: Path, device: torch.device | str = "cpu") -> TinyLoop:
    """Weights, every tensor's name and shape checked before one is read. UserError."""
    config, _ = read_stamp(path)
    with torch.device("meta"):
        empty = TinyLoop(config)
    if n_parameters(empty) > MAX_PARAMETERS:
        raise UserError(f"{shown(path)}: {n_parameters(empty):,} parameters are more than a TinyLoop has")
    tensors, _ = safetensors.read(path, {name: tuple(t.shape) for name, t in empty.state_dict().items()})
    model = TinyLoop(config)
    model.load_state_dict({n: torch.from_numpy(a.astype(np.float32)) for n, a in tensors.items()})
    if not all(torch.isfinite(t).all() for t in model.state_dict().values()):
        raise UserError(f"{shown(path)}: a weight is not finite")
    return model.to(device).eval()

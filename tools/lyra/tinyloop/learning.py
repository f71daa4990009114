"""What is learnt in each phase: batches from walks, and the loss. Randomness follows from a step's number."""

from dataclasses import fields, replace

import numpy as np
import torch
from torch import Tensor

from . import flow
from .autoencoder import reconstruction_loss
from .batches import Walks, chunks_batch, frames_batch, pixels_of
from .config import FRAMES_OF, SLOTS
from .denoiser import Shown
from .model import TinyLoop

PHASES = ("autoencoder", "denoiser", "refiner")
BATCH = {"autoencoder": 16, "denoiser": 8, "refiner": 2}  # frames, chunks, chunks
DROPPED = 0.1  # of slots, recent, far, routes, theme
NO_WARP = 0.05
PIXELS_FROM = 0.8  # of the denoiser's phase: from then on decoded pixels count too
KL = 1e-5


def dropped(shown: Shown, generator: torch.Generator) -> Shown:
    """Parts left out at random, so that one network serves with any of them missing."""
    n = len(shown.warp)

    def keep(*shape: int, share: float = DROPPED) -> Tensor:
        return (torch.rand(n, *shape, generator=generator) >= share).float().to(shown.warp.device)

    routed, warp, named = keep(), keep(share=NO_WARP), keep()
    wide = routed[:, None, None, None, None]
    slots = shown.slots + _speckles(shown.slots, generator)
    return replace(
        shown,
        slots=slots,
        slot_there=shown.slot_there * keep(SLOTS),
        past_there=shown.past_there * keep(2),
        routes=shown.routes * wide,
        slot_routes=shown.slot_routes * wide,
        recent_routes=shown.recent_routes * wide,
        warp=shown.warp * warp[:, None, None, None, None],
        covered=shown.covered * warp[:, None, None, None, None],
        theme=(shown.theme * named).long(),
        palette=shown.palette * keep()[:, None],
    )


def _speckles(slots: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of log-normal strength on every second sample's slots."""
    n = len(slots)
    strength = torch.exp(torch.randn(n, SLOTS, generator=generator) * 2 - 3).clamp(max=0.5)
    strength *= (torch.rand(n, 1, generator=generator) < 0.5).float()
    drawn = torch.randn(slots.shape, generator=generator)
    return (strength[:, :, None, None, None] * drawn).to(slots.device)


@torch.no_grad()
def self_made(model: TinyLoop, shown: Shown, generator: torch.Generator, through: bool) -> Shown:
    """History as the network itself would have made it: noised, denoised in one step.

    through: and decoded, and encoded again, which costs as much as all the rest of a step.
    """
    history = torch.cat([shown.slots, shown.recent], 1)
    n, frames = history.shape[:2]
    alone = {f.name: torch.zeros_like(getattr(shown, f.name)) for f in fields(Shown)}
    empty = replace(
        Shown(**alone), warp=torch.zeros_like(history), covered=torch.zeros_like(history[:, :, :1]),
        routes=torch.zeros_like(shown.routes[:, :1]).repeat(1, frames // FRAMES_OF, 1, 1, 1),
    )  # fmt: skip
    t = 0.5 * torch.rand(n, generator=generator).to(history.device)
    wide = t[:, None, None, None, None]
    noisy = (1 - wide) * history + wide * torch.randn(history.shape, generator=generator).to(history.device)
    made = model.denoiser(noisy, t, empty).float()
    again = model.encode(model.decode(made.flatten(0, 1))).float().view_as(history) if through else made
    return replace(shown, slots=again[:, :SLOTS], recent=again[:, SLOTS:])


def autoencoder_loss(
    model: TinyLoop, walks: Walks, rng: np.random.Generator, generator: torch.Generator
) -> Tensor:
    truth = frames_batch(walks, rng)
    mean, spread = model.encoder(truth)
    drawn = torch.randn(mean.shape, generator=generator).to(mean.device)
    out = model.decoder(mean + torch.exp(0.5 * spread) * drawn)
    kl = 0.5 * (mean.float() ** 2 + spread.float().exp() - 1 - spread.float()).mean()
    return reconstruction_loss(out.float(), truth) + KL * kl


def denoiser_loss(
    model: TinyLoop,
    walks: Walks,
    rng: np.random.Generator,
    generator: torch.Generator,
    part: float,
    step: int,
) -> Tensor:
    """part: of the phase that is done."""
    x0, shown, places = chunks_batch(walks, model, rng, BATCH["denoiser"])
    if step % 2:
        shown = self_made(model, shown, generator, through=step % 4 == 1)
    shown = dropped(shown, generator)
    t = flow.times(len(x0), generator).to(x0.device)
    source: flow.Source = "noise" if rng.random() < 0.15 else "warp"
    x1 = flow.begin(
        shown.warp, shown.covered, torch.randn(x0.shape, generator=generator).to(x0.device), source
    )
    wide = t[:, None, None, None, None]
    r = model.denoiser((1 - wide) * x0 + wide * x1, t, shown).float()
    total = flow.loss(r, x0, shown.warp, t).mean()
    if part > PIXELS_FROM:
        total = total + _pixels(model, walks, rng, shown.warp + r, t, places)
    return total


def _pixels(
    model: TinyLoop,
    walks: Walks,
    rng: np.random.Generator,
    made: Tensor,
    t: Tensor,
    places: list[tuple[int, int]],
) -> Tensor:
    """L1 of a decoded frame in covered pixels, for the samples with little noise."""
    low = [b for b in range(len(t)) if t[b] < 0.6][:3]
    total = made.new_zeros(())
    for b in low:
        at = int(rng.integers(0, made.shape[1]))
        truth, _, covered = pixels_of(walks, places[b], [at])
        total = total + ((model.decode(made[b, at : at + 1]).float() - truth)[:, :4].abs() * covered).mean()
    return total / max(len(low), 1)


def refiner_loss(
    model: TinyLoop, walks: Walks, rng: np.random.Generator, generator: torch.Generator
) -> Tensor:
    """On what the whole sampler makes."""
    _, shown, places = chunks_batch(walks, model, rng, BATCH["refiner"])
    with torch.no_grad():
        made = model.sample(dropped(shown, generator), int(rng.integers(1 << 31)))
    total = made.new_zeros(())
    for b, place in enumerate(places):
        at = sorted(rng.choice(made.shape[1], min(6, made.shape[1]), replace=False).tolist())
        truth, fill, covered = pixels_of(walks, place, at)
        with torch.no_grad():
            decoded = model.decode(made[b, at]).float()
        out = model.refiner(decoded, fill, covered).float()
        total = total + reconstruction_loss(out, truth)
    return total / len(places)

"""What is learnt in each phase: batches from walks, and the loss. Each step's randomness follows from its number."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..memory.view import Frame, View
from . import flow
from .autoencoder import reconstruction_loss
from .chunks import mask, palette_of, past_ids, routed, seen_pictures
from .condition import depth_in
from .config import FAR, FRAMES_OF, SLOTS, Config
from .denoiser import Shown
from .model import TinyLoop, coverage_of
from .samples import CHUNKS, Recorded, folder_of, kept

PHASES = ("autoencoder", "denoiser", "refiner")
BATCH = {"autoencoder": 16, "denoiser": 8, "refiner": 2}  # frames, chunks, chunks
DROPPED = 0.1  # of slots, recent, far, routes, theme
NO_WARP = 0.05
PIXELS_FROM = 0.8  # of the denoiser's phase: from then on decoded pixels count too
KL = 1e-5


@dataclass(slots=True)
class Walks:
    """The training set: walks of grammars A and B in turn. Latents are kept once the autoencoder is done."""

    cache: Path
    config: Config
    n: int
    device: torch.device
    latents: dict[int, tuple[Tensor, ...]] = field(default_factory=dict)

    def get(self, i: int) -> Recorded:
        return kept(folder_of(self.cache, self.config), "AB"[i % 2], i // 2, self.config)

    def encoded(self, i: int, model: TinyLoop) -> tuple[Tensor, ...]:
        """Of a walk: latents of frames and warps, coverage, routes of chunks, slots and recent frames; half."""
        if i not in self.latents:
            self.latents[i] = _encoded(self.get(i), model, self.device)
        return self.latents[i]


@torch.no_grad()
def _encoded(walk: Recorded, model: TinyLoop, device: torch.device) -> tuple[Tensor, ...]:
    config = model.config
    truth = model.encode(seen_pictures(walk.rgb, walk.depth, walk.reference, config).to(device))
    fill = model.encode(seen_pictures(walk.fill_rgb, walk.fill_depth, walk.reference, config).to(device))
    covered = coverage_of(mask(walk.covered, config).to(device))
    views = [View(w2c, walk.k, (config.height, config.width)) for w2c in walk.w2c]
    told = []
    for c in range(CHUNKS):
        first = 1 + c * config.chunk
        slots = [Frame(i, walk.rgb[i], walk.depth[i], views[i]) for i in walk.slots[c] if i >= 0]
        told.append(
            routed(views[first : first + config.chunk], walk.fill_depth[first - 1 :], slots, views[first - 1],
                   walk.reference, config)
        )  # fmt: skip
    routes = (torch.from_numpy(np.stack(part)).to(device) for part in zip(*told, strict=True))
    slots_of, palette = torch.from_numpy(walk.slots), torch.from_numpy(palette_of(walk.rgb[0]))
    return (*(t.half() for t in (truth, fill, covered, *routes)), slots_of, palette, torch.tensor(walk.theme))


def frames_batch(walks: Walks, rng: np.random.Generator) -> Tensor:
    """Pictures [16, 5, H, W] of four walks; one of four is a warp, as the encoder will see those too."""
    parts = []
    for i in rng.integers(0, walks.n, 4):
        walk = walks.get(int(i))
        of_truth, of_fill = rng.integers(0, len(walk.rgb), 3), rng.integers(0, len(walk.fill_rgb), 1)
        rgb = np.concatenate([walk.rgb[of_truth], walk.fill_rgb[of_fill]])
        if rng.random() < 0.5:
            rgb = rgb[..., rng.permutation(3)]  # colours that no scene has
        depth = np.concatenate([walk.depth[of_truth], walk.fill_depth[of_fill]])
        parts.append(seen_pictures(rgb, depth, walk.reference, walks.config))
    return torch.cat(parts).to(walks.device)


def chunks_batch(walks: Walks, model: TinyLoop, rng: np.random.Generator, n: int) -> tuple[Tensor, Shown, list[tuple[int, int]]]:
    """Clean latents [n, T, ...], what is shown of each, and (walk, first frame)."""
    rows, places = [], []
    for i in rng.integers(0, walks.n, n):
        truth, fill, covered, routes, own, recent, slots, palette, theme = walks.encoded(int(i), model)
        c = int(rng.integers(0, CHUNKS)) if rng.random() > 0.1 else 0  # 0: of frame 0 alone
        first = 1 + c * walks.config.chunk
        of = slice(first - 1, first - 1 + walks.config.chunk)
        past = truth[past_ids(first)]
        rows.append(
            (truth[first : first + walks.config.chunk], fill[of], covered[of], truth[slots[c].clip(0)],
             (slots[c] >= 0).float(), past[FAR:], past[:FAR], torch.ones(2), routes[c], own[c], recent[c],
             theme, palette)
        )  # fmt: skip
        places.append((int(i), first))
    columns = ([t if t.dtype == torch.int64 else t.float() for t in c] for c in zip(*rows, strict=True))
    x0, *rest = (torch.stack(column).to(walks.device) for column in columns)
    return x0, Shown(*rest), places


def dropped(shown: Shown, generator: torch.Generator) -> Shown:
    """Parts left out at random, so that one network serves with any of them missing."""
    n = len(shown.warp)

    def keep(*shape: int, share: float = DROPPED) -> Tensor:
        return (torch.rand(n, *shape, generator=generator) >= share).float().to(shown.warp.device)

    routed, warp, named = keep(), keep(share=NO_WARP), keep()
    wide = routed[:, None, None, None, None]
    slots = shown.slots + _speckles(shown.slots, generator)
    return replace(
        shown, slots=slots, slot_there=shown.slot_there * keep(SLOTS), past_there=shown.past_there * keep(2),
        routes=shown.routes * wide, slot_routes=shown.slot_routes * wide, recent_routes=shown.recent_routes * wide,
        warp=shown.warp * warp[:, None, None, None, None], covered=shown.covered * warp[:, None, None, None, None],
        theme=(shown.theme * named).long(), palette=shown.palette * keep()[:, None],
    )  # fmt: skip


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


def autoencoder_loss(model: TinyLoop, walks: Walks, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    truth = frames_batch(walks, rng)
    mean, spread = model.encoder(truth)
    drawn = torch.randn(mean.shape, generator=generator).to(mean.device)
    out = model.decoder(mean + torch.exp(0.5 * spread) * drawn)
    kl = 0.5 * (mean.float() ** 2 + spread.float().exp() - 1 - spread.float()).mean()
    return reconstruction_loss(out.float(), truth) + KL * kl


def denoiser_loss(
    model: TinyLoop, walks: Walks, rng: np.random.Generator, generator: torch.Generator, part: float, step: int
) -> Tensor:
    """part: of the phase that is done."""
    x0, shown, places = chunks_batch(walks, model, rng, BATCH["denoiser"])
    if step % 2:
        shown = self_made(model, shown, generator, through=step % 4 == 1)
    shown = dropped(shown, generator)
    t = flow.times(len(x0), generator).to(x0.device)
    source: flow.Source = "noise" if rng.random() < 0.15 else "warp"
    x1 = flow.begin(shown.warp, shown.covered, torch.randn(x0.shape, generator=generator).to(x0.device), source)
    wide = t[:, None, None, None, None]
    r = model.denoiser((1 - wide) * x0 + wide * x1, t, shown).float()
    total = flow.loss(r, x0, shown.warp, t).mean()
    if part > PIXELS_FROM:
        total = total + _pixels(model, walks, rng, shown.warp + r, t, places)
    return total


def _pixels(
    model: TinyLoop, walks: Walks, rng: np.random.Generator, made: Tensor, t: Tensor, places: list[tuple[int, int]]
) -> Tensor:
    """L1 of a decoded frame in covered pixels, for the samples with little noise."""
    low = [b for b in range(len(t)) if t[b] < 0.6][:3]
    total = made.new_zeros(())
    for b in low:
        at = int(rng.integers(0, made.shape[1]))
        truth, _, covered = pixels_of(walks, places[b], [at])
        total = total + ((model.decode(made[b, at : at + 1]).float() - truth)[:, :4].abs() * covered).mean()
    return total / max(len(low), 1)


def pixels_of(walks: Walks, place: tuple[int, int], at: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Truth, warps [n, 5, H, W] and coverage [n, 1, H, W] of frames `at` of a chunk."""
    walk, config = walks.get(place[0]), walks.config
    ids, before = [place[1] + i for i in at], [place[1] - 1 + i for i in at]
    truth = seen_pictures(walk.rgb[ids], walk.depth[ids], walk.reference, config)
    fill = seen_pictures(walk.fill_rgb[before], walk.fill_depth[before], walk.reference, config)
    return tuple(a.to(walks.device) for a in (truth, fill, mask(walk.covered[before], config)))  # type: ignore[return-value]


def refiner_loss(model: TinyLoop, walks: Walks, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
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


__all__ = ["PHASES", "Walks", "autoencoder_loss", "denoiser_loss", "depth_in", "refiner_loss"]

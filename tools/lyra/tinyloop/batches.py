"""Batches of training: frames for the autoencoder, chunks with all that is shown of them for the rest."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..memory.view import Frame, View
from ..protocol import Rgb
from .chunks import mask, palette_of, past_ids, routed, seen_pictures
from .condition import closed
from .config import FAR, Config
from .denoiser import Shown
from .model import TinyLoop, coverage_of
from .samples import CHUNKS, Recorded, folder_of, kept, place_of


@dataclass(slots=True)
class Walks:
    """The training set: walks of grammars A and B in turn. Latents are kept once the autoencoder is done."""

    cache: Path
    config: Config
    n: int
    device: torch.device
    latents: dict[int, tuple[Tensor, ...]] = field(default_factory=dict)

    def tint(self, i: int, rgb: Rgb) -> Rgb:
        """Frames of a walk in its colours: every second pair of walks has others than its scene."""
        return tinted(rgb, np.random.default_rng([i, 606])) if i % 4 > 1 else rgb

    def get(self, i: int) -> Recorded:
        return kept(folder_of(self.cache, self.config), *place_of(i), self.config)

    def encoded(self, i: int, model: TinyLoop) -> tuple[Tensor, ...]:
        """Of a walk, in half precision: latents, coverage, routes of chunks, slots and recent frames."""
        if i not in self.latents:
            walk = self.get(i)
            walk = replace(walk, rgb=self.tint(i, walk.rgb), fill_rgb=self.tint(i, walk.fill_rgb))
            self.latents[i] = _encoded(walk, model, self.device)
        return self.latents[i]


def tinted(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    """Frames in other colours: channels swapped, more or less saturated, lighter or darker."""
    order, strength, gain = rng.permutation(3), rng.uniform(0, 2.5), rng.uniform(0.7, 1.25)
    colour = rgb[..., order].astype(np.float32)
    grey = colour.mean(-1, keepdims=True)
    out = gain * (grey + np.float32(strength) * (colour - grey))
    return np.rint(out.clip(0, 255)).astype(np.uint8)


@torch.no_grad()
def _encoded(walk: Recorded, model: TinyLoop, device: torch.device) -> tuple[Tensor, ...]:
    config = model.config
    truth = model.encode(seen_pictures(walk.rgb, walk.depth, walk.reference, config).to(device))
    fill = model.encode(seen_pictures(walk.fill_rgb, walk.fill_depth, walk.reference, config).to(device))
    covered = coverage_of(mask(closed(walk.covered, walk.fill_depth), config).to(device))
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
        rgb = tinted(np.concatenate([walk.rgb[of_truth], walk.fill_rgb[of_fill]]), rng)
        depth = np.concatenate([walk.depth[of_truth], walk.fill_depth[of_fill]])
        parts.append(seen_pictures(rgb, depth, walk.reference, walks.config))
    return torch.cat(parts).to(walks.device)


def chunks_batch(
    walks: Walks, model: TinyLoop, rng: np.random.Generator, n: int
) -> tuple[Tensor, Shown, list[tuple[int, int]]]:
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


def pixels_of(walks: Walks, place: tuple[int, int], at: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Truth, warps [n, 5, H, W] and coverage [n, 1, H, W] of frames `at` of a chunk."""
    walk, config = walks.get(place[0]), walks.config
    ids, before = [place[1] + i for i in at], [place[1] - 1 + i for i in at]
    truth = seen_pictures(walks.tint(place[0], walk.rgb[ids]), walk.depth[ids], walk.reference, config)
    colours = walks.tint(place[0], walk.fill_rgb[before])
    fill = seen_pictures(colours, walk.fill_depth[before], walk.reference, config)
    covered = mask(closed(walk.covered[before], walk.fill_depth[before]), config)
    return truth.to(walks.device), fill.to(walks.device), covered.to(walks.device)

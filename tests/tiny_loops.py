"""A TinyLoop of a few thousand weights, and a short walk for it."""

from dataclasses import replace

import numpy as np
from voxtide.tools.lyra.protocol import Plan, Seed
from voxtide.tools.lyra.tinyloop import walks
from voxtide.tools.lyra.tinyloop.config import Config
from voxtide.tools.lyra.tinyloop.grammar import GRAMMARS

TINY = Config(48, 28, 32, 20, 32, 1, 1, (4, 8, 8, 8), 4, 8)
SHORT = replace(TINY, chunk=4)


def awake(config=TINY):
    """Weights that do something: those that begin at 0 are drawn."""
    import torch
    from voxtide.tools.lyra.tinyloop import model

    made = model.built(config, 3).eval()
    with torch.no_grad():
        generator = torch.Generator().manual_seed(5)
        for layer in (made.denoiser.last, made.refiner.last):
            layer.weight.copy_(0.05 * torch.randn(layer.weight.shape, generator=generator))
    return made


def save(path):
    """Such weights as a file -> path"""
    from voxtide.tools.lyra.tinyloop import model

    model.save(awake(), path, {"seed": "3", "steps": "0", "phase": "none", "walks": "0"})
    return path


def walk_of(steps=1, config=TINY, still=False):
    """A seed and a plan in a room."""
    ground = GRAMMARS["A"](4)
    way = walks.walk(ground, "walk", 1 + 80 * steps, config.size, 4, calm=0.3)
    depth, rgb = ground.world.cast(way.view(0))
    w2c = np.repeat(way.w2c[:1], len(way.w2c), 0) if still else way.w2c
    k = np.repeat(way.k[None], len(w2c), 0)
    return Seed(rgb, depth.astype(np.float32), w2c[0], way.k, "a room", 7), Plan(w2c, k, ("a room",) * steps)

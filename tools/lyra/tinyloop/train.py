"""Training: three phases, each step's data and noise by its number, a state that it goes on from.

With a number of steps the same command gives the same weights, interrupted or not; with minutes the clock
decides how many steps each phase has. Nothing but safetensors is written, and nothing else is read.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .batches import Walks
from .chunks import seen_pictures
from .learning import PHASES, autoencoder_loss, denoiser_loss, refiner_loss
from .model import TinyLoop
from .states import Plan, State, keep, restore, resumed

SHARES = {"autoencoder": 0.27, "denoiser": 0.62, "refiner": 0.11}  # of the steps, or of the minutes
RATES = {"autoencoder": 1.5e-3, "denoiser": 8e-4, "refiner": 1.5e-3}
WARM = 60  # steps until the rate is whole
KEEP_S = 240.0  # between two states on disk
DECAY = 0.998  # of the denoiser's running mean, which is what is saved
MEASURED = 8  # walks that the latents' scale is measured on


Tell = Callable[[str], None]


def train(
    plan: Plan,
    out: Path,
    cache: Path,
    device: torch.device,
    tell: Tell,
    stop: Callable[[], bool] = lambda: False,
) -> State:
    """Until all phases are done, or `stop` says so. UserError: `out` holds another training."""
    model, state, means, moments = resumed(plan, out, device)
    walks = Walks(cache, plan.config, plan.n_walks, device)
    while state.phase < len(PHASES):
        name = PHASES[state.phase]
        learnt = _parameters(model, name)
        optimizer = torch.optim.AdamW([p for _, p in learnt], RATES[name], (0.9, 0.99), weight_decay=0.01)
        restore(optimizer, learnt, moments, state.done)
        model.requires_grad_(False)
        for _, p in learnt:
            p.requires_grad_(True)
        kept_at = time.monotonic()
        while (part := _part(plan, state, name)) < 1:
            began = time.monotonic()
            if stop():
                keep(plan, out, model, state, means, optimizer, learnt)
                return state
            _step(model, walks, plan, state, name, part, optimizer, learnt, means)
            state.spent += time.monotonic() - began
            tell(f"{name} {part:.0%}, step {state.done:,}, loss {state.loss:.4f}")
            if time.monotonic() - kept_at > KEEP_S:
                keep(plan, out, model, state, means, optimizer, learnt)
                kept_at = time.monotonic()
        _finish(model, walks, name, means)
        state.phase, state.done, state.spent, state.loss, moments = state.phase + 1, 0, 0.0, 0.0, {}
        keep(plan, out, model, state, {}, None, [])
    return state


def _part(plan: Plan, state: State, name: str) -> float:
    """Of a phase, what is done."""
    if plan.steps is not None:
        return state.done / _steps_of(plan.steps, name) if _steps_of(plan.steps, name) else 1.0
    assert plan.minutes is not None
    return state.spent / (60 * plan.minutes * SHARES[name])


def _steps_of(steps: int, name: str) -> int:
    """How many of all steps a phase has; together they are all."""
    ends = [round(steps * sum(list(SHARES.values())[: i + 1])) for i in range(len(PHASES))]
    at = PHASES.index(name)
    return ends[at] - (ends[at - 1] if at else 0)


def _step(
    model: TinyLoop, walks: Walks, plan: Plan, state: State, name: str, part: float,
    optimizer: torch.optim.Optimizer, learnt: list[tuple[str, Tensor]], means: dict[str, Tensor],
) -> None:  # fmt: skip
    key = [plan.seed, state.phase, state.done]
    rng = np.random.default_rng(key)
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
    rate = RATES[name] * min(1, (state.done + 1) / WARM) * (0.03 + 0.97 * np.cos(np.pi / 2 * part) ** 2)
    for group in optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast(walks.device.type, torch.bfloat16):
        if name == "autoencoder":
            loss = autoencoder_loss(model, walks, rng, generator)
        elif name == "denoiser":
            loss = denoiser_loss(model, walks, rng, generator, part, state.done)
        else:
            loss = refiner_loss(model, walks, rng, generator)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    for _, p in learnt:
        if p.grad is not None:
            torch.nan_to_num_(p.grad, 0.0, 0.0, 0.0)
    torch.nn.utils.clip_grad_norm_([p for _, p in learnt], 1.0)
    optimizer.step()
    if name == "denoiser":
        decay = min(DECAY, (1 + state.done) / (10 + state.done))
        for key_, p in learnt:
            mean = means.setdefault(key_, p.detach().clone())
            mean.lerp_(p.detach(), 1 - decay)
    value = loss.item()
    state.loss = value if not state.done else state.loss + 0.02 * (value - state.loss)
    state.done, state.total = state.done + 1, state.total + 1


@torch.no_grad()
def _finish(model: TinyLoop, walks: Walks, name: str, means: dict[str, Tensor]) -> None:
    """What a phase leaves to the next: the latents' scale, or the running means as weights."""
    if name == "autoencoder":
        held = []
        for i in range(min(MEASURED, walks.n)):
            walk = walks.get(i)
            frames = seen_pictures(walk.rgb[::8], walk.depth[::8], walk.reference, walks.config)
            held.append(model.encoder(frames.to(walks.device))[0])
        z = torch.cat(held)
        model.mean.copy_(z.mean((0, 2, 3)))
        model.deviation.copy_(z.std((0, 2, 3)).clamp(min=1e-3))
    if name == "denoiser":
        own = dict(model.named_parameters())
        for key, mean in means.items():
            own[key].copy_(mean)
        means.clear()


def _parameters(model: TinyLoop, name: str) -> list[tuple[str, Tensor]]:
    of = {"autoencoder": ("encoder.", "decoder."), "denoiser": ("denoiser.",), "refiner": ("refiner.",)}[name]
    return [(key, p) for key, p in model.named_parameters() if key.startswith(of)]

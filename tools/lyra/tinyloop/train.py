"""Training: three phases, each step's data and noise by its number, a state that it goes on from.

With a number of steps the same command gives the same weights, interrupted or not; with minutes the clock
decides how many steps each phase has. Nothing but safetensors is written, and nothing else is read.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import UserError, shown
from . import safetensors
from .config import GRAMMAR, Config
from .learning import BATCH, PHASES, Walks, autoencoder_loss, denoiser_loss, refiner_loss
from .model import TinyLoop, built, n_parameters, save

SHARES = {"autoencoder": 0.27, "denoiser": 0.62, "refiner": 0.11}  # of the steps, or of the minutes
RATES = {"autoencoder": 1.5e-3, "denoiser": 8e-4, "refiner": 1.5e-3}
WARM = 60  # steps until the rate is whole
KEEP_S = 240.0  # between two states on disk
DECAY = 0.998  # of the denoiser's running mean, which is what is saved
MEASURED = 8  # walks that the latents' scale is measured on


@dataclass(frozen=True, slots=True)
class Plan:
    """One of steps and minutes is given."""

    config: Config
    seed: int
    n_walks: int
    steps: int | None
    minutes: float | None


@dataclass(slots=True)
class State:
    """Where training is. done: steps of this phase; spent: seconds of it."""

    phase: int = 0
    done: int = 0
    total: int = 0
    spent: float = 0.0
    loss: float = 0.0  # running mean


Tell = Callable[[str], None]


def train(
    plan: Plan, out: Path, cache: Path, device: torch.device, tell: Tell, stop: Callable[[], bool] = lambda: False
) -> State:
    """Until all phases are done, or `stop` says so. UserError: `out` holds another training."""
    model, state, means, moments = _resumed(plan, out, device)
    walks = Walks(cache, plan.config, plan.n_walks, device)
    while state.phase < len(PHASES):
        name = PHASES[state.phase]
        learnt = _parameters(model, name)
        optimizer = torch.optim.AdamW([p for _, p in learnt], RATES[name], (0.9, 0.99), weight_decay=0.01)
        _restore(optimizer, learnt, moments, state.done)
        model.requires_grad_(False)
        for _, p in learnt:
            p.requires_grad_(True)
        kept_at = time.monotonic()
        while (part := _part(plan, state, name)) < 1:
            began = time.monotonic()
            if stop():
                _keep(plan, out, model, state, means, optimizer, learnt)
                return state
            _step(model, walks, plan, state, name, part, optimizer, learnt, means)
            state.spent += time.monotonic() - began
            tell(f"{name} {part:.0%}, step {state.done:,}, loss {state.loss:.4f}")
            if time.monotonic() - kept_at > KEEP_S:
                _keep(plan, out, model, state, means, optimizer, learnt)
                kept_at = time.monotonic()
        _finish(model, walks, name, means)
        state.phase, state.done, state.spent, state.loss, moments = state.phase + 1, 0, 0.0, 0.0, {}
        _keep(plan, out, model, state, {}, None, [])
    return state


def _part(plan: Plan, state: State, name: str) -> float:
    """Of a phase, what is done."""
    if plan.steps is not None:
        return state.done / max(round(plan.steps * SHARES[name]), 1)
    assert plan.minutes is not None
    return state.spent / (60 * plan.minutes * SHARES[name])


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
        from .chunks import seen_pictures

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


def state_file(out: Path) -> Path:
    return out.with_name(out.name.removesuffix(".safetensors") + ".state.safetensors")


def _keep(
    plan: Plan, out: Path, model: TinyLoop, state: State, means: dict[str, Tensor],
    optimizer: torch.optim.Optimizer | None, learnt: list[tuple[str, Tensor]],
) -> None:  # fmt: skip
    """The state to go on from, and weights to use meanwhile."""
    tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
    tensors |= {f"mean.{name}": t for name, t in means.items()}
    for key, p in learnt:
        if optimizer is not None and p in optimizer.state:
            held = optimizer.state[p]
            tensors |= {f"first.{key}": held["exp_avg"], f"second.{key}": held["exp_avg_sq"]}
    told = {"plan": _told(plan), "state": json.dumps(asdict(state)), "format": "voxtide-tinyloop-state-1"}
    arrays = {name: t.detach().float().cpu().numpy() for name, t in tensors.items()}
    whole = state.phase == len(PHASES)
    phase = "whole" if whole else f"{PHASES[state.phase]}, step {state.done}"
    stamp = {"seed": str(plan.seed), "steps": str(state.total), "phase": phase, "walks": str(plan.n_walks)}
    used = model
    if means:  # what the phase would leave if it ended now
        used = built(plan.config, plan.seed)
        used.load_state_dict(model.state_dict() | means)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        safetensors.write(state_file(out), arrays, told)
        save(used, out, stamp | {"parameters": str(n_parameters(model))})
    except OSError as error:
        raise UserError(f"{shown(out)}: cannot be written ({error.strerror})") from None


def _resumed(plan: Plan, out: Path, device: torch.device) -> tuple[TinyLoop, State, dict[str, Tensor], dict[str, Tensor]]:
    """The model, where it was, running means and moments; fresh ones where no state is on disk."""
    model = built(plan.config, plan.seed).to(device)
    if not state_file(out).exists():
        if out.exists():
            raise UserError(f"{shown(out)} is there, and no state to go on from: name another --out")
        return model, State(), {}, {}
    header = safetensors.read_header(state_file(out))
    if header.metadata.get("plan") != _told(plan):
        raise UserError(f"{shown(state_file(out))} is of another training: repeat its command, or name another --out")
    try:
        state = State(**json.loads(header.metadata["state"]))
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{shown(state_file(out))} does not say where training was") from None
    own = {f"model.{n}": tuple(t.shape) for n, t in model.state_dict().items()}
    learnt = {n: tuple(p.shape) for n, p in model.named_parameters()}
    extra = {f"{kind}.{n}": shape for kind in ("mean", "first", "second") for n, shape in learnt.items()}
    wanted = own | {name: shape for name, shape in extra.items() if name in header.entries}
    arrays, _ = safetensors.read(state_file(out), wanted)
    tensors = {name: torch.from_numpy(a).to(device) for name, a in arrays.items()}
    model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    means = {n.removeprefix("mean."): t for n, t in tensors.items() if n.startswith("mean.")}
    return model, state, means, {n: t for n, t in tensors.items() if n.startswith(("first.", "second."))}


def _restore(
    optimizer: torch.optim.Optimizer, learnt: list[tuple[str, Tensor]], moments: dict[str, Tensor], done: int
) -> None:
    for key, p in learnt:
        if f"first.{key}" in moments:
            optimizer.state[p] = {
                "step": torch.tensor(float(done)),
                "exp_avg": moments[f"first.{key}"],
                "exp_avg_sq": moments[f"second.{key}"],
            }


def _told(plan: Plan) -> str:
    told = {"config": plan.config.told(), "seed": plan.seed, "walks": plan.n_walks, "grammar": GRAMMAR}
    return json.dumps(told | {"steps": plan.steps, "minutes": plan.minutes, "batch": BATCH}, sort_keys=True)

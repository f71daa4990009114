"""What training goes on from: weights, running means, moments and where it is, in one safetensors file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...errors import UserError, shown
from . import safetensors
from .config import GRAMMAR, Config
from .learning import BATCH, PHASES
from .model import TinyLoop, built, n_parameters, save

FORMAT = "voxtide-tinyloop-state-1"


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


def state_file(out: Path) -> Path:
    return out.with_name(out.name.removesuffix(".safetensors") + ".state.safetensors")


def keep(
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
    told = {"plan": _told(plan), "state": json.dumps(asdict(state)), "format": FORMAT}
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


def resumed(
    plan: Plan, out: Path, device: torch.device
) -> tuple[TinyLoop, State, dict[str, Tensor], dict[str, Tensor]]:
    """The model, where it was, running means and moments; fresh ones where no state is on disk."""
    model = built(plan.config, plan.seed).to(device)
    if not state_file(out).exists():
        if out.exists():
            raise UserError(f"{shown(out)} is there, and no state to go on from: name another --out")
        return model, State(), {}, {}
    header = safetensors.read_header(state_file(out))
    if header.metadata.get("plan") != _told(plan):
        raise UserError(
            f"{shown(state_file(out))} is of another training: repeat its command, or name another --out"
        )
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


def restore(
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

"""A checkout of Lyra 2 and what it needs, looked at without loading a model."""

import os
from pathlib import Path

from . import child
from .problems import Code, Problem, diagnose

MIN_GPU_MIB = 79_000  # "80 GB" as nvidia-smi counts
MIN_CHECKPOINT_BYTES = 1024  # less is a pointer or a stub
WEIGHTS_ID = "nvidia/Lyra-2"
LICENCE = (
    "NVIDIA Internal Scientific Research and Development Model License: internal research only, "
    "not for commercial use, not to be passed on"
)
LICENCE_DA3 = f"{LICENCE}; public Depth Anything 3 weights: CC BY-NC 4.0"
# Of each, one path must be there.
SUBMODULES = (
    ("lyra_2/_src/inference/vipe/vipe/__init__.py", "vipe/vipe/__init__.py"),
    ("lyra_2/_src/inference/depth_anything_3/src", "depth_anything_3/src"),
)
CHECKPOINTS = (
    "text_encoder/encoder.pth", "text_encoder/negative_prompt.pt", "image_encoder/model.pth",
    "vae/vae.pth", "vae/images_mean_std.pt", "vae/video_mean_std.pt", "recon/model.pt",
)  # fmt: skip
DMD = "lora/dmd_distillation.safetensors"
_IMPORTS = (  # as the last step of its INSTALL.md has it
    "import torch, flash_attn, transformer_engine.pytorch, vipe_ext, depth_anything_3.api, moge.model.v1\n"
    "assert torch.cuda.is_available(), 'No CUDA GPUs are available'"
)


def root() -> Path | None:
    """LYRA2_ROOT, where it is set: the folder Lyra-2 of a checkout, or the one around it."""
    named = os.environ.get("LYRA2_ROOT")
    if not named:
        return None
    path = Path(named)
    return path / "Lyra-2" if (path / "Lyra-2" / "lyra_2").is_dir() else path


def commit() -> str:
    """The commit of the checkout; "" where git does not tell."""
    at = root()
    if at is None or not at.is_dir():
        return ""
    code, said = child.answer(("git", "rev-parse", "HEAD"), at, child.environment({}, False), 20)
    return said.strip()[:40] if code == 0 else ""


def problems(dmd: bool = False, dummy: bool = False) -> list[Problem]:
    """What stands in the way of running it here; dummy: its own stand-in, which needs no weights."""
    at = root()
    if at is None:
        return [Problem(Code.CHECKOUT_MISSING, "LYRA2_ROOT is not set")]
    if not (at / "lyra_2" / "_src").is_dir() or not (at / "gui" / "api" / "server.py").is_file():
        return [Problem(Code.CHECKOUT_MISSING, f"LYRA2_ROOT is {at}, which is no checkout of Lyra 2")]
    if dummy:
        return []
    found = [
        Problem(Code.SUBMODULE_EMPTY, f"{ways[0]} is missing in {at}")
        for ways in SUBMODULES
        if not any((at / way).exists() for way in ways)
    ]
    found += _checkpoints(at, dmd)
    found += _gpu()
    return found or _imports(at)


def _checkpoints(at: Path, dmd: bool) -> list[Problem]:
    """Files that are missing or cut short. A truncated model would load without complaint and make noise."""
    folder = at / "checkpoints"
    found = []
    for name in (*CHECKPOINTS, *((DMD,) if dmd else ())):
        if not (folder / name).is_file() or (folder / name).stat().st_size < MIN_CHECKPOINT_BYTES:
            code = Code.DA3_CKPT if name.startswith("recon/") else Code.CHECKPOINT_MISSING
            found.append(Problem(code, f"checkpoints/{name} is missing or cut short"))
    model = next(
        (p for p in (folder / "model" / "model", folder / "model") if (p / ".metadata").is_file()), None
    )
    if model is None:
        found.append(Problem(Code.CHECKPOINT_MISSING, "checkpoints/model has no .metadata"))
    else:
        shards = list(model.glob("*.distcp"))
        if not shards or any(p.stat().st_size < MIN_CHECKPOINT_BYTES for p in shards):
            found.append(
                Problem(Code.CHECKPOINT_MISSING, "checkpoints/model lacks shards, or has empty ones")
            )
    return found


def _gpu() -> list[Problem]:
    argv = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
    code, said = child.answer(argv, Path.cwd(), child.environment({}, False), 20)
    sizes = [int(line) for line in said.split() if line.isdecimal()]
    if code != 0 or not sizes:
        return [Problem(Code.GPU_ABSENT, "nvidia-smi finds no GPU")]
    if max(sizes) < MIN_GPU_MIB:
        return [Problem(Code.GPU_SMALL, f"the largest GPU here has {max(sizes) / 1024:.0f} GB")]
    return []


def _imports(at: Path) -> list[Problem]:
    """Whether its environment has what it imports: a few seconds, hence the last question."""
    env = child.environment({"PYTHONPATH": str(at)}, False)
    code, said = child.answer((child.python_of_lyra(), "-c", _IMPORTS), at, env, 180)
    if code == 0:
        return []
    told = diagnose(said, code)
    return [
        told or Problem(Code.ENV_IMPORT, "its environment does not start", said.strip().rpartition("\n")[2])
    ]

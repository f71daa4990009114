"""Depth for frames that have none: Depth Anything 3, in Lyra 2's own environment, on our poses."""

from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from ..sources import npz
from . import checkout, child
from .backends import Wishes, log_folder
from .loop import Lift
from .problems import Code, GeneratorError
from .protocol import F32, StepResult
from .server_session import usable
from .steps import npz_bytes

SCRIPT = Path(__file__).with_name("da3_script.py")
STEP_S = 600.0
MAX_ARRAY = 3


def da3_lift(wishes: Wishes, workdir: Path, every: int = 4) -> Lift:
    """A function that gives depth to every `every`-th frame of a step and its last one. GeneratorError."""
    at = checkout.root()
    if at is None:
        raise GeneratorError(
            Code.CHECKOUT_MISSING, "LYRA2_ROOT is not set: the depth model is part of Lyra 2"
        )

    def lift(result: StepResult) -> StepResult:
        chosen = np.unique([*range(0, len(result.frames), every), len(result.frames) - 1])
        depth = _estimated(result, chosen, at, wishes, log_folder(workdir))
        result.depth, result.depth_ids = depth, result.frame_ids[chosen]
        return result

    return lift


def _estimated(result: StepResult, chosen: np.ndarray, at: Path, wishes: Wishes, log: Path) -> F32:
    """[n, H, W] of the chosen frames, in the way's unit; 0 in the sky. GeneratorError."""
    given, out = (log / "lift").resolve(), (log / "lift" / "depth.npz").resolve()
    given.mkdir(exist_ok=True)
    for old in given.iterdir():
        old.unlink()
    for i, n in enumerate(chosen):
        Image.fromarray(result.frames[n]).save(given / f"{i:05d}.png")
    cams = {"w2c": result.w2c[chosen].astype(np.float32), "intrinsics": result.k[chosen].astype(np.float32)}
    (given / "cams.npz").write_bytes(npz_bytes(cams))
    settings = {"PYTHONPATH": str(at), "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
    env = child.environment(settings, wishes.allow_downloads)
    argv = [child.python_of_lyra(), str(SCRIPT), str(given), str(out), "checkpoints/recon/model.pt"]
    running = child.Child(argv, at, env, log / "lift.log")
    try:
        code = running.wait(wishes.step_timeout_s or STEP_S, lambda: None)
    finally:
        running.stop()
    if code != 0 or not out.is_file():
        why = running.why()
        if why:
            raise GeneratorError(why.code, why.message, why.evidence)
        raise GeneratorError(Code.DEPTH_MISSING, f"the depth script ended with {code}; log: {running.log}")
    try:
        depth = npz.load(out, "depth", MAX_ARRAY)
        sky = npz.load(out, "sky", MAX_ARRAY) if "sky" in npz.names(out) else np.zeros(depth.shape, np.uint8)
    except UserError as error:
        raise GeneratorError(Code.BAD_ANSWER, str(error)) from None
    if depth.shape != (len(chosen), *result.frames.shape[1:3]) or sky.shape != depth.shape:
        raise GeneratorError(Code.BAD_ANSWER, f"depth came as {depth.shape}")
    return usable(depth, sky == 0)

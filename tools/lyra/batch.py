"""Lyra 2 through its command line: everything at once, one film at the end, which is cut into steps.

Its exit code is not believed: it skips what it cannot read, and what is there already, and ends with 0. So
the folder for its output is a fresh one, and the film must have every frame.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ..progress import Progress
from ..sources.rgbd_video import Video
from . import checkout, child
from .backends import Wishes, log_folder
from .films import check_film
from .problems import Code, GeneratorError, Problem
from .protocol import GeneratorInfo, Plan, Seed, StepRequest, StepResult
from .server import STEP_DMD_S, STEP_S
from .steps import npz_bytes
from .trajectory import captions_json

MODULE = "lyra_2._src.inference.lyra2_custom_traj_inference"
START_S = 900.0

INFO = GeneratorInfo(
    name="lyra2-cli",
    size=(832, 480),
    fps=16,
    provides_depth="none",
    streaming=False,
    supports_revert=False,
    needs_seed_depth=False,
    weights_id=checkout.WEIGHTS_ID,
    weights_license=checkout.LICENCE,
    deterministic=False,
    sky=True,
)


@dataclass(frozen=True, slots=True)
class Lyra2Cli:
    """The backend."""

    wishes: Wishes
    info: GeneratorInfo = INFO

    @classmethod
    def configured(cls, wishes: Wishes) -> "Lyra2Cli":
        return cls(wishes, replace(INFO, version=checkout.commit()))

    def preflight(self) -> list[Problem]:
        return checkout.problems(self.wishes.dmd)

    def open(
        self,
        seed: Seed,
        workdir: Path,
        plan: Plan,
        done: Sequence[StepResult] = (),
        progress: Progress | None = None,
    ) -> "BatchSession":
        """Nothing runs until the first frames are asked for."""
        if (plan.w2c[0] != seed.w2c).any() or (plan.k[0] != seed.k).any():
            raise GeneratorError(Code.BAD_TRAJECTORY, "the way does not begin at the picture's camera")
        return BatchSession(self, seed, log_folder(workdir), plan, progress)


@dataclass(slots=True)
class BatchSession:
    """See protocol.Session."""

    generator: Lyra2Cli
    seed: Seed
    log: Path
    plan: Plan
    progress: Progress | None
    film: Video | None = None

    def seed_result(self) -> StepResult:
        depth = None if self.seed.depth is None else self.seed.depth[None]
        ids = None if depth is None else np.zeros(1, np.int64)
        return StepResult(-1, self.seed.rgb[None], self.seed.w2c[None], self.seed.k[None], depth, ids)

    def step(self, request: StepRequest) -> StepResult:
        began = time.perf_counter()
        if self.film is None:
            self.film = Video(self.left() or self.made())
        frames = np.stack([self.film.frame(int(n)) for n in request.frame_ids])
        result = StepResult(request.index, frames, request.w2c, request.k)
        result.timings_s = {"step": time.perf_counter() - began}
        return result

    def revert(self) -> None:
        raise GeneratorError(
            Code.BAD_ANSWER, "the command line makes all at once and cannot take a step back"
        )

    def close(self) -> None:
        """`made` has ended its child."""

    def left(self) -> Path | None:
        """The film that an earlier run of this command left whole."""
        film = self.log / "whole.mp4"
        if not film.is_file():
            return None
        check_film(film, len(self.plan.w2c), self.seed.size)
        return film

    def made(self) -> Path:
        """Run it -> its film, which has every frame. GeneratorError."""
        n = len(self.plan.w2c)
        out = self.inputs()
        at = checkout.root()
        if at is None:
            raise GeneratorError(Code.CHECKOUT_MISSING, "LYRA2_ROOT is not set")
        settings = {"PYTHONPATH": str(at), "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
        env = child.environment(settings, self.generator.wishes.allow_downloads)
        running = child.Child(self.argv(out), at, env, self.log / "lyra2.log")

        def tick() -> None:
            found = running.progress()
            if found and self.progress:
                self.progress("lyra2", *found)

        wishes = self.generator.wishes
        per_step = wishes.step_timeout_s or (STEP_DMD_S if wishes.dmd else STEP_S)
        patience = per_step * self.plan.n_steps + (0 if wishes.step_timeout_s else START_S)
        try:
            code = running.wait(patience, tick)
        finally:
            running.stop()
        film = out / "seed.mp4"
        if not film.is_file() or code != 0:
            why = running.why()
            if why:
                raise GeneratorError(why.code, why.message, why.evidence)
            if code == 0:
                raise GeneratorError(
                    Code.SILENT_SKIP, f"it ended without an error and without a film; log: {running.log}"
                )
            raise GeneratorError(Code.UNKNOWN, f"it ended with {code}; log: {running.log}")
        try:
            check_film(film, n, self.seed.size)
        except GeneratorError as error:
            why = running.why() if error.code is Code.SILENT_SKIP else None
            if why is not None and why.code is not Code.SILENT_SKIP:
                raise GeneratorError(why.code, why.message, why.evidence) from None
            raise
        return film.replace(self.log / "whole.mp4")

    def inputs(self) -> Path:
        """Write picture, way and captions -> a fresh folder for its output."""
        for name in ("in", "out"):
            if (self.log / name).exists():
                shutil.rmtree(self.log / name)
            (self.log / name).mkdir()
        Image.fromarray(self.seed.rgb).save(self.log / "in" / "seed.png")
        width, height = self.seed.size
        way = {
            "w2c": self.plan.w2c.astype(np.float32),
            "intrinsics": self.plan.k.astype(np.float32),
            "image_height": np.int64(height),
            "image_width": np.int64(width),
        }
        (self.log / "in" / "trajectory.npz").write_bytes(npz_bytes(way))
        (self.log / "in" / "captions.json").write_text(captions_json(self.plan.prompts), encoding="utf-8")
        return self.log / "out"

    def argv(self, out: Path) -> list[str]:
        """The command, as a list."""
        wishes, given = self.generator.wishes, (self.log / "in").resolve()
        argv = [child.python_of_lyra(), "-m", MODULE, "--input_image_path", str(given / "seed.png")]
        argv += [
            "--trajectory_path",
            str(given / "trajectory.npz"),
            "--captions_path",
            str(given / "captions.json"),
        ]
        argv += ["--num_frames", str(len(self.plan.w2c)), "--experiment", "lyra2", "--pose_scale", "1.0"]
        argv += ["--checkpoint_dir", "checkpoints/model", "--seed", str(self.seed.seed), "--fps", "16"]
        argv += ["--da3_model_path_custom", "checkpoints/recon/model.pt", "--output_path", str(out.resolve())]
        argv += ["--use_dmd"] if wishes.dmd else []
        return argv + (
            ["--offload", "--offload_when_prompt", "--offload_da3_diffusion"] if wishes.offload else []
        )

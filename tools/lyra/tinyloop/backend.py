"""TinyLoop as a generator of the loop. torch is imported when a run begins, not before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import xxhash

from ...errors import UserError, shown
from ...progress import Progress
from ..problems import Code, GeneratorError, Problem
from ..protocol import GeneratorInfo, Plan, Seed, Session, StepResult
from .config import LICENSE
from .stamp import read_stamp
from .torch_there import MISSING, installed

if TYPE_CHECKING:
    from .held import Manner

SHIPPED = Path(__file__).with_name("weights.safetensors")  # only there if it passed the gates
TRAINED_ON = "trained on procedural scenes only"


@dataclass(frozen=True, slots=True)
class TinyLoopBackend:
    """weights: a file of `voxtide train tinyloop`."""

    weights: Path = SHIPPED
    device: str = "cpu"
    manner: "Manner | None" = None

    @property
    def info(self) -> GeneratorInfo:
        """Without weights that can be read: what holds for all of them."""
        try:
            config, told = read_stamp(self.weights)
            digest = xxhash.xxh3_128_hexdigest(self.weights.read_bytes())
            size: tuple[int, int] | None = config.size
            version = f"{told.get('grammar')}, seed {told.get('seed')}, {told.get('steps')} steps"
            weights_id = f"tinyloop {digest} ({TRAINED_ON})"
            license_ = shown(told.get("license", "unknown"))
        except (UserError, OSError):
            size, version, weights_id, license_ = None, "", f"tinyloop ({TRAINED_ON})", LICENSE
        return GeneratorInfo(
            name="tinyloop",
            size=size,
            fps=16,
            provides_depth="all",
            streaming=True,
            supports_revert=True,
            needs_seed_depth=True,
            weights_id=weights_id,
            weights_license=license_,
            deterministic=True,
            version=version,
            sky=True,
        )

    def preflight(self) -> list[Problem]:
        if not installed():
            return [Problem(Code.NOT_INSTALLED, f"TinyLoop needs torch, and {MISSING}")]
        if not self.weights.is_file():
            told = (
                "none come with this installation"
                if self.weights == SHIPPED
                else f"{self.weights} is not there"
            )
            return [Problem(Code.WEIGHTS_MISSING, f"TinyLoop has no weights: {told}")]
        try:
            read_stamp(self.weights)
        except UserError as error:
            return [Problem(Code.WEIGHTS_MISSING, str(error))]
        return []

    def open(
        self,
        seed: Seed,
        workdir: Path,
        plan: Plan,
        done: Sequence[StepResult] = (),
        progress: Progress | None = None,
    ) -> Session:
        """GeneratorError where the weights do not fit or the seed has no depth."""
        from .held import Manner
        from .model import load
        from .session import open_session

        try:
            model = load(self.weights, self.device)
        except UserError as error:
            raise GeneratorError(Code.WEIGHTS_MISSING, str(error)) from None
        return open_session(model, self.manner or Manner(), seed, plan, done)

"""What can be wrong with a generator: each by a code, with what was seen and what to do about it.

An exit code is never believed, nor is a log alone: backends check what they were given, and only when it is
not there is the log asked why.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..errors import UserError, shown


class Code(StrEnum):
    """Every kind of problem; the sentence of each is in FIXES."""

    CHECKOUT_MISSING = "checkout-missing"
    SUBMODULE_EMPTY = "submodule-empty"
    CHECKPOINT_MISSING = "checkpoint-missing"
    ENV_IMPORT = "env-import"
    DA3_CKPT = "da3-checkpoint"
    HF_OFFLINE = "hf-offline"
    GPU_ABSENT = "gpu-absent"
    GPU_SMALL = "gpu-small"
    OOM_GPU = "oom-gpu"
    OOM_HOST = "oom-host"
    SILENT_SKIP = "silent-skip"
    BAD_LENGTH = "bad-length"
    BAD_EXPERIMENT = "bad-experiment"
    BAD_TRAJECTORY = "bad-trajectory"
    POSE_CHANGED = "pose-changed"
    VIDEO_LAYOUT = "video-layout"
    PLY_BAD = "ply-bad"
    ALIGNMENT = "alignment"
    RECON_TOO_SHORT = "recon-too-short"
    TIMEOUT = "timeout"
    DISCONNECT = "disconnect"
    SERVER_DIED = "server-died"
    SERVER_BUSY = "server-busy"
    BAD_ANSWER = "bad-answer"
    DEPTH_MISSING = "depth-missing"
    LICENCE = "licence"
    NOT_INSTALLED = "not-installed"
    WEIGHTS_MISSING = "weights-missing"
    UNKNOWN = "unknown"


FIXES = {
    Code.CHECKOUT_MISSING: "set LYRA2_ROOT to the folder Lyra-2 of a checkout of github.com/nv-tlabs/lyra",
    Code.SUBMODULE_EMPTY: "run `git submodule update --init --recursive` in the checkout",
    Code.CHECKPOINT_MISSING: "download the Lyra 2 checkpoints again, as its INSTALL.md says",
    Code.ENV_IMPORT: "set LYRA2_PYTHON to the python of Lyra 2's environment and repeat its install steps",
    Code.DA3_CKPT: "download checkpoints/recon/model.pt, or name another Depth Anything 3 checkpoint",
    Code.HF_OFFLINE: "download it once beforehand, or allow it now with --allow-downloads",
    Code.GPU_ABSENT: "run on a machine with an NVIDIA GPU of 80 GB, or use --backend warpfill",
    Code.GPU_SMALL: "Lyra 2 needs a GPU of 80 GB, offloading included; or use --backend warpfill",
    Code.OOM_GPU: "pass --offload, or use a larger GPU (80 GB); DMD does not reduce memory",
    Code.OOM_HOST: "give the machine more memory, or leave --offload out",
    Code.SILENT_SKIP: "look into the log named here; the folder for its output was fresh",
    Code.BAD_LENGTH: "frames are 1 + 80 per step: pass --steps, or a longer trajectory",
    Code.BAD_EXPERIMENT: "the checkout does not know the experiment lyra2: update it",
    Code.BAD_TRAJECTORY: "check the camera's file, its unit against the depth's, and --pose-scale",
    Code.POSE_CHANGED: "start the server with LYRA_GUI_DA3_USE_PREDICTED_POSE=0",
    Code.VIDEO_LAYOUT: "expected one clean picture per frame: this is another tool's output or size",
    Code.PLY_BAD: "use the reconstruction's .ply, not the tensors of Lyra 1",
    Code.ALIGNMENT: "lift by depth on the given poses instead: --lift da3",
    Code.RECON_TOO_SHORT: "generate more steps, or lift by depth: --lift da3",
    Code.TIMEOUT: "raise --step-timeout; the finished steps are kept, repeat the command to go on",
    Code.DISCONNECT: "finished steps are kept: repeat the command to go on",
    Code.SERVER_DIED: "finished steps are kept: mend what the log says and repeat the command to go on",
    Code.SERVER_BUSY: "another client uses this server: wait for it, or start one of your own",
    Code.BAD_ANSWER: "the server speaks another version of the protocol: update the checkout",
    Code.DEPTH_MISSING: "pass --depth for the picture, or --lift da3 where Lyra 2 is installed",
    Code.LICENCE: "read the licence of the weights before you use what they made",
    Code.NOT_INSTALLED: "use --backend warpfill",
    Code.WEIGHTS_MISSING: "pass --weights FILE of `voxtide train tinyloop`, or use --backend warpfill",
    Code.UNKNOWN: "look into the log named here",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: message says what was seen, evidence is the line of a log that told it."""

    code: Code
    message: str
    evidence: str = ""

    @property
    def fix(self) -> str:
        return FIXES[self.code]

    def __str__(self) -> str:
        seen = f" ({shown(self.evidence)})" if self.evidence else ""
        return f"{self.code}: {self.message}{seen}: {self.fix}"


class GeneratorError(UserError):
    """A generator cannot go on. str() is one line; .problem says it in parts. Whole steps stay on disk."""

    def __init__(self, code: Code, message: str, evidence: str = "") -> None:
        self.problem = Problem(code, message, evidence)
        super().__init__(str(self.problem))

    @property
    def code(self) -> Code:
        return self.problem.code


# What a log says -> what it means. Earlier rows win: they are the more telling ones.
_TOLD: Sequence[tuple[Code, str]] = (
    (Code.OOM_GPU, r"torch\.(cuda\.)?OutOfMemoryError|CUDA out of memory"),
    (Code.DA3_CKPT, r"DA3 checkpoint not found"),
    (Code.SUBMODULE_EMPTY, r"VIPE submodule not found|Failed to import DepthAnything3 from vendored"),
    (Code.HF_OFFLINE, r"LocalEntryNotFoundError|OfflineModeIsEnabled|huggingface\.co|ConnectionError"),
    (
        Code.CHECKPOINT_MISSING,
        r"FileNotFoundError.*(negative_prompt|checkpoint|\.pth?\b|\.safetensors)"
        r"|CheckpointException|Error\(s\) in loading state_dict|Missing key\(s\)",
    ),
    (
        Code.ENV_IMPORT,
        r"Failed to import VIPE|MoGe is required|(Import|ModuleNotFound)Error|flash_attn|transformer_engine",
    ),
    (Code.RECON_TOO_SHORT, r"Need at least .* source frames"),
    (Code.BAD_LENGTH, r"N-1 must be divisible|must be divisible by|num_frames"),
    (
        Code.BAD_EXPERIMENT,
        r"lyra_framepack_spatial|[Cc]ould not find .*experiment|experiment .*not (found|reg)",
    ),
    (Code.GPU_ABSENT, r"No CUDA GPUs are available|no NVIDIA driver|Torch not compiled with CUDA"),
    (
        Code.SILENT_SKIP,
        r"Skipping|already exists|cannot identify image|[Cc]ould not (read|load)|not found, skip",
    ),
)


def diagnose(log: str, exit_code: int | None) -> Problem | None:
    """Why a process failed, from what it printed and how it ended; None if neither tells.

    exit_code: as Popen has it (-9: killed), None: it still runs.
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for code, pattern in _TOLD:
        at = next((i for i in reversed(range(len(lines))) if re.search(pattern, lines[i])), None)
        if at is None:
            continue
        if code is Code.OOM_GPU:
            phase = next((line for line in reversed(lines[:at]) if not _is_noise(line)), "start")
            return Problem(code, f"the GPU's memory ran out after: {shown(phase)}", lines[at])
        return Problem(code, _SAID.get(code, "the generator stopped"), lines[at])
    if exit_code in (-9, 137):
        return Problem(Code.OOM_HOST, "the system killed the generator: the machine's memory ran out")
    return None


_SAID = {
    Code.DA3_CKPT: "the checkpoint of Depth Anything 3 is missing",
    Code.SUBMODULE_EMPTY: "a submodule of the checkout is empty",
    Code.HF_OFFLINE: "a model would have to be downloaded",
    Code.CHECKPOINT_MISSING: "a checkpoint is missing or cut short",
    Code.ENV_IMPORT: "its environment lacks a module",
    Code.RECON_TOO_SHORT: "too few frames for a reconstruction",
    Code.BAD_LENGTH: "the number of frames does not fit",
    Code.BAD_EXPERIMENT: "the experiment is not known",
    Code.GPU_ABSENT: "no GPU was found",
    Code.SILENT_SKIP: "it skipped the work",
}


def _is_noise(line: str) -> bool:
    """Stack frames and progress bars say nothing of the phase."""
    return bool(re.match(r'Traceback|File "|\^+$|raise |return |\d+%\|', line))

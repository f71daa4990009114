"""Lyra 2 through its HTTP server: joined where one runs, else started here and stopped at the end."""

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..progress import Progress
from . import checkout, child
from .backends import Wishes, log_folder
from .http_client import DroppedError, metadata, request
from .problems import Code, GeneratorError, Problem
from .protocol import STEP_FRAMES, GeneratorInfo, Plan, Seed, StepResult
from .server_session import ServerSession

SIZE = 768, 448  # the server's only one
START_S = 900.0  # until its models are loaded
STEP_S, STEP_DMD_S = 900.0, 120.0  # per step on an H100; slower GPUs want --step-timeout

INFO = GeneratorInfo(
    name="lyra2-server",
    size=SIZE,
    fps=16,
    provides_depth="last",
    streaming=True,
    supports_revert=True,
    needs_seed_depth=False,
    weights_id=checkout.WEIGHTS_ID,
    weights_license=checkout.LICENCE_DA3,
    deterministic=False,
    sky=True,
)


@dataclass(frozen=True, slots=True)
class Lyra2Server:
    """The backend. url None: start one. dummy: take upstream's own stand-in, for tests."""

    info: GeneratorInfo
    url: str | None
    wishes: Wishes
    dummy: bool = False
    start_timeout_s: float = START_S

    @classmethod
    def configured(cls, wishes: Wishes, dummy: bool = False) -> "Lyra2Server":
        """With the size that a server which runs already tells. GeneratorError."""
        if wishes.server is None:
            info = replace(INFO, version=checkout.commit())
        else:
            info = replace(INFO, size=_joined(wishes.server, dummy))
        return cls(info, wishes.server, wishes, dummy)

    @property
    def step_timeout_s(self) -> float:
        return self.wishes.step_timeout_s or (STEP_DMD_S if self.wishes.dmd else STEP_S)

    def preflight(self) -> list[Problem]:
        if self.url is not None:
            return []  # `configured` has spoken to it
        return checkout.problems(self.wishes.dmd, self.dummy)

    def open(
        self,
        seed: Seed,
        workdir: Path,
        plan: Plan,
        done: Sequence[StepResult] = (),
        progress: Progress | None = None,
    ) -> ServerSession:
        """Start or join, and seed; after whole steps with the last frame of them. GeneratorError."""
        server, url = (None, self.url) if self.url else self.start(workdir, seed.seed)
        assert url is not None
        session = ServerSession(url, seed, server, log_folder(workdir), self.step_timeout_s)
        try:
            if server is not None:
                self.wait_until_ready(url, server)
                size = _joined(url, self.dummy)
                if size != seed.size:
                    raise GeneratorError(Code.VIDEO_LAYOUT, f"the server makes {size[0]} x {size[1]} pixels")
            session.begin(done[-1] if len(done) > 1 else None)
        except BaseException:
            session.close()
            raise
        return session

    def start(self, workdir: Path, seed: int) -> tuple[child.Child, str]:
        """A server of our own on a free port of this machine."""
        at = checkout.root()
        if at is None:
            raise GeneratorError(Code.CHECKOUT_MISSING, "LYRA2_ROOT is not set")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        argv = [child.python_of_lyra(), "-m", "uvicorn", "server:app", "--app-dir", "gui/api"]
        argv += ["--host", "127.0.0.1", "--port", str(port)]
        log = log_folder(workdir)
        settings = {
            "PYTHONPATH": os.pathsep.join([str(at), str(at / "gui" / "api")]),
            "LYRA_GUI_DA3_USE_PREDICTED_POSE": "0",  # else it changes the poses of the first step
            "LYRA_GUI_OUTPUT_DIR": str((log / "server").resolve()),
            "LYRA_GUI_SEED": str(seed),
            "LYRA_GUI_USE_DMD": str(int(self.wishes.dmd)),
            "LYRA_GUI_OFFLOAD": "1",
            "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
            "LYRA_GUI_DUMMY": str(int(self.dummy)),
        }
        env = child.environment(settings, self.wishes.allow_downloads)
        return child.Child(argv, at, env, log / "server.log"), f"http://127.0.0.1:{port}"

    def wait_until_ready(self, url: str, server: child.Child) -> None:
        """Until it answers. GeneratorError: it ended, with its reason, or takes too long."""
        end = time.monotonic() + self.start_timeout_s
        while True:
            if (code := server.exit_code) is not None:
                why = server.why()
                if why:
                    raise GeneratorError(why.code, why.message, why.evidence)
                raise GeneratorError(
                    Code.SERVER_DIED, f"the server ended with {code} at its start; log: {server.log}"
                )
            try:
                if request(url, "GET", "/healthz", None, 5)[0] == 200:
                    return
            except DroppedError:
                pass
            if time.monotonic() > end:
                raise GeneratorError(
                    Code.TIMEOUT,
                    f"the server was not ready within {self.start_timeout_s:.0f} s; log: {server.log}",
                )
            time.sleep(0.1)


def _joined(url: str, dummy: bool) -> tuple[int, int]:
    """The size of the frames of a server that runs, after a look at what it is. GeneratorError."""
    try:
        found = metadata(url)
    except DroppedError as error:
        raise GeneratorError(Code.DISCONNECT, f"{url} does not answer", str(error)) from None
    name = found.get("model_name")
    if name != "Lyra2" and not (dummy and name == "Lyra2Dummy"):
        raise GeneratorError(Code.BAD_ANSWER, f"{url} runs {str(name)[:40]!r}, not Lyra2")
    if found.get("min_frames_per_request") != STEP_FRAMES:
        raise GeneratorError(
            Code.BAD_ANSWER, f"{url} makes steps of {found.get('min_frames_per_request')!r} frames"
        )
    sizes = found.get("inference_resolution")
    try:
        width, height = (int(n) for n in sizes[0])  # type: ignore[index]
    except (TypeError, ValueError, LookupError):
        width = height = 0
    if not (16 <= width <= 4096 and 16 <= height <= 4096):
        raise GeneratorError(Code.BAD_ANSWER, f"{url} makes frames of {str(sizes)[:40]}")
    return width, height

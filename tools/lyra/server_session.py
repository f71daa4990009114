"""One run on Lyra 2's server: seed, steps, revert. A step is asked for and then polled, so that a connection
that drops does not lose it."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np

from ..errors import shown
from . import messages
from .child import Child
from .films import read_film
from .http_client import DroppedError, request
from .problems import Code, GeneratorError, diagnose
from .protocol import F32, F64, SAME_POSE, STEP_FRAMES, Rgb, Seed, StepRequest, StepResult, inverse

POLL_S = 0.05, 2.0  # at first, at most
DROPS = 4  # connections lost in a row: it is gone
FAR = 999.0  # depth from which on it means nothing


@dataclass(slots=True)
class ServerSession:
    """See protocol.Session."""

    url: str
    seed: Seed
    server: Child | None  # None: joined
    log: Path
    step_timeout_s: float
    first: StepResult | None = None
    warnings: list[str] = field(default_factory=list)
    n_asked: int = 0
    name: str = field(default_factory=lambda: token_hex(4))  # so that two runs on one server differ

    def begin(self, after: StepResult | None) -> None:
        """Seed it with the picture, or with the last frame `after` which a run goes on. GeneratorError."""
        rgb, depth, w2c, k = self.seed.rgb, self.seed.depth, self.seed.w2c, self.seed.k
        if after is not None:
            rgb, w2c, k = after.frames[-1], after.w2c[-1], after.k[-1]
            last = int(after.frame_ids[-1])
            known = after.depth is not None and after.depth_ids is not None and last in after.depth_ids
            depth = after.depth[list(after.depth_ids).index(last)] if known else None  # type: ignore[index,arg-type]
            self.warnings.append(f"seeded anew at frame {last}: what it remembered of earlier frames is lost")
            if not known:
                self.warnings.append(f"the depth of frame {last} is not known: its scale is estimated anew")
        fields = self._cameras(f"seed-{self.name}", w2c[None], k[None]) | {
            "images": rgb[None].astype(np.float32) / 255,
            "depths": None if depth is None else depth[None].astype(np.float32),
            "masks": None if depth is None else depth[None] > 0,
        }
        found = self._post("/seed-model", messages.dumps("SeedingRequest", fields), "SeedingResult")
        if after is not None:
            return
        if depth is None:
            depth, k = self._seed_depth(found)
        self.first = StepResult(-1, rgb[None], w2c[None], k[None], depth[None], np.zeros(1, np.int64))

    def seed_result(self) -> StepResult:
        assert self.first is not None
        return self.first

    def step(self, asked: StepRequest) -> StepResult:
        began = time.perf_counter()
        self.n_asked += 1
        name = f"step-{asked.index}-{self.n_asked}-{self.name}"
        fields = self._cameras(name, asked.w2c, asked.k) | {
            "timestamps": np.arange(STEP_FRAMES, dtype=np.float64) / 16,
            "framerate": 16.0,
            "return_depths": True,
            "show_cache_renderings": False,
            "region_hint": asked.prompt,
        }
        found = self._generated(name, messages.dumps("InferenceRequest", fields))
        result = StepResult(asked.index, self._frames(found), self._used(found, asked), asked.k)
        result.depth, result.depth_ids = self._depth(found, asked)
        result.warnings, self.warnings = self.warnings, []
        result.timings_s = {"step": time.perf_counter() - began}
        return result

    def revert(self) -> None:
        found = self._post("/revert-last-generation", b"", "RevertResult")
        if found.get("success") is not True:
            raise GeneratorError(Code.BAD_ANSWER, f"it does not revert: {shown(found.get('message'))}")

    def close(self) -> None:
        if self.server is not None:
            self.server.stop()

    # What is sent and asked -------------------------------------------------------------------------

    def _cameras(self, name: str, w2c: F64, k: F64) -> dict[str, Any]:
        n, (width, height) = len(w2c), self.seed.size
        return {
            "request_id": name,
            "cameras_to_world": inverse(w2c)[:, :3].astype(np.float32),
            "focal_lengths": k[:, [0, 1], [0, 1]].astype(np.float32),
            "principal_points": (k[:, :2, 2] / [width, height]).astype(np.float32),
            "resolutions": np.tile(np.array([[width, height]], np.int32), (n, 1)),
        }

    def _ask(self, method: str, path: str, body: bytes | None, timeout_s: float) -> tuple[int, bytes]:
        """DroppedError; GeneratorError: it has died."""
        try:
            return request(self.url, method, path, body, timeout_s)
        except DroppedError:
            self._check_alive()
            raise

    def _check_alive(self) -> None:
        """GeneratorError, with its reason, if the server that we started has ended."""
        if self.server is None:
            return
        if self.server.exit_code is None:
            time.sleep(0.2)  # it may be about to
        if self.server.exit_code is not None:
            why = self.server.why()
            if why:
                raise GeneratorError(why.code, why.message, why.evidence)
            raise GeneratorError(
                Code.SERVER_DIED, f"the server ended with {self.server.exit_code}; log: {self.server.log}"
            )

    def _post(self, path: str, body: bytes, name: str) -> dict[str, Any]:
        """One request that is answered at once. GeneratorError."""
        try:
            status, data = self._ask("POST", path, body, self.step_timeout_s)
        except DroppedError as error:
            raise GeneratorError(Code.DISCONNECT, f"{self.url} dropped the connection", str(error)) from None
        if status != 200:
            raise self._refused(status, data)
        return self._read(data, name)

    def _generated(self, name: str, body: bytes) -> dict[str, Any]:
        """Ask for a step and poll until it is there. GeneratorError."""
        end = time.monotonic() + self.step_timeout_s
        drops, pause_s, accepted = 0, POLL_S[0], False
        while True:
            try:
                if not accepted:
                    status, data = self._ask("POST", "/request-inference", body, 60)
                    if status not in (202, 503) and not (drops and b"already exists" in data):
                        raise self._refused(status, data)
                    accepted, busy = status != 503, status == 503
                else:
                    status, data = self._ask("GET", f"/inference-result?request_id={name}", None, 60)
                    busy = False
                    if status == 200:
                        return self._read(data, "CompressedInferenceResult")
                    if status != 503:
                        raise self._refused(status, data)
                drops = 0
            except DroppedError as error:
                drops, busy = drops + 1, False
                if drops >= DROPS:
                    raise GeneratorError(
                        Code.DISCONNECT,
                        f"{self.url} is gone: {drops} connections in a row were lost",
                        str(error),
                    ) from None
            if time.monotonic() > end:
                code = Code.SERVER_BUSY if busy else Code.TIMEOUT
                raise GeneratorError(code, f"no step within {self.step_timeout_s:g} s")
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.3, POLL_S[1])

    def _refused(self, status: int, data: bytes) -> GeneratorError:
        """What an error's status and plain text mean."""
        text = data[:4096].decode("utf-8", "replace")
        if status == 503:
            return GeneratorError(Code.SERVER_BUSY, "the server is busy", text)
        told = diagnose(text, None)
        if told:
            return GeneratorError(told.code, told.message, told.evidence)
        return GeneratorError(Code.BAD_ANSWER, f"the server answered {status}", text)

    def _read(self, data: bytes, name: str) -> dict[str, Any]:
        try:
            return messages.loads(data, name)
        except messages.MessageError as error:
            raise GeneratorError(Code.BAD_ANSWER, f"an answer that cannot be read: {error}") from None

    # What came --------------------------------------------------------------------------------------

    def _frames(self, found: dict[str, Any]) -> Rgb:
        films = found.get("images_compressed")
        if found.get("images_format") != "mp4" or not isinstance(films, list) or len(films) != 1:
            raise GeneratorError(Code.BAD_ANSWER, "the answer holds no mp4")
        if not isinstance(films[0], bytes):
            raise GeneratorError(Code.BAD_ANSWER, "the answer's mp4 is no bytes")
        path = self.log / "step.mp4"
        path.write_bytes(films[0])
        try:
            return read_film(path, STEP_FRAMES, self.seed.size)
        finally:
            path.unlink()

    def _used(self, found: dict[str, Any], asked: StepRequest) -> F64:
        """The poses that were used: those asked for where they agree but for rounding. GeneratorError."""
        c2w, last = found.get("cameras_to_world"), found.get("updated_last_camera_c2w")
        if not isinstance(c2w, np.ndarray) or c2w.shape != (STEP_FRAMES, 3, 4):
            raise GeneratorError(Code.BAD_ANSWER, "the answer holds no 80 poses")
        wanted = inverse(asked.w2c)[:, :3]
        told = c2w.astype(np.float64)
        if isinstance(last, np.ndarray) and last.shape in ((4, 4), (3, 4)):
            told[-1] = last[:3]
        allowed = SAME_POSE * np.maximum(1, np.abs(wanted).max(axis=(1, 2)))
        same = (np.abs(told - wanted).max(axis=(1, 2)) <= allowed) & np.isfinite(told).all(axis=(1, 2))
        whole = np.repeat(np.eye(4)[None], STEP_FRAMES, 0)
        whole[:, :3] = told
        with np.errstate(all="ignore"):
            return np.where(same[:, None, None], asked.w2c, inverse(whole))

    def _depth(self, found: dict[str, Any], asked: StepRequest) -> tuple[F32 | None, Any]:
        depth, at, mask = (found.get(f"predicted_{n}") for n in ("depths", "depth_indices", "masks"))
        if not isinstance(depth, np.ndarray) or not isinstance(at, np.ndarray) or not depth.size:
            return None, None
        width, height = self.seed.size
        if depth.ndim == 4 and depth.shape[1] == 1:
            depth = depth[:, 0]
        if (
            depth.shape != (len(at), height, width)
            or at.dtype.kind not in "iu"
            or not ((at >= 0) & (at < STEP_FRAMES)).all()
        ):
            raise GeneratorError(Code.BAD_ANSWER, f"depth came as {depth.shape}, of frames {shown(at)}")
        return usable(depth, mask), asked.frame_ids[at.astype(np.int64)]

    def _seed_depth(self, found: dict[str, Any]) -> tuple[F32, F64]:
        """Depth and K that the server gave the picture."""
        width, height = self.seed.size
        depth, focal, centre = (found.get(n) for n in ("depths", "focal_lengths", "principal_points"))
        if isinstance(depth, np.ndarray) and depth.ndim == 4 and depth.shape[1] == 1:
            depth = depth[:, 0]
        if not isinstance(depth, np.ndarray) or depth.shape != (1, height, width):
            raise GeneratorError(Code.DEPTH_MISSING, "the server gave no depth for the picture")
        k = np.eye(3)
        for value in (focal, centre):
            if not isinstance(value, np.ndarray) or value.shape != (1, 2) or not np.isfinite(value).all():
                raise GeneratorError(Code.BAD_ANSWER, "the server gave no camera for the picture")
        k[[0, 1], [0, 1]] = focal[0]  # type: ignore[index]
        k[:2, 2] = centre[0] * [width, height]  # type: ignore[index]
        return usable(depth, found.get("masks"))[0], k


def usable(depth: Any, mask: Any) -> F32:
    """Depth as we have it: float32, 0 where nothing is known."""
    out = depth.astype(np.float32)
    known = np.isfinite(out) & (out > 0) & (out < FAR)
    if isinstance(mask, np.ndarray) and mask.size == out.size:
        known &= mask.reshape(out.shape).astype(bool)
    return np.where(known, out, np.float32(0))

"""A stand-in for Lyra 2: a conforming server and command line that fail in every way the real ones do.

As a module it serves in a thread. As an executable it is LYRA2_PYTHON: `-m uvicorn ...` serves,
`-m lyra_2...` makes a film, `-c` answers an import.
What it does wrong stands in the file `behaviour` of its folder.
"""

import base64
import io
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import av
import numpy as np

SIZE = 96, 64
KEY = "__lyra2_type__"


def packed(value):
    if isinstance(value, np.ndarray):
        text = base64.b64encode(value.tobytes()).decode()
        return {KEY: "ndarray", "dtype": value.dtype.str, "shape": list(value.shape), "value": text}
    if isinstance(value, bytes):
        return {KEY: "bytes", "value": base64.b64encode(value).decode()}
    return [packed(v) for v in value] if isinstance(value, list) else value


def unpacked(value):
    if isinstance(value, dict):
        raw = base64.b64decode(value["value"])
        return np.frombuffer(raw, value["dtype"]).reshape(value["shape"])
    return [unpacked(v) for v in value] if isinstance(value, list) else value


def film(n, size=SIZE, fps=16):
    """An mp4 of n frames in which the brightness tells the number."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for i in range(n):
            picture = np.full((size[1], size[0], 3), 40 + i % 80 * 2, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


class Stub(BaseHTTPRequestHandler):
    """One request. State lives in the server."""

    def log_message(self, *args):
        pass

    def answer(self, status, body, kind="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def message(self, name, fields):
        body = {"type": name, "fields": {k: packed(v) for k, v in fields.items()}}
        self.answer(200, json.dumps(body).encode())

    def do_GET(self):
        state, url = self.server.state, urlsplit(self.path)
        if url.path == "/healthz":
            return self.answer(200, b'{"status": "ok"}')
        if url.path == "/metadata":
            known = {
                "model_name": state["model"],
                "min_frames_per_request": 80,
                "inference_resolution": [SIZE],
            }
            return self.answer(200, json.dumps(known).encode())
        name = parse_qs(url.query)["request_id"][0]
        if name not in state["asked"]:
            return self.answer(500, b"KeyError: request not known")
        state["polls"] += 1
        how = state["behaviour"]
        if how == "drop" and state["polls"] in (1, 2):
            return self.connection.close()
        if how == "gone":
            return self.connection.close()
        if how == "die" and len(state["asked"]) > 1:
            print(
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20 GiB",
                file=sys.stderr,
                flush=True,
            )
            os._exit(1)
        if how == "oom-answer":
            return self.answer(500, b"CUDA out of memory. Tried to allocate 2.00 GiB")
        if how == "never" or state["polls"] % 3 == 1:
            return self.answer(503, b"Result not ready")
        return self.message("CompressedInferenceResult", self.result(state["asked"][name], how))

    def result(self, asked, how):
        n = 79 if how == "count" else 80
        size = (SIZE[0], SIZE[1] * 2) if how == "stack" else SIZE
        depth = np.full((1, SIZE[1], SIZE[0]), 2, np.float32)
        moved = np.vstack([asked["cameras_to_world"][-1], [0, 0, 0, 1]]).astype(np.float32)
        moved[0, 3] += 0.05
        return {
            "request_id": asked["request_id"],
            "cameras_to_world": asked["cameras_to_world"],
            "images": None,
            "images_compressed": [film(n, size)],
            "images_format": {KEY: "enum", "enum": "CompressionFormat", "value": "mp4"},
            "predicted_depths": depth,
            "predicted_depth_indices": np.array([79], np.int32),
            "predicted_masks": np.ones(depth.shape, bool),
            "updated_last_camera_c2w": moved if how == "pose" else None,
        }

    def do_POST(self):
        state = self.server.state
        body = self.rfile.read(int(self.headers["Content-Length"]))
        state["posts"].append(self.path)
        if self.path.startswith("/revert"):
            return self.message("RevertResult", {"success": True, "message": ""})
        found = json.loads(body)
        fields = {k: unpacked(v) for k, v in found["fields"].items()}
        if self.path == "/seed-model":
            assert found["type"] == "SeedingRequest" and fields["images"].dtype == np.float32
            assert fields["images"].shape == (1, SIZE[1], SIZE[0], 3) and fields["images"].min() >= 0
            state["seeds"].append(fields)
            given = {
                k: fields[k] for k in ("request_id", "cameras_to_world", "focal_lengths", "principal_points")
            }
            depth = np.full((1, SIZE[1], SIZE[0]), 2, np.float32)
            return self.message(
                "SeedingResult", given | {"depths": depth, "masks": np.ones(depth.shape, bool)}
            )
        assert found["type"] == "InferenceRequest" and fields["cameras_to_world"].shape == (80, 3, 4)
        if state["behaviour"] == "busy":
            return self.answer(503, b"busy")
        if fields["request_id"] in state["asked"]:
            return self.answer(400, b"Invalid request id: request already exists.")
        state["asked"][fields["request_id"]] = fields
        if state["behaviour"] == "drop":
            return self.connection.close()
        self.answer(202, b"Request accepted.")


def server(behaviour="", model="Lyra2", port=0):
    found = ThreadingHTTPServer(("127.0.0.1", port), Stub)
    found.daemon_threads = True
    found.handle_error = lambda *args: None
    found.state = {"behaviour": behaviour, "model": model, "asked": {}, "polls": 0, "posts": [], "seeds": []}
    return found


def serving(behaviour="", model="Lyra2"):
    """A server in a thread -> (url, state, stop)."""
    found = server(behaviour, model)
    threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop():
        found.shutdown()
        found.server_close()

    return f"http://127.0.0.1:{found.server_port}", found.state, stop


def command_line(how, argv):
    """What lyra2_custom_traj_inference does."""
    asked = dict(zip(argv[::2], argv[1::2], strict=False))
    assert asked["--experiment"] == "lyra2" and float(asked["--pose_scale"]) == 1
    n = int(asked["--num_frames"])
    way = np.load(asked["--trajectory_path"])
    assert way["w2c"].shape == (n, 4, 4) and way["w2c"].dtype == np.float32 and (n - 1) % 80 == 0
    captions = json.loads(Path(asked["--captions_path"]).read_text())
    assert {"0", "1", str(n - 80)} <= set(captions)
    assert os.environ.get("HF_HUB_OFFLINE") == "1" and "SECRET_TOKEN" not in os.environ
    print("INFO loading the diffusion model", flush=True)
    print(" 40%|####      | 14/35 [01:00<01:30]", file=sys.stderr, flush=True)
    lines = {
        "oom": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 12.00 GiB",
        "checkpoint": "FileNotFoundError: 'checkpoints/text_encoder/negative_prompt.pt'",
        "import": "ImportError: VIPE submodule not found",
        "experiment": "ValueError: could not find experiment lyra_framepack_spatial",
        "offline": "huggingface_hub.errors.LocalEntryNotFoundError: cannot find the requested files",
    }
    if how in lines:
        print("Traceback (most recent call last):\n" + lines[how], file=sys.stderr, flush=True)
        sys.exit(1)
    if how == "killed":
        os.kill(os.getpid(), 9)
    if how == "hang":
        time.sleep(600)
    if how == "skip":
        print("ERROR cannot identify image file, Skipping seed.png", flush=True)
        sys.exit(0)
    size = (832, 960) if how == "stack" else (832, 480)
    (Path(asked["--output_path"]) / "seed.mp4").write_bytes(film(n - 7 if how == "short" else n, size))


def main(argv):
    how = Path("behaviour").read_text().strip() if Path("behaviour").is_file() else ""
    if argv[:2] == ["-m", "uvicorn"]:
        if how == "start":
            sys.exit("ImportError: flash_attn is not installed")
        assert (
            os.environ["LYRA_GUI_DA3_USE_PREDICTED_POSE"] == "0"
            and argv[argv.index("--host") + 1] == "127.0.0.1"
        )
        server(how, port=int(argv[argv.index("--port") + 1])).serve_forever()
    elif argv[0] == "-m":
        command_line(how, argv[2:])
    elif argv[0].endswith("da3_script.py"):
        n = len(np.load(Path(argv[1]) / "cams.npz")["w2c"])
        depth = np.full((n, 480, 832), 2, np.float32)
        np.savez(argv[2], depth=depth, sky=np.zeros(depth.shape, np.uint8))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Lyra 2's command line against a stub that imitates success and each failure; preflight; logs; lifting."""

import numpy as np
import pytest
from lyra_scene import checkout, plan, seed
from voxtide.tools.lyra import batch, lift
from voxtide.tools.lyra import checkout as places
from voxtide.tools.lyra.backends import Wishes, backend
from voxtide.tools.lyra.loop import generate
from voxtide.tools.lyra.problems import FIXES, Code, GeneratorError, diagnose
from voxtide.tools.lyra.steps import Steps
from voxtide.tools.lyra.tinyloop import backend as tinyloop
from voxtide.tools.lyra.trajectory import pinhole

SIZE = 832, 480


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """-> a function that sets the stub's behaviour"""

    def behave(how):
        root, python = checkout(tmp_path / "Lyra-2", how)
        monkeypatch.setenv("LYRA2_ROOT", str(root))
        monkeypatch.setenv("LYRA2_PYTHON", str(python))
        monkeypatch.setenv("SECRET_TOKEN", "not for children")

    return behave


def run(folder, lift=None, n_steps=1, timeout_s=None, told=lambda i: None, show=lambda *a: None):
    k = pinhole(SIZE, 62)
    first = seed(SIZE, k)
    generator = batch.Lyra2Cli.configured(Wishes(step_timeout_s=timeout_s))
    return generate(generator, first, plan(n_steps=n_steps, k=k), Steps(folder), {}, show, told, lift)


@pytest.mark.slow
def test_a_film_becomes_steps_and_is_not_made_twice(stub, tmp_path):
    stub("")
    shown, told = [], []

    def die(index):
        told.append(index)
        if index == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "s", n_steps=2, told=die, show=lambda *a: shown.append(a))
    assert ("lyra2", 14, 35) in shown and told == [-1, 0]
    stub("oom")  # would fail if it ran again
    report = run(tmp_path / "s", n_steps=2)
    assert report.resumed_at == 1 and Steps(tmp_path / "s").n_whole() == 3
    step = Steps(tmp_path / "s").read(1)
    assert step.frames.shape == (80, 480, 832, 3) and step.depth is None
    assert abs(int(step.frames[9].mean()) - (40 + 10 * 2)) < 4  # frame 90 of the film


@pytest.mark.slow
def test_depth_is_lifted_in_its_environment(stub, tmp_path):
    stub("")
    steps = tmp_path / "s"
    run(steps, lift.da3_lift(Wishes(), steps, every=40))
    found = Steps(steps).read(0)
    assert found.depth_ids.tolist() == [1, 41, 80] and np.all(found.depth == 2)


FAILURES = {
    "skip": Code.SILENT_SKIP,
    "oom": Code.OOM_GPU,
    "checkpoint": Code.CHECKPOINT_MISSING,
    "import": Code.SUBMODULE_EMPTY,
    "experiment": Code.BAD_EXPERIMENT,
    "offline": Code.HF_OFFLINE,
    "killed": Code.OOM_HOST,
    "short": Code.SILENT_SKIP,
    "stack": Code.VIDEO_LAYOUT,
    "hang": Code.TIMEOUT,
}


@pytest.mark.parametrize("behaviour", FAILURES)
def test_each_failure_has_its_code(stub, tmp_path, behaviour):
    stub(behaviour)
    with pytest.raises(GeneratorError) as caught:
        run(tmp_path / "s", timeout_s=1.5 if behaviour == "hang" else None)
    assert caught.value.code is FAILURES[behaviour], caught.value
    assert FIXES[caught.value.code] in str(caught.value)
    assert Steps(tmp_path / "s").n_whole() == 1  # the seed


def test_out_of_memory_names_the_phase():
    log = "INFO loading the text encoder\nINFO sampling chunk 2\nTraceback (most recent call last):\n"
    found = diagnose(log + "torch.OutOfMemoryError: CUDA out of memory. Tried", 1)
    assert found.code is Code.OOM_GPU and "sampling chunk 2" in found.message and "--offload" in found.fix


ROWS = {
    "FileNotFoundError: DA3 checkpoint not found: checkpoints/recon/model.pt": Code.DA3_CKPT,
    "ImportError: Failed to import VIPE": Code.ENV_IMPORT,
    "ImportError: MoGe is required for depth": Code.ENV_IMPORT,
    "ImportError: Failed to import DepthAnything3 from vendored depth_anything_3.": Code.SUBMODULE_EMPTY,
    "ModuleNotFoundError: No module named 'transformer_engine'": Code.ENV_IMPORT,
    "ValueError: Need at least 374 source frames": Code.RECON_TOO_SHORT,
    "AssertionError: N-1 must be divisible by 80": Code.BAD_LENGTH,
    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='huggingface.co')": Code.HF_OFFLINE,
    "RuntimeError: No CUDA GPUs are available": Code.GPU_ABSENT,
    "torch.distributed.checkpoint.api.CheckpointException: ranks": Code.CHECKPOINT_MISSING,
}


@pytest.mark.parametrize("line", ROWS)
def test_what_a_log_says(line):
    assert diagnose("INFO working\n" + line, 1).code is ROWS[line]


def test_nothing_told_is_not_made_up():
    assert diagnose("INFO fine\n", 1) is None and set(FIXES) == set(Code)


def test_preflight_finds_what_is_missing(stub, monkeypatch):
    monkeypatch.delenv("LYRA2_ROOT", raising=False)
    assert [p.code for p in places.problems()] == [Code.CHECKOUT_MISSING]
    stub("")
    root = places.root()
    found = {p.code for p in places.problems()}
    assert {Code.SUBMODULE_EMPTY, Code.CHECKPOINT_MISSING, Code.DA3_CKPT} <= found
    for ways in places.SUBMODULES:
        (root / ways[0]).mkdir(parents=True)
    for name in (*places.CHECKPOINTS, "model/model/.metadata", "model/model/__0_0.distcp"):
        (root / "checkpoints" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "checkpoints" / name).write_bytes(bytes(places.MIN_CHECKPOINT_BYTES))
    gpu = {"said": (0, "81559\n")}
    answer = places.child.answer
    monkeypatch.setattr(
        places.child, "answer", lambda argv, *a: gpu["said"] if argv[0] == "nvidia-smi" else answer(argv, *a)
    )
    assert places.problems() == []
    gpu["said"] = 0, "24564\n"
    assert [p.code for p in places.problems()] == [Code.GPU_SMALL]
    gpu["said"] = None, ""
    assert [p.code for p in places.problems()] == [Code.GPU_ABSENT]
    (root / "checkpoints/model/model/__0_0.distcp").write_bytes(
        b""
    )  # a truncated model loads, and makes noise
    assert Code.CHECKPOINT_MISSING in {p.code for p in places.problems()}


def test_the_default_is_the_best_that_preflight_finds(monkeypatch):
    monkeypatch.delenv("LYRA2_ROOT", raising=False)
    monkeypatch.setattr(tinyloop, "installed", lambda: False)
    told = []
    assert backend(None, Wishes(), told.append).info.name == "warpfill"
    assert told == [
        "backend warpfill (lyra2-server: checkout-missing; lyra2-cli: checkout-missing; "
        "tinyloop: not-installed)"
    ]
    with pytest.raises(GeneratorError, match="torch is not installed") as caught:
        backend("tinyloop", Wishes(), told.append)
    assert caught.value.code is Code.NOT_INSTALLED

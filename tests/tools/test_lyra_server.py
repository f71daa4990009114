"""Lyra 2's server: the protocol against a conforming stub, and every way in which it can fail."""

import os

import numpy as np
import pytest
from lyra_scene import checkout, plan, seed
from lyra_stub import serving
from voxtide.tools.lyra import checkout as real
from voxtide.tools.lyra.backends import Wishes
from voxtide.tools.lyra.loop import generate
from voxtide.tools.lyra.problems import Code, GeneratorError
from voxtide.tools.lyra.protocol import check_result
from voxtide.tools.lyra.server import Lyra2Server
from voxtide.tools.lyra.steps import Steps


def joined(behaviour, timeout_s=20.0):
    url, state, stop = serving(behaviour)
    return Lyra2Server.configured(Wishes(server=url, step_timeout_s=timeout_s)), state, stop


def run(generator, folder, way=None, first=None):
    return generate(
        generator, first or seed(), way or plan(), Steps(folder), {}, lambda *a: None, lambda i: None
    )


def test_seed_three_steps_and_revert(tmp_path):
    generator, state, stop = joined("")
    way = plan(n_steps=3)
    session = generator.open(seed(), tmp_path, way)
    assert session.seed_result().depth.max() > 0
    for index in range(3):
        asked = way.request(index, 1)
        result = session.step(asked)
        check_result(result, asked, generator.info.size)
        assert abs(int(result.frames[40].mean()) - (40 + 80)) < 4  # the 41st picture, not another
        assert result.depth_ids.tolist() == [80 * index + 80] and np.all(result.depth == 2)
    session.revert()
    session.close()
    stop()
    assert state["posts"][-1] == "/revert-last-generation"
    sent = [f["cameras_to_world"] for f in state["asked"].values()]
    assert np.allclose(sent[1][0][:, 3], np.linalg.inv(way.w2c[81])[:3, 3], atol=1e-6)


def test_depth_that_we_lack_comes_with_the_seed(tmp_path):
    generator, state, stop = joined("")
    session = generator.open(seed(depth=False), tmp_path, plan())
    stop()
    assert np.all(session.seed_result().depth == 2) and state["seeds"][0]["depths"] is None


def test_a_dropped_connection_does_not_lose_a_step(tmp_path):
    generator, state, stop = joined("drop")
    assert run(generator, tmp_path / "s").steps == 2
    stop()
    assert len(state["asked"]) == 2  # asked for once each


FAILURES = {
    "gone": Code.DISCONNECT,
    "busy": Code.SERVER_BUSY,
    "never": Code.TIMEOUT,
    "count": Code.SILENT_SKIP,
    "stack": Code.VIDEO_LAYOUT,
    "pose": Code.POSE_CHANGED,
    "oom-answer": Code.OOM_GPU,
}


@pytest.mark.parametrize("behaviour", FAILURES)
def test_each_failure_has_its_code_and_keeps_whole_steps(tmp_path, behaviour):
    good, _, stop = joined("")
    way = plan(n_steps=2)
    session = good.open(seed(), tmp_path, way)
    steps = Steps(tmp_path / "s")
    bad, _, stop_bad = joined(behaviour, 0.5 if behaviour in ("busy", "never") else 20)
    with pytest.raises(GeneratorError) as caught:
        run(Turning(bad, session), steps.path, way)
    stop()
    stop_bad()
    assert caught.value.code is FAILURES[behaviour] and "\n" not in str(caught.value)
    assert steps.n_whole() == 2  # the seed and step 0


class Turning:
    """A backend whose first step is another session's, and whose later ones fail."""

    def __init__(self, generator, first):
        self.info, self._generator, self._first = generator.info, generator, first

    def open(self, *args):
        self._session = self._generator.open(*args)
        return self

    def seed_result(self):
        return self._session.seed_result()

    def step(self, request):
        return (self._session if request.index else self._first).step(request)

    def close(self):
        self._session.close()


def test_a_server_that_dies_mid_step_says_why_and_the_run_goes_on(tmp_path, monkeypatch):
    root, python = checkout(tmp_path / "Lyra-2", "die")
    monkeypatch.setenv("LYRA2_ROOT", str(root))
    monkeypatch.setenv("LYRA2_PYTHON", str(python))
    way = plan(n_steps=2)
    small = Lyra2Server.configured(Wishes())
    steps = Steps(tmp_path / "s")
    with pytest.raises(GeneratorError) as caught:
        run(small, steps.path, way)
    assert caught.value.code is Code.OOM_GPU and steps.n_whole() == 2
    (root / "behaviour").write_text("")
    report = run(small, steps.path, way)
    assert report.resumed_at == 1 and steps.n_whole() == 3
    assert any("seeded anew at frame 80" in line for line in report.warnings)
    kept = steps.read(1)
    assert "seeded anew" in kept.warnings[0]


def test_a_server_that_does_not_start_says_why(tmp_path, monkeypatch):
    root, python = checkout(tmp_path / "Lyra-2", "start")
    monkeypatch.setenv("LYRA2_ROOT", str(root))
    monkeypatch.setenv("LYRA2_PYTHON", str(python))
    with pytest.raises(GeneratorError) as caught:
        Lyra2Server.configured(Wishes()).open(seed(), tmp_path, plan())
    assert caught.value.code is Code.ENV_IMPORT and "flash_attn" in str(caught.value)


def test_another_model_or_nobody_is_refused():
    url, _, stop = serving(model="Lyra2Dummy")
    with pytest.raises(GeneratorError, match="Lyra2Dummy"):
        Lyra2Server.configured(Wishes(server=url))
    assert Lyra2Server.configured(Wishes(server=url), dummy=True).info.size == (96, 64)
    stop()
    with pytest.raises(GeneratorError) as caught:
        Lyra2Server.configured(Wishes(server="http://127.0.0.1:9"))
    assert caught.value.code is Code.DISCONNECT
    with pytest.raises(GeneratorError, match="no address"):
        Lyra2Server.configured(Wishes(server="file:///etc/passwd"))


def test_upstreams_own_dummy_server(tmp_path):
    """Needs LYRA2_ROOT, and LYRA2_PYTHON with fastapi, uvicorn, opencv, loguru and imageio-ffmpeg."""
    if real.root() is None or not (real.root() / "gui/api/server.py").is_file():
        pytest.skip("needs a checkout of Lyra 2: LYRA2_ROOT is not set or has no gui/api")
    if not os.environ.get("LYRA2_PYTHON"):
        pytest.skip("needs LYRA2_PYTHON: a python that runs upstream's server")
    generator = Lyra2Server.configured(Wishes(step_timeout_s=60), dummy=True)
    assert generator.preflight() == []
    way = plan(n_steps=3)
    session = generator.open(seed(), tmp_path, way)
    try:
        assert session.seed_result().depth.shape == (1, 64, 96)
        for index in range(3):
            asked = way.request(index, 1)
            check_result(session.step(asked), asked, (96, 64))
        session.revert()
    finally:
        session.close()
    assert session.server.exit_code is not None

"""The page in headless Chromium, with real keys and a real mouse."""

import json

import browser
import numpy as np
import pytest
from serving import HOME, TOKEN, Client, served, small_world, soon

SIZE = 640, 360


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return small_world(tmp_path_factory.mktemp("served"))


def key(page, code, kind, text=""):
    page.call(
        "Input.dispatchKeyEvent",
        type=kind,
        code=code,
        key=text or code,
        text=text if kind == "keyDown" else "",
    )


def mouse(page, kind, x, y, **more):
    page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1, **more)


def told(page):
    """What the page shows: its newest frame's head, its pose, its figures, its state."""
    text = page.evaluate(
        "JSON.stringify({...last, at: plane.at.pose, clicks: plane.at.clicks, ...link.figures(),"
        " state: $('status').dataset.state, flies: role.flies, cover: !$('cover').classList.contains('open'),"
        " note: $('why').textContent, log: 0})"
    )
    return json.loads(text) if text else {}


def is_still(page):
    """Whether the last picture of the last pose has come."""
    return soon(lambda: (now := told(page)).get("still") and now["pose"] == now["at"])


def grey(page):
    return page.screenshot()[60:, :380].astype(int).mean(-1)


@pytest.mark.slow
def test_a_browser_flies_through_a_world(world, tmp_path, gl_context):
    if not browser.program():
        pytest.skip("needs chromium (apt-get install chromium)")
    with (
        served(world, size=SIZE) as serving,
        browser.opened(serving.url, tmp_path / "profile", SIZE) as page,
    ):
        width, height = SIZE
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        assert is_still(page), (told(page), page.log)
        first, before = told(page), grey(page)
        assert (first["size"], first["state"], first["cover"]) == (list(SIZE), "live", False)
        key(page, "KeyW", "keyDown", "w")
        n = told(page)["n"]
        assert soon(lambda: told(page)["n"] >= n + 15), (
            "frames arrive; bench_serve.py tells how many a second"
        )
        flying = told(page)
        key(page, "KeyW", "keyUp")
        assert flying["latency_ms"] > 0
        assert flying["at"][0] > first["at"][0] + 0.02, "W goes forward"
        mouse(page, "mousePressed", 200, 200)
        for x in range(210, 270, 10):
            mouse(page, "mouseMoved", x, 200)
        mouse(page, "mouseReleased", 260, 200)
        page.call("Input.dispatchMouseEvent", type="mouseWheel", x=200, y=200, deltaX=0, deltaY=-100)
        assert soon(lambda: told(page)["clicks"] == 1)
        assert is_still(page)
        turned = told(page)
        assert (turned["at"][3] - flying["at"][3]) % 360 == pytest.approx(360 - 60 * 0.15, abs=0.01)
        assert turned["pose"] == turned["at"], "the last picture is of the last pose"
        assert np.abs(grey(page) - before).mean() > 4, "what is seen has changed"
        key(page, "Digit4", "keyDown", "4")
        assert soon(lambda: told(page)["jpeg"] == 0), "the coordinates come without loss"
        with Client(serving) as guest:
            guest.until(lambda said: said.get("still"))
            assert guest.told["role"]["flies"] is False
        serving.close()
        assert soon(lambda: told(page)["state"] == "lost"), "it says that nobody is there"
        assert told(page)["cover"]
        assert not page.log, page.log


@pytest.mark.slow
def test_a_lost_connection_comes_back_to_where_it_was(world, tmp_path, gl_context):
    if not browser.program():
        pytest.skip("needs chromium (apt-get install chromium)")
    with served(world) as serving:
        port = serving.port
        with browser.opened(serving.url, tmp_path / "profile", SIZE) as page:
            assert is_still(page), (told(page), page.log)
            key(page, "KeyS", "keyDown", "s")
            assert soon(lambda: told(page)["at"][0] < HOME.x - 0.1), "S goes back"
            key(page, "KeyS", "keyUp")
            serving.close()
            assert soon(lambda: told(page)["state"] == "lost")
            with served(world, port=port) as again:
                assert soon(lambda: told(page)["state"] == "live" and told(page)["flies"])
                # Asked anew each time: where the page is slow it glides on after the key has gone up.
                assert soon(lambda: again.hall.pilot.wish.pose.x == told(page)["at"][0]), told(page)
                assert is_still(page), (told(page), page.log)
                now = told(page)
                assert now["n"] > 1 and now["at"][0] < HOME.x - 0.1, "it is where it was, not at home"
            with served(world, port=port, token=TOKEN + "-new"):
                assert soon(lambda: told(page)["state"] == "ended")
                assert "new token" in told(page)["note"]

"""The parts of serve that need no network: the pace, the page, the command, the notebook's cell."""

import json
import re
import signal
import socket
import subprocess
import sys

import pytest
from serving import HOME, served, small_world
from voxtide.streamer.world import open_world
from voxtide.tools import cli
from voxtide.tools.errors import UserError
from voxtide.tools.serve import door, notebook, pace, page
from voxtide.tools.serve.running import ServeOptions, start


def drawn(seconds_whole, n=30):
    """The scale on which a renderer settles that takes so long for a whole picture."""
    at = pace.Pace()
    for _ in range(n):
        scale, _ = pace.moving(at, "auto")
        at = pace.after_draw(at, seconds_whole * scale**2, scale)
    return pace.moving(at, "auto")[0]


@pytest.mark.parametrize("seconds_whole", [0.01, 0.06, 0.1, 0.2, 0.5, 1.0])
def test_a_slow_renderer_gets_the_largest_pictures_that_it_can_draw_in_time(seconds_whole):
    scale = drawn(seconds_whole)
    assert seconds_whole * scale**2 <= pace.MOVING_FRAME_S * 1.15 or scale == pace.SCALES[-1]
    larger = [s for s in pace.SCALES if s > scale]
    assert all(seconds_whole * s**2 > pace.MOVING_FRAME_S * 0.8 for s in larger)
    assert drawn(seconds_whole, 31) == scale, "it swings"


def answered(at, seconds, n):
    for _ in range(n):
        at = pace.after_answer(at, seconds)
    return at


def test_frames_that_wait_on_their_way_become_smaller_and_recover():
    at = answered(pace.Pace(), 0.05, 5)
    assert pace.moving(at, "auto") == (1.0, 80)
    at = answered(at, 0.4, 6)
    scale, quality = pace.moving(at, "auto")
    assert scale <= 0.5
    assert quality < 60
    assert pace.moving(at, "sharp") == (1.0, pace.SHARP_QUALITY), "who asks for it gets every picture in full"
    assert pace.moving(answered(at, 0.05, 100), "auto") == (1.0, 80)


def test_a_long_way_holds_more_frames_and_is_not_called_slow():
    assert pace.Pace().window == 2
    at = answered(pace.Pace(), 0.2, 50)
    assert pace.moving(at, "auto") == (1.0, 80)
    assert at.window == 2 + 3
    assert answered(at, 5.0, 2000).window == pace.MAX_UNANSWERED


def test_pictures_fit():
    assert pace.fit((4000, 1000), (1280, 720)) == (1280, 320)
    assert pace.fit((640, 360), (1280, 720), 0.5) == (320, 180)
    assert pace.fit((16384, 16), (64, 36), 0.25) == (16, 1)


def test_the_page_needs_nothing_else():
    assert not re.findall(r"https?://|\bsrc=|@import|url\(", page.PAGE)
    assert "/*style*/" not in page.PAGE and "/*script*/" not in page.PAGE
    assert " on" not in "".join(re.findall(r"<[a-z]+ [^>]*>", page.PAGE)).replace(" only", "")
    script = re.search(r"<script>(.*)</script>", page.PAGE, re.DOTALL)[1]
    assert page._hash_of(script) in page.CSP
    assert page._hash_of(re.search(r"<style>(.*)</style>", page.PAGE, re.DOTALL)[1]) in page.CSP
    ids = set(re.findall(r'\bid="(\w+)"', page.PAGE))
    assert set(re.findall(r'\$\("(\w+)"\)', script)) <= ids


SAME = [
    (["http://127.0.0.1:8765"], ["127.0.0.1:8765"], True),
    (["http://localhost:9000"], ["localhost:9000"], True),  # forwarded
    (["https://box.example"], ["box.example"], True),  # behind a proxy that speaks TLS
    (["http://[::1]:8765"], ["[::1]:8765"], True),
    ([], ["127.0.0.1:8765"], True),
    (["null"], ["127.0.0.1:8765"], False),
    (["http://127.0.0.1:8766"], ["127.0.0.1:8765"], False),
    (["http://evil.example"], ["127.0.0.1:8765"], False),
    (["http://127.0.0.1:8765.evil.example"], ["127.0.0.1:8765"], False),
    (["http://127.0.0.1:x"], ["127.0.0.1:x"], False),
    (["ftp://127.0.0.1:8765"], ["127.0.0.1:8765"], False),
    (["http://a:1", "http://b:1"], ["a:1"], False),
    (["http://a:1"], [], False),
    (["http://"], [""], False),
]


@pytest.mark.parametrize(("origins", "hosts", "same"), SAME)
def test_whose_page_may_connect(origins, hosts, same):
    assert door.same_origin(origins, hosts) is same


def test_a_notebook_shows_a_running_server():
    text = notebook.view("http://127.0.0.1:8765/?token=abcdefgh", height=300)._repr_html_()
    assert text.startswith('<iframe src="http://127.0.0.1:8765/?token=abcdefgh"')
    assert 'height="300"' in text
    assert '"><script>' not in notebook.view('http://x/?token="><script>')._repr_html_()
    for wrong in ("javascript:alert(1)//token=", "http://127.0.0.1:8765/"):
        with pytest.raises(UserError, match="whole URL"):
            notebook.view(wrong)


@pytest.mark.slow
def test_a_port_that_is_taken(tmp_path, capsys):
    path = small_world(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["serve", str(path), "--port", str(port)]) == 2
        said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"127.0.0.1:{port}" in said and "--port 0" in said
    with pytest.raises(UserError, match="8 to 128"):
        start(open_world(path), "w", HOME, ServeOptions(port=0, token="short"))
    with served(path, port=None) as one, served(path, port=None) as two:
        assert one.port != two.port
        assert one._repr_html_().count(one.url) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_the_command_ends_cleanly(tmp_path, name):
    command = [
        sys.executable,
        "-m",
        "voxtide.tools.cli",
        "serve",
        str(small_world(tmp_path)),
        "--port",
        "0",
        "--json",
    ]
    hear = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear
    )
    try:
        told = json.loads(process.stdout.readline())
        assert told["url"] == f"http://127.0.0.1:{told['port']}/?token={told['token']}"
        assert len(told["token"]) >= 20
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (0, "", "voxtide: closed\n")

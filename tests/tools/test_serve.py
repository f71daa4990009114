"""A served world, asked by clients that are no browsers: who may come in, who flies, what is left behind."""

import asyncio
import contextlib
import gc
import http.client
import io
import threading
import weakref

import numpy as np
import pytest
from PIL import Image
from serving import HOME, SIZE, TOKEN, Client, served, small_world, soon
from voxtide.streamer.world import open_world
from voxtide.tools.serve import seats
from voxtide.tools.serve.page import PAGE
from voxtide.tools.shot import studio
from websockets.exceptions import InvalidStatus


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return small_world(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def shared(world, gl_context):
    with served(world) as serving:
        yield serving


@pytest.fixture
def serving(shared):
    """The server, with nobody there."""
    assert soon(lambda: not shared.hall.seats)
    yield shared
    assert soon(lambda: not shared.hall.seats), "a client of this test is still there"


def get(serving, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers


def test_the_page_comes_with_the_token(serving):
    status, text, headers = get(serving, f"/?token={TOKEN}")
    assert (status, text) == (200, PAGE)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert get(serving, f"/etc/passwd?token={TOKEN}")[0] == 404
    with contextlib.suppress(http.client.RemoteDisconnected):  # older websockets know no method but GET
        assert get(serving, f"/?token={TOKEN}", "POST")[0] == 405


NO_TOKENS = ["", "?", "?token=", f"?token={TOKEN[:-1]}", f"?token={TOKEN}x", "?token=%C3%A9", f"?x={TOKEN}"]


@pytest.mark.parametrize("query", NO_TOKENS)
@pytest.mark.parametrize("path", ["/", "/socket", "/favicon.ico"])
def test_without_the_token_nothing_is_served(serving, path, query):
    status, text, headers = get(serving, path + query, **{"Upgrade": "websocket", "Connection": "Upgrade"})
    assert status == 401
    assert "oxtide" not in text + str(headers)


def test_without_the_token_no_socket_opens(serving):
    for token in ("", "another-token", TOKEN.upper()):
        with pytest.raises(InvalidStatus, match="401"):
            Client(serving, token)
    assert not serving.hall.seats


def test_other_pages_cannot_connect(serving):
    own = f"http://127.0.0.1:{serving.port}"
    for origin in ("http://evil.example", "http://127.0.0.1:1", "http://localhost", "null", f"{own}.evil"):
        with pytest.raises(InvalidStatus, match="403"):
            Client(serving, origin=origin)
    with Client(serving, origin=own) as client:
        assert client.until(lambda said: said.get("tell") == "role")["flies"]


def test_a_client_flies_and_what_stands_still_is_whole(world, serving, gl):
    with Client(serving) as client:
        client.look(**{"pass": "uvw"})
        client.move(x=-2.0, yaw=12.0)
        head, picture = client.still()
        n_frames = len(client.frames)
        assert client.hear(timeout_s=0.5) is None, "a picture that shows nothing new is not sent"
    assert (head["size"], head["jpeg"], head["pose"][0]) == (list(SIZE), 0, -2.0)
    with studio(open_world(world), SIZE) as alone:
        shot = alone.shoot(type(HOME)(-2.0, HOME.y, HOME.z, 12.0, HOME.pitch), 60.0, "uvw", shadows=False)
    assert (picture == shot.picture[..., :3]).all(), "not the picture that render makes"
    assert n_frames >= 1


@pytest.mark.slow
def test_a_still_of_a_slow_disk_is_whole(world, gl):
    with studio(open_world(world), SIZE) as alone:
        shot = alone.shoot(HOME, 60.0, "level", shadows=False)
    with served(world, read_s=1.5) as slow, Client(slow) as client:
        client.look(**{"pass": "level"})
        client.until(lambda said: said.get("still") and said["jpeg"] == 0)
        picture = np.asarray(Image.open(io.BytesIO(client.frames[-1][1])))
    assert (picture == shot.picture[..., :3]).all()
    assert len(client.frames) > 1, "what has come is shown while the rest is awaited"


def test_colours_are_a_good_jpeg_of_the_size_that_was_asked_for(serving):
    with Client(serving) as client:
        client.look(size=[80, 60])
        client.move(x=-2.5)
        head, picture = client.still()
        assert picture.shape == (54, 72, 3), "80x60 does not fit into 96x54"
        assert head["jpeg"] == 92
        assert np.ptp(picture.reshape(-1, 3), axis=0).min() > 60
        assert client.frames[-1][1][:3] == b"\xff\xd8\xff"


def test_a_second_client_watches_the_same_pictures(serving):
    with Client(serving) as pilot, Client(serving) as guest:
        pilot.move(x=-2.0)
        pilot.still()
        assert guest.until(lambda said: said.get("tell") == "role")["flies"] is False
        guest.move(x=50.0)  # of no effect
        guest.until(lambda said: said.get("still") and said["pose"][0] == -2.0)
        assert guest.frames[-1] == pilot.frames[-1]
        guest.say(do="fly")
        told = guest.until(lambda said: said.get("tell") == "role" and said["flies"])
        assert told["pose"][0] == -2.0, "it takes over where it was"
        guest.move(x=-1.0)
        guest.still()
        assert guest.frames[-1][0]["pose"][0] == -1.0
        assert all(head["pose"][0] != -1.0 for head, _ in pilot.frames)
        guest.say(do="watch")
        guest.until(lambda said: said.get("tell") == "role" and not said["flies"])
        guest.until(lambda said: said.get("still") and said["pose"][0] == -2.0)


def test_who_has_waited_longest_flies_on(serving):
    with Client(serving) as heir, Client(serving) as other:
        heir.move(x=-2.25)
        heir.still()
        assert other.until(lambda said: said.get("still"))["pose"][0] == -2.25
        heir.drop()
        assert other.until(lambda said: said.get("tell") == "role" and said["flies"])["pose"][0] == -2.25
        other.move(x=-2.0)
        other.still()


def test_a_dropped_connection_frees_everything(serving):
    def n_tasks():
        return len(asyncio.all_tasks(serving._loop))

    assert soon(lambda: n_tasks() <= 4)
    before, n_threads = n_tasks(), threading.active_count()
    for _ in range(3):
        pilot, guest = Client(serving), Client(serving)
        guest.until(lambda said: said.get("tell") == "role")
        pilot.move(x=-2.0)
        pilot.hear()
        here = [weakref.ref(seat) for seat in serving.hall.seats]
        assert len(here) == 2
        assert n_tasks() > before
        pilot.drop()
        guest.drop()
        assert soon(lambda: not serving.hall.seats)
        assert soon(lambda: n_tasks() == before)
        assert soon(lambda here=here: not gc.collect() and not any(ref() for ref in here)), "a seat is held"
    assert soon(lambda: threading.active_count() <= n_threads)


LOOK = '{"do":"look","size":[64,64],"pass":"colour","fov":60,"shadows":false,"quality":"auto"}'
POSE = '{"do":"pose","seq":1,"pose":[1,2,3,4,5]}'
MALFORMED = {
    "text": "hello",
    "array": "[]",
    "null": "null",
    "bytes": b"\x00\x01",
    "binary JSON": LOOK.encode(),
    "deep": "[" * 900,
    "other": '{"do":"eval"}',
    "list": '{"do":["pose"]}',
    "extra": '{"do":"fly","x":1}',
    "missing": '{"do":"pose","seq":1}',
    "short": POSE.replace("4,5", "4"),
    "nan": POSE.replace("1,2", "NaN,2"),
    "far": POSE.replace("1,2", "1e300,2"),
    "pitch": POSE.replace("5]", "90]"),
    "words": POSE.replace("1,2", '"1",2'),
    "big": '{"do":"got","n":' + "9" * 500 + "}",
    "negative": '{"do":"got","n":-1}',
    "true": '{"do":"got","n":true}',
    "size": LOOK.replace("[64,64]", "[1e9,1e9]"),
    "no size": LOOK.replace("[64,64]", "[0,64]"),
    "pass": LOOK.replace("colour", "../x"),
    "fov": LOOK.replace("60", "179"),
    "shadows": LOOK.replace("false", "1"),
    "quality": LOOK.replace("auto", "best"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_message_ends_its_own_connection_only(serving, name):
    with Client(serving) as other, Client(serving) as client:
        client.until(lambda said: said.get("tell") == "role")
        client.socket.send(MALFORMED[name])
        code, reason = client.closed()
        assert code == 1008
        assert reason.startswith("expected ")
        assert soon(lambda: len(serving.hall.seats) == 1)
        other.move(x=-2.0)
        other.still()


def test_a_huge_message_is_refused_before_it_is_read(serving):
    with Client(serving) as client:
        client.socket.send("x" * 5_000_000)
        assert client.closed()[0] == 1009


def test_an_eye_beyond_the_world_is_told_so(serving):
    with Client(serving) as client:
        client.move(x=9e7)
        assert "km from the world" in client.until(lambda said: said.get("tell") == "note")["text"]
        client.move(x=-2.0)
        client.still()


def test_who_does_not_answer_is_sent_no_more_and_holds_up_nobody(serving):
    with Client(serving) as mute, Client(serving) as other:
        other.say(do="fly")
        other.until(lambda said: said.get("tell") == "role" and said["flies"])
        (seat, _) = serving.hall.seats
        for i in range(40):
            mute.move(x=-3 + i / 50)
            while mute.hear(timeout_s=0.02, answers=False) is not None:
                pass
        assert 1 <= len(mute.frames) <= 5
        assert len(seat.unanswered) == len(mute.frames) == seat.pace.window
        assert seat.frame is None, "nothing is drawn that could not be sent"
        other.move(x=-1.5)
        other.still()
        for head, _ in mute.frames[:]:
            mute.say(do="got", n=head["n"])
        mute.still()


def test_the_house_may_be_full(serving, monkeypatch):
    monkeypatch.setattr(seats, "MAX_SEATS", 2)
    with Client(serving), Client(serving), Client(serving) as third:
        assert third.closed()[0] == 1013
        assert len(serving.hall.seats) == 2

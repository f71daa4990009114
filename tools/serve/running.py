"""A served world: a thread that draws, a thread that talks to clients, and what starts and ends both.

`start` is what the command, the tests and a notebook share. A third thread encodes pictures, while the next
is drawn.
"""

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial

from websockets.asyncio.server import Server, ServerConnection, serve

from ...app.camera import Pose
from ...app.render.context import describe, open_headless
from ...app.render.renderer import Renderer
from ...app.scene import stream
from ...streamer.chunk_source import ChunkSource, OnBad
from ..errors import UserError
from . import door
from .drawing import draw_all
from .messages import MAX_BYTES
from .notebook import frame_html
from .pictures import Drawn, encoded
from .seats import Hall, Seat
from .talk import About, talk

DEFAULT_PORT, PORTS_TRIED = 8765, 10
DEFAULT_HOST = "127.0.0.1"
DEFAULT_SIZE = 1280, 720
_ALIVE_S = 10.0  # a client that is silent for so long, twice, has gone
_CLOSE_S = 1.0  # for a client's farewell
_QUIET = logging.getLogger("voxtide.serve")  # handshakes that fail are the other end's affair
_QUIET.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """port: None is DEFAULT_PORT or the next that is free, 0 any. token: None makes one."""

    host: str = DEFAULT_HOST
    port: int | None = None
    token: str | None = None
    size: tuple[int, int] = DEFAULT_SIZE  # of a picture at the most
    vram_bytes: int = 1 << 30
    ram_bytes: int = 1 << 30


@dataclass(slots=True, eq=False)
class Serving:
    """A world that is being served. Ended by `close`, or by leaving a `with`."""

    hall: Hall
    options: ServeOptions
    token: str
    port: int = 0
    _loop: asyncio.AbstractEventLoop | None = None
    _threads: list[threading.Thread] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _failure: BaseException | None = None

    @property
    def url(self) -> str:
        host = self.options.host
        shown = DEFAULT_HOST if host in ("0.0.0.0", "", "::") else f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}/?token={self.token}"

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it ends by itself. -> False if it still runs. Raises what ended it."""
        ended = self._ended.wait(seconds)
        if self._failure is not None:
            raise self._failure
        return ended

    def close(self) -> None:
        """End it: clients are told, threads have ended and everything is freed when this returns."""
        self._end(None)
        for thread in self._threads:
            thread.join()

    def _end(self, failure: BaseException | None) -> None:
        self._failure = self._failure or failure
        self.hall.closing = True
        self.hall.wake.set()
        self._ended.set()

    def __enter__(self) -> "Serving":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repr_html_(self) -> str:
        return frame_html(self.url)


def start(
    source: ChunkSource,
    name: str,
    home: Pose,
    options: ServeOptions,
    on_bad: OnBad = lambda error: None,
) -> Serving:
    """Serve a world from threads of its own. -> when a browser can connect

    Raises GraphicsError, WorldError, or UserError if no port can be had.
    """
    token = options.token or secrets.token_urlsafe(16)
    if not door.TOKEN.fullmatch(token):
        raise UserError("a token is 8 to 128 letters, digits, - and _")
    serving = Serving(Hall(home, options.size), options, token)
    drawing, talking = Future[About](), Future[int]()
    _spawn(serving, drawing, partial(_draw, serving, source, name, on_bad, drawing))
    try:
        about = drawing.result()
        _spawn(serving, talking, partial(_network, serving, about, talking))
        serving.port = talking.result()
    except BaseException:
        serving.close()
        raise
    return serving


def _spawn(serving: Serving, ready: Future, work: Callable[[], None]) -> None:  # type: ignore[type-arg]
    """Run a half of the server in a thread. What it raises goes to who waits, and ends the other half."""

    def run() -> None:
        try:
            work()
        except BaseException as error:
            if ready.done():
                serving._end(error)
            else:
                ready.set_exception(error)

    thread = threading.Thread(target=run, name="voxtide-serve")
    serving._threads.append(thread)
    thread.start()


def _draw(serving: Serving, source: ChunkSource, name: str, on_bad: OnBad, ready: Future[About]) -> None:
    """The drawing thread, in which the GL context lives and dies."""
    hall, options = serving.hall, serving.options
    with ExitStack() as open_things:
        ctx = open_headless()
        open_things.callback(ctx.release)
        scene = stream(ctx, source, options.vram_bytes, options.ram_bytes, on_bad)
        open_things.callback(scene.release)
        renderer = Renderer(ctx, options.size)
        open_things.callback(renderer.release)
        encoder = open_things.enter_context(ThreadPoolExecutor(1, "voxtide-encode"))
        ready.set_result(
            About(name, describe(ctx), scene.voxel_size_m, scene.extent_voxels * scene.voxel_size_m)
        )

        def hand(seat: Seat, drawn: Drawn | None) -> None:
            encoder.submit(_encode, serving, seat, drawn)

        def note(seat: Seat, text: str) -> None:
            _tell(serving, _note, seat, text)

        draw_all(hall, renderer, scene, hand, note)


def _encode(serving: Serving, seat: Seat, drawn: Drawn | None) -> None:
    try:
        frame = encoded(drawn) if drawn else None
    except BaseException as error:
        serving._end(error)
        raise
    _tell(serving, serving.hall.deliver, seat, frame)


def _note(seat: Seat, text: str) -> None:
    seat.note = text
    seat.changed.set()


def _tell(serving: Serving, what: Callable[..., None], *values: object) -> None:
    """Have the network's thread do something, if it still runs."""
    if serving._loop is not None:
        with suppress(RuntimeError):  # it has ended
            serving._loop.call_soon_threadsafe(what, *values)


def _network(serving: Serving, about: About, ready: Future[int]) -> None:
    """The thread that talks."""
    asyncio.run(_listen(serving, about, ready))


async def _listen(serving: Serving, about: About, ready: Future[int]) -> None:
    serving._loop = asyncio.get_running_loop()
    server = await _bind(serving, about)
    ready.set_result(server.sockets[0].getsockname()[1])
    async with server:
        await asyncio.to_thread(serving._ended.wait)


async def _client(serving: Serving, about: About, connection: ServerConnection) -> None:
    try:
        await talk(connection, serving.hall, about)
    except Exception as error:  # ours: the other end's mistakes end its own connection only
        serving._end(error)


async def _bind(serving: Serving, about: About) -> Server:
    """Listen on the port that was asked for, or on the first that is free."""
    options = serving.options
    ports = range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED) if options.port is None else (options.port,)
    for port in ports:
        try:
            return await serve(
                partial(_client, serving, about),
                options.host,
                port,
                process_request=partial(door.answer, serving.token),
                server_header=None,
                compression=None,  # pictures are compressed
                max_size=MAX_BYTES,
                max_queue=16,
                ping_interval=_ALIVE_S,
                ping_timeout=_ALIVE_S,
                close_timeout=_CLOSE_S,
                logger=_QUIET,
            )
        except OSError as error:
            why = error.strerror or str(error)
    what = f"{options.host}:{ports[0]}" if len(ports) == 1 else f"{options.host}:{ports[0]} to {ports[-1]}"
    raise UserError(f"cannot listen on {what} ({why}); --port 0 takes any free port")

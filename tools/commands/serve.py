"""Show a world in a browser, from a machine without a display.

One port serves a page and its pictures. Open the URL that is printed: it holds the token, and without that
nothing is served. The first browser flies; others watch it, or take a camera of their own. Pictures follow
the connection: coarser while you move if drawing or the network is slow, whole when you stand still.

Only this machine can connect unless --host says otherwise. From another one, forward the port through SSH, as
the printed line shows. Ctrl-C ends it.
"""

import argparse
import getpass
import json
import signal
import socket
import sys
from typing import TYPE_CHECKING

from . import arguments

if TYPE_CHECKING:
    from ..serve.running import Serving

_LOOK_S = 0.5  # between looks at whether it has ended: a signal is heard in between
_FRAMING_FOV_DEG = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_world(parser)
    parser.add_argument(
        "--port", type=_port, metavar="N", help="default: 8765 or the next that is free; 0: any free one"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where to listen (default 127.0.0.1: this machine)",
    )
    parser.add_argument("--token", metavar="TEXT", help="8 or more of A-Z a-z 0-9 - _; default: a new one")
    parser.add_argument(
        "--size",
        type=arguments.size,
        default=(1280, 720),
        metavar="WxH",
        help="a picture's size at the most; browsers ask for what their window shows (1280x720)",
    )
    parser.add_argument(
        "--pose", type=arguments.pose, metavar="X,Y,Z,YAW,PITCH", help="where to start; default: framed"
    )
    arguments.add_budgets(parser)
    parser.add_argument("--seconds", type=arguments.positive, metavar="S", help="end after this long")
    parser.add_argument("--json", action="store_true", help="print one JSON object: url, host, port, token")


def run(args: argparse.Namespace) -> int:
    from ..opening import open_chunks
    from ..serve.running import ServeOptions, start
    from ..shot import framed_pose
    from .reporting import BadChunks

    bad = BadChunks()
    source = open_chunks(args.world)
    home = args.pose or framed_pose(source, args.size, _FRAMING_FOV_DEG)
    budgets = int(args.vram * 2**20), int(args.ram * 2**20)
    options = ServeOptions(args.host, args.port, args.token, args.size, *budgets)
    name = args.world if "://" in args.world else args.world.rstrip("/").rpartition("/")[2]
    before = signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # as Ctrl-C: `kill` ends it cleanly too
    try:
        with start(source, name, home, options, bad) as serving:
            _announce(serving, as_json=args.json)
            _wait(serving, args.seconds)
    except KeyboardInterrupt:
        print("voxtide: closed", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)
    return bad.exit_code()


def _wait(serving: "Serving", seconds: float | None) -> None:
    """Until it ends or the time is up. In pieces: on Windows a wait without end hears no Ctrl-C."""
    left = seconds if seconds is not None else float("inf")
    while left > 0 and not serving.wait(min(_LOOK_S, left)):
        left -= _LOOK_S


def _announce(serving: "Serving", as_json: bool) -> None:
    host, port = serving.options.host, serving.port
    if as_json:
        told = {"url": serving.url, "host": host, "port": port, "token": serving.token}
        print(json.dumps(told), flush=True)
        return
    print(f"open       {serving.url}")
    if host in ("127.0.0.1", "::1", "localhost"):
        here = serving.url.split("/")[2].rpartition(":")[0]
        print(f"elsewhere  ssh -L {port}:{here}:{port} {_me()}   there, then open the same URL there")
    else:
        print(
            "note       whoever has this URL and reaches this address can look; the traffic is not encrypted"
        )
    print("Ctrl-C ends it", flush=True)


def _me() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in a container
        user = "USER"
    return f"{user}@{socket.gethostname()}"


def _port(text: str) -> int:
    value = arguments.natural(text)
    if value > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return value

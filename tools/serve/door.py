"""Who may come in: every request shows the token, and a web page of another origin is refused.

Without the token nothing is served, not even the name of the program. The token is compared in constant time.
A browser says in `Origin` whose page opens a socket: only the page that this server gave out may.
"""

import hmac
import re
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from .page import CSP, PAGE

TOKEN = re.compile(r"[A-Za-z0-9_-]{8,128}")  # what a URL takes as it is
_TEXT, _HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
_ALWAYS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the URL holds the token
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}


def answer(token: str, connection: ServerConnection, request: Request) -> Response | None:
    """What is said to a request; None: the WebSocket may open."""
    path, _, query = request.path.partition("?")
    shown = parse_qs(query).get("token", [""])[0]
    if not hmac.compare_digest(shown.encode(), token.encode()):
        return _say(HTTPStatus.UNAUTHORIZED, "This needs the whole URL that was printed, with its token.\n")
    if getattr(request, "method", "GET") != "GET":
        return _say(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET.\n")
    if path == "/":
        return _say(HTTPStatus.OK, PAGE, _HTML, {"Content-Security-Policy": CSP})
    if path != "/socket":
        return _say(HTTPStatus.NOT_FOUND, "There is nothing here.\n")
    if not same_origin(request.headers.get_all("Origin"), request.headers.get_all("Host")):
        return _say(HTTPStatus.FORBIDDEN, "Only the page of this server may connect.\n")
    return None


def same_origin(origins: list[str], hosts: list[str]) -> bool:
    """Whether a request is from the page of this very host and port, or from no page at all: a script."""
    if not origins:
        return True
    if len(origins) != 1 or len(hosts) != 1:
        return False
    try:
        origin, host = urlsplit(origins[0]), urlsplit(f"//{hosts[0]}")
        port = 443 if origin.scheme == "https" else 80  # what a browser leaves out
        here, there = (host.hostname, host.port or port), (origin.hostname, origin.port or port)
    except ValueError:  # a port that is no number
        return False
    return origin.scheme in ("http", "https") and here == there and here[0] is not None


def _say(status: HTTPStatus, text: str, kind: str = _TEXT, more: dict[str, str] | None = None) -> Response:
    body = text.encode()
    headers = Headers({**_ALWAYS, "Content-Type": kind, "Content-Length": str(len(body)), **(more or {})})
    return Response(status.value, status.phrase, headers, body)

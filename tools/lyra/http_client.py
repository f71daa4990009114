"""Requests to Lyra 2's server: plain HTTP, sizes bounded, one line for each failure."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from .messages import MAX_BYTES, MEDIA_TYPE
from .problems import Code, GeneratorError


class DroppedError(Exception):
    """No answer: refused, reset, cut short or too late."""


def split(url: str) -> tuple[str, int]:
    """Host and port. GeneratorError."""
    try:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError
        return parts.hostname, parts.port or 80
    except ValueError:
        raise GeneratorError(Code.DISCONNECT, f"{url} is no address like http://127.0.0.1:8000") from None


def request(url: str, method: str, path: str, body: bytes | None, timeout_s: float) -> tuple[int, bytes]:
    """-> (status, body). DroppedError."""
    host, port = split(url)
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    headers = {"Accept": MEDIA_TYPE} | ({"Content-Type": MEDIA_TYPE} if body is not None else {})
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        data = answer.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise GeneratorError(Code.BAD_ANSWER, f"the server answered more than {MAX_BYTES:,} bytes")
        return answer.status, data
    except (OSError, http.client.HTTPException) as error:
        raise DroppedError(str(error) or type(error).__name__) from None
    finally:
        connection.close()


def metadata(url: str, timeout_s: float = 10.0) -> dict[str, Any]:
    """What a server says of itself. GeneratorError, DroppedError."""
    status, data = request(url, "GET", "/metadata", None, timeout_s)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if status != 200 or not isinstance(found, dict):
        raise GeneratorError(Code.BAD_ANSWER, f"{url}/metadata answered {status} and no object")
    return found

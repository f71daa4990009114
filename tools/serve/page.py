"""The page, as one file that needs nothing else: style and scripts are put into it when this is imported."""

import base64
import hashlib
from importlib.resources import files

_SCRIPTS = ("link.js", "fly.js", "panel.js")


def _read(name: str) -> str:
    return (files(__package__) / "page_parts" / name).read_text("utf-8")


def _hash_of(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


_STYLE = _read("style.css")
_SCRIPT = '"use strict";\n' + "\n".join(map(_read, _SCRIPTS))
PAGE = _read("index.html").replace("/*style*/", _STYLE).replace("/*script*/", _SCRIPT)
# Nothing but this style and this script runs, nothing is loaded, and only this server is talked to.
CSP = "; ".join(
    (
        "default-src 'none'",
        f"script-src {_hash_of(_SCRIPT)}",
        f"style-src {_hash_of(_STYLE)}",
        "img-src data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)

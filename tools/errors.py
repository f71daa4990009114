"""The user's mistakes: one line that says what to do; the command line prints it and exits 2."""

SHOWN_CHARS = 200  # of any text that came from a file or a path


class UserError(Exception):
    """A wrong argument, a missing file, an input that cannot be read. str() is one line."""


def shown(text: object) -> str:
    """Foreign text, safe inside a message: control characters escaped, cut at 200 characters.

    Bytes are shown as ASCII with escapes; everything else through str().
    """
    if isinstance(text, (bytes, bytearray, memoryview)):
        raw = bytes(text[: SHOWN_CHARS + 1]).decode("latin-1")
    else:
        raw = str(text)[: SHOWN_CHARS + 1]
    cut = len(raw) > SHOWN_CHARS
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in raw[:SHOWN_CHARS])
    return safe[: SHOWN_CHARS - 1] + "…" if cut or len(safe) > SHOWN_CHARS else safe

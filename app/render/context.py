"""Opening a GL context: without a display through EGL, or inside a window that is already current."""

from typing import Any

import moderngl
from moderngl import Context

from ..errors import GraphicsError

__all__ = ["GL_VERSION", "Context", "describe", "open_current", "open_headless"]

GL_VERSION = 450


def open_headless() -> Context:
    """A GL 4.5 context that needs no display. Raises GraphicsError."""
    return _open(standalone=True, backend="egl")


def open_current() -> Context:
    """Wrap the context that the calling thread has made current. Raises GraphicsError."""
    return _open()


def _open(**options: Any) -> Context:
    try:
        ctx = moderngl.create_context(require=GL_VERSION, **options)
    except Exception as error:  # glcontext raises bare Exception
        raise GraphicsError(
            f"no OpenGL 4.5 here ({error}); `voxtide doctor` tells what is missing"
        ) from error
    return ctx


def describe(ctx: Context) -> str:
    """The renderer's name, for reports."""
    return str(ctx.info["GL_RENDERER"])

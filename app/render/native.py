"""The few GL functions that are called by name: fences, which moderngl has not, and calls that may take long.

ctypes lets go of the interpreter during a call, moderngl does not. A software rasteriser does its work inside
the dispatch, and any driver waits inside glFinish: meanwhile the loader threads must run.
"""

import ctypes
import ctypes.util
import sys
from collections.abc import Callable

import moderngl

GL_SYNC_GPU_COMMANDS_COMPLETE = 0x9117
GL_SYNC_FLUSH_COMMANDS_BIT = 0x00000001
GL_ALREADY_SIGNALED = 0x911A
GL_CONDITION_SATISFIED = 0x911C
GL_COLOR_BUFFER_BIT = 0x00004000
GL_NEAREST, GL_LINEAR = 0x2600, 0x2601
GL_READ_FRAMEBUFFER, GL_DRAW_FRAMEBUFFER = 0x8CA8, 0x8CA9

Box = tuple[int, int, int, int]  # x0, y0, x1, y1, pixels from below


class Fences:
    """Fences of the context that is current when this is made."""

    def __init__(self) -> None:
        self._insert = _function("glFenceSync", ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        self._wait = _function(
            "glClientWaitSync", ctypes.c_uint, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint64
        )
        self._delete = _function("glDeleteSync", None, ctypes.c_void_p)

    def insert(self) -> int:
        """A fence behind every command so far, sent on its way: without a flush it might never pass."""
        fence = int(self._insert(GL_SYNC_GPU_COMMANDS_COMPLETE, 0))
        self.passed(fence)
        return fence

    def passed(self, fence: int) -> bool:
        """Whether the GPU has come past it. Never waits."""
        answer = self._wait(fence, GL_SYNC_FLUSH_COMMANDS_BIT, 0)
        return answer in (GL_ALREADY_SIGNALED, GL_CONDITION_SATISFIED)

    def delete(self, fence: int) -> None:
        self._delete(fence)


class Native:
    """Calls into the context that is current when this is made, during which other threads run."""

    def __init__(self) -> None:
        self._dispatch = _function("glDispatchCompute", None, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint)
        self.finish = _function("glFinish", None)
        self._blit = _function("glBlitFramebuffer", None, *[ctypes.c_int] * 8, ctypes.c_uint, ctypes.c_uint)
        self._bind_framebuffer = _function("glBindFramebuffer", None, ctypes.c_uint, ctypes.c_uint)

    def run(self, program: moderngl.ComputeShader, x: int, y: int = 1, z: int = 1) -> None:
        """Dispatch so many groups of a program."""
        program.run(0, 0, 0)  # makes it current
        self._dispatch(x, y, z)

    def blit(self, source: int, of: Box, target: int, to: Box, smooth: bool) -> None:
        """Copy a part of one framebuffer's colours into a part of another, whatever their sizes.

        moderngl's own copy knows neither parts nor sizes. The target stays bound, as after `use`.
        """
        self._bind_framebuffer(GL_READ_FRAMEBUFFER, source)
        self._bind_framebuffer(GL_DRAW_FRAMEBUFFER, target)
        self._blit(*of, *to, GL_COLOR_BUFFER_BIT, GL_LINEAR if smooth else GL_NEAREST)
        self._bind_framebuffer(GL_READ_FRAMEBUFFER, target)


def _function(name: str, result: object, *arguments: object) -> Callable[..., int]:
    """A GL function of the current context. RuntimeError where the platform has none."""
    for library in _libraries():
        found = getattr(library, name, None)
        if found is None and hasattr(library, "wglGetProcAddress"):
            library.wglGetProcAddress.restype = ctypes.c_void_p
            address = library.wglGetProcAddress(name.encode())
            found = ctypes.CFUNCTYPE(result, *arguments)(address) if address else None  # type: ignore[arg-type]
        if found is not None:
            found.restype, found.argtypes = result, arguments
            return found  # type: ignore[no-any-return]
    raise RuntimeError(f"the GL library has no {name}")


def _libraries() -> list[ctypes.CDLL]:
    if sys.platform == "win32":
        names = ["opengl32"]
    else:
        # libglvnd's libraries dispatch to whichever driver is current, under EGL as under GLX.
        names = [
            "libOpenGL.so.0",
            "libGL.so.1",
            ctypes.util.find_library("OpenGL"),
            ctypes.util.find_library("GL"),
        ]
    found = []
    for name in names:
        try:
            found.append(ctypes.CDLL(name)) if name else None
        except OSError:
            continue
    return found

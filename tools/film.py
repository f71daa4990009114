"""The frames of a camera path as files: pictures by number, or one mp4; and the frames of a video file."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import spherical
from .errors import UserError, shown

_NUMBER = re.compile(r"%(0[1-9])?d")
_CODECS = ("libx264", "mpeg4")  # the first that the installed library has
_QUALITY = {"libx264": {"crf": "18"}, "mpeg4": {"qmin": "2", "qmax": "4"}}
_MAX_DENOMINATOR = 1001  # 29.97 fps is 30000/1001
_FIX = f"{sys.executable} -m pip install 'av>=18'"
_BT709, _LIMITED = 1, 1  # as ISO/IEC 23091-2 and FFmpeg number them


def frame_names(out: Path) -> Callable[[int], Path]:
    """How frame i of a film is called: `out` is a folder, made where it is missing, or a pattern.

    Raises UserError for anything else.
    """
    if _NUMBER.search(out.name):
        if out.name.count("%") != 1:
            raise UserError(f"{out}: a pattern has one number and no other %, like frame_%05d.png")
        return lambda i: out.with_name(_NUMBER.sub(lambda found: found[0] % i, out.name))
    if "%" in out.name or (out.suffix and not out.is_dir()):
        raise UserError(
            f"{out}: the frames of a path need a folder, a pattern like frame_%05d.png, or an .mp4"
        )
    try:
        out.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot make this folder ({error.strerror})") from None
    return lambda i: out / f"frame_{i:05d}.png"


@contextmanager
def open_mp4(
    out: Path, size: tuple[int, int], fps: float, projection: str = "planar"
) -> Iterator[Callable[[NDArray[np.uint8]], None]]:
    """Give a function that takes one frame after the other, [height, width, 3 or 4] uint8 sRGB.

    The file appears when all are in, and says what kind of frames they are (layout.PROJECTIONS). Raises
    UserError where it cannot be written.
    """
    try:
        import av
    except ImportError:
        raise UserError(f"an .mp4 needs PyAV: draw into a folder, or type: {_FIX}") from None
    if size[0] % 2 or size[1] % 2:
        raise UserError(f"the sides of an .mp4 are even, not {size[0]}x{size[1]}")
    part = out.with_name(out.name + ".part")
    codec = next(name for name in _CODECS if name in av.codecs_available)
    try:
        with av.open(str(part), "w", format="mp4") as container:
            rate = max(Fraction(fps).limit_denominator(_MAX_DENOMINATOR), Fraction(1, _MAX_DENOMINATOR))
            stream: Any = container.add_stream(codec, rate=rate, options=_QUALITY[codec])
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"  # what every player shows
            context = stream.codec_context
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = _LIMITED

            def put(rgba: NDArray[np.uint8]) -> None:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgba[..., :3]), format="rgb24")
                container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))

            yield put
            container.mux(stream.encode())
        spherical.mark(part, projection)
        part.replace(out)
    except (OSError, ValueError, av.FFmpegError) as error:
        raise UserError(f"{out}: cannot write this film ({error})") from None
    finally:
        part.unlink(missing_ok=True)


def decoded(path: Path, max_pixels: int) -> Iterator[NDArray[np.uint8]]:
    """The frames of a video, one after the other, [height, width, 3] uint8 sRGB. Raises UserError."""
    try:
        import av
    except ImportError:
        raise UserError(f"{shown(path)} is a video: unpack it into pictures, or type: {_FIX}") from None
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                if frame.width * frame.height > max_pixels:
                    raise UserError(f"{shown(path)} has more than {max_pixels:,} pixels a frame")
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    except (OSError, ValueError, IndexError, av.FFmpegError) as error:
        raise UserError(f"{shown(path)} cannot be decoded: {shown(error)}") from None

"""One client's conversation: its messages in, its frames out, each as soon as the other end can take it."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, replace
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from ...app.camera import Pose
from ...app.moving.state import FAST, SLOW, SPEED_PER_CLICK
from ...app.moving.step import DEGREES_PER_PIXEL
from ...atlas.layout import PASSES
from .messages import FOV_DEG, MAX_PITCH, QUALITIES, BadMessageError, Got, Look, Message, Moved, Role, parse
from .seats import MAX_SEATS, Hall, Seat, Wish

GONE, POLICY, TRY_LATER = 1011, 1008, 1013  # close codes of RFC 6455


@dataclass(frozen=True, slots=True)
class About:
    """What a page is told of the world it shows."""

    name: str
    gl_renderer: str
    voxel_size_m: float
    extent_m: float  # the diagonal of the world's bounds


async def talk(connection: ServerConnection, hall: Hall, about: About) -> None:
    """Everything between a client's coming and its going. Nothing of it is left when this returns."""
    seat = hall.join()
    if seat is None:
        await connection.close(TRY_LATER, f"{MAX_SEATS} are here already")
        return
    sender = asyncio.create_task(_send(connection, hall, seat, about))
    try:
        async for text in connection:
            act(hall, seat, parse(text))
    except BadMessageError as error:
        await connection.close(POLICY, str(error)[:120])  # a reason has room for 123 bytes
    except ConnectionClosed:
        pass  # without a farewell: a cable, a lid, a crash
    finally:
        hall.leave(seat)
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sender


def act(hall: Hall, seat: Seat, message: Message) -> None:
    """Do what a client says."""
    match message:
        case Moved(seq, pose) if seat.flies:
            hall.wish(seat, moved(seat, pose, seq))
        case Look():
            hall.wish(seat, replace(seat.wish, look=message))
        case Got(n):
            seat.answered(n)
            hall.wake.set()
        case Role(flies=True):
            hall.fly(seat)
        case Role(flies=False):
            hall.watch(seat)


async def _send(connection: ServerConnection, hall: Hall, seat: Seat, about: About) -> None:
    """What the client is to know, then frame after frame, as fast as it says that it has them."""
    try:
        await connection.send(json.dumps(_hello(hall, seat, about)))
        await _send_all(connection, hall, seat)
    except ConnectionClosed:
        pass  # whoever reads has been told so too
    finally:
        await connection.close(GONE)


async def _send_all(connection: ServerConnection, hall: Hall, seat: Seat) -> None:
    while True:
        if seat.is_news:
            seat.is_news = False
            await connection.send(json.dumps(_news(hall, seat)))
        elif seat.note:
            note, seat.note = seat.note, ""
            await connection.send(json.dumps({"tell": "note", "text": note}))
        elif seat.may_send:
            frame = seat.take()
            hall.wake.set()  # there is room again
            await connection.send(frame.data)
        else:
            seat.changed.clear()
            await seat.changed.wait()


def moved(seat: Seat, pose: Pose, seq: int) -> Wish:
    """The wish after a pose message; to say the same pose again is no motion."""
    wish = seat.wish
    moved_s = wish.moved_s if pose == wish.pose else time.monotonic()
    return replace(wish, pose=pose, seq=seq, moved_s=moved_s)


def _hello(hall: Hall, seat: Seat, about: About) -> dict[str, Any]:
    home, look = hall.home, seat.wish.look
    return {
        "tell": "hello",
        "world": about.name,
        "gl": about.gl_renderer,
        "voxel_m": about.voxel_size_m,
        "extent_m": about.extent_m,
        "largest": hall.largest,
        "home": [home.x, home.y, home.z, home.yaw, home.pitch],
        "passes": PASSES,
        "qualities": QUALITIES,
        "fov": [*FOV_DEG, look.fov_deg],
        "max_pitch": MAX_PITCH,
        "degrees_per_pixel": DEGREES_PER_PIXEL,
        "speed_per_click": SPEED_PER_CLICK,
        "fast": FAST,
        "slow": SLOW,
    }


def _news(hall: Hall, seat: Seat) -> dict[str, Any]:
    pose = seat.wish.pose
    return {
        "tell": "role",
        "flies": seat.flies,
        "pose": [pose.x, pose.y, pose.z, pose.yaw, pose.pitch],
        "number": seat.number,
        "here": len(hall.seats),
        "flying": sum(other.flies for other in hall.seats),
    }

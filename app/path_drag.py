"""Dragging a key of the camera path in the scene. `moved` is pure; `hold` is asked once a frame."""

import math
from dataclasses import dataclass, replace

import numpy as np

from . import path_desk, path_edit, path_lines
from .camera import Pose, View
from .pixels import directions
from .session import Session
from .window import Input

FARTHER_PER_PIXEL = 1.005  # what the distance grows by, for each pixel upwards
_MOST_PIXELS = 800.0  # in one drag: 54 times as far, or as near
_LEAST_PIXELS = 1.0  # a hand that only clicks moves a little less


@dataclass(frozen=True, slots=True)
class Drag:
    """A press of the button somewhere in the picture: which key it is on, if any, and where that stood."""

    start: tuple[float, float]  # picture pixels
    key: int | None = None
    pose: Pose | None = None
    view: View | None = None


def moved(
    pose: Pose,
    view: View,
    start: tuple[float, float],
    cursor: tuple[float, float],
    voxel_size_m: float,
    deeper: bool = False,
) -> Pose:
    """Where a key is to stand when the mouse has been dragged from start to cursor, in pixels of the view.

    It follows the cursor at the depth that it had (of a flat picture; else at the distance that it had); what
    it was grabbed beside its middle stays. deeper: it stays under its pixel, up is farther and down nearer.
    """
    eye = view.eyes_voxels[0] * voxel_size_m
    away = np.array([pose.x, pose.y, pose.z]) - eye
    if deeper:
        upwards = min(max(start[1] - cursor[1], -_MOST_PIXELS), _MOST_PIXELS)
        to = eye + away * FARTHER_PER_PIXEL**upwards
    else:
        at = path_lines.project(view, (eye + away)[None] / voxel_size_m)
        way = directions(view, at + np.subtract(cursor, start))[0]
        if view.is_all_around:
            depth = float(np.linalg.norm(away) / np.linalg.norm(way))
        else:
            depth = float(away @ view.axis)
        to = eye + way * depth
    if not np.isfinite(to).all():
        return pose
    x, y, z = to.tolist()
    return replace(pose, x=x, y=y, z=z)


def hold(session: Session, now: Input) -> Input:
    """One frame of a drag. -> the input that is left: while a key is dragged the view does not turn"""
    desk = path_desk.desk_of(session)
    if now.drag_from is None:
        if desk.drag is not None and desk.drag.key is not None:
            desk.editor.release()
        desk.drag = None
        return now
    if desk.drag is None or desk.drag.start != now.drag_from:
        desk.drag = _begun(session, now.drag_from)
    drag = desk.drag
    if drag.key is None or drag.pose is None or drag.view is None:
        return now
    if math.dist(drag.start, now.cursor) >= _LEAST_PIXELS:
        to = moved(drag.pose, drag.view, drag.start, now.cursor, session.scene.voxel_size_m, now.fast)
        key = drag.key
        path_desk.edit(session, lambda draft: path_edit.move(draft, key, to), drag)
    return replace(now, turn=(0.0, 0.0), double_clicked=False)


def _begun(session: Session, start: tuple[float, float]) -> Drag:
    desk = path_desk.desk_of(session)
    if not desk.shows_way or path_desk.is_busy(session):
        return Drag(start)
    key, view = path_desk.handle_at(session, start), path_desk.view_of(session)
    if key is None or view is None:
        return Drag(start)
    desk.editor.do(path_edit.choose(desk.draft, key))
    return Drag(start, key, desk.draft.keys[key].pose, view)

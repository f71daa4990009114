"""A viewer to be driven from outside: `voxtide view`, which tells its state and takes drops through files.

Usage: python driven_viewer.py FOLDER ARGUMENTS of `voxtide view`. FOLDER/state.json is written ten times a
second; a path written to FOLDER/drop reaches the callback that glfw would call for a drop.
"""

import json
import sys
import time
from pathlib import Path

import glfw
from imgui_bundle import imgui
from voxtide.app.panel.kept import Kept
from voxtide.app.panel.panel import Panel
from voxtide.app.panel.windows import WINDOWS
from voxtide.app.remembering import Remembering
from voxtide.app.show import Show
from voxtide.app.window import Window
from voxtide.tools.cli import main

TELL_S = 0.1
WIDGETS = ("button", "checkbox", "selectable", "slider_float", "drag_float", "input_text", "input_int2")

shown = {}  # label -> (x, y) of what a mouse can reach, of the panel's last picture
n_turns = [0]  # of the viewer's loop
is_settled = [False]  # the window shows all that there is to see


def state_of(session):
    pose, path = session.pose, session.path
    return {
        "turns": n_turns[0],
        "world": session.name,
        "worlds": session.worlds,
        "pose": [pose.x, pose.y, pose.z, pose.yaw, pose.pitch],
        "mode": session.mode,
        "pass": session.pass_name,
        "picked": session.picked.voxel if session.picked else None,
        "size": session.size,
        "help": session.shows_help,
        "settled": is_settled[0],
        "drawn": session.view.size if session.view else None,
        "fov_deg": session.settings.fov_deg,
        "shadows": session.settings.shadows,
        "recent": session.recent,
        "bakings": [baking.stage for baking in session.bakings],
        "keys": len(path.draft.path.keys) if path and path.path else 0,
        "key_poses": [[k.pose.x, k.pose.y, k.pose.z] for k in path.draft.keys] if path else [],
        "key_pixels": path.lines.keys if path and path.lines else [],
        "fps": path.draft.fps if path else None,
        "film_size": path.size if path else None,
        "film_frames": path.path.n_frames if path and path.path else 0,
        "recorded": path.done if path else None,
        "playing": bool(path and path.is_playing),
        "frames": session.history.n,
        "frame_ms": session.history.percentile("frame_ms", 50),
        "messages": [text for _, text in session.messages],
        "widgets": dict(shown),
    }


def tell_widgets():
    """Have imgui's widgets say where they are, so that a person who can read finds them."""
    seen = {}  # window -> label -> where, since it was built last
    building = [""]

    def is_inside(low, high):
        """Whether all of it is to be seen in its window, which may have been scrolled."""
        room = imgui.internal.get_current_window().inner_clip_rect
        return room.min.y <= low.y and high.y <= room.max.y and room.min.x - 4 <= low.x

    def wrapped(call):
        def run(label, *arguments, **more):
            answer = call(label, *arguments, **more)
            low, high = imgui.get_item_rect_min(), imgui.get_item_rect_max()
            if imgui.is_item_visible() and is_inside(low, high):
                seen.setdefault(building[0], {})[label] = (low.x + high.x) / 2, (low.y + high.y) / 2
            return answer

        return run

    for name in WIDGETS:
        setattr(imgui, name, wrapped(getattr(imgui, name)))
    draw, build, forget = Panel.draw, Kept.build, Kept.forget

    def build_and_look(self, title):
        building[0], seen[title] = title, {}
        build(self, title)

    def forget_and_look(self, title):
        seen.pop(title, None)
        forget(self, title)

    def draw_and_look(self, session, size):
        is_new = draw(self, session, size)
        if is_new:
            shown.clear()
            for window in WINDOWS:
                tab = imgui.internal.find_window_by_name(window.title).dc.dock_tab_item_rect
                shown[f"tab {window.title}"] = (tab.min.x + tab.max.x) / 2, (tab.min.y + tab.max.y) / 2
                shown.update(seen.get(window.title, {}))
        return is_new

    Panel.draw, Kept.build, Kept.forget = draw_and_look, build_and_look, forget_and_look


def tell_whether_settled():
    draw = Show.draw

    def draw_and_ask(self, session, picture, window):
        is_new = draw(self, session, picture, window)
        is_settled[0] = self._is_settled
        return is_new

    Show.draw = draw_and_ask


def drive(folder, arguments):
    told = [0.0]
    keep, poll, events = Remembering.keep, Window.poll, glfw.poll_events

    def keep_and_tell(self, session, now):
        keep(self, session, now)
        n_turns[0] += 1
        if time.monotonic() - told[0] > TELL_S:
            told[0] = time.monotonic()
            part = folder / "state.part"
            part.write_text(json.dumps(state_of(session)))
            part.replace(folder / "state.json")

    def poll_and_drop(self):
        """glfw calls back while it polls: so does this."""

        def poll_events():
            events()
            drop = folder / "drop"
            if drop.exists():
                self.on_drop(self.handle, [drop.read_text()])
                drop.unlink()

        glfw.poll_events = poll_events
        return poll(self)

    Remembering.keep, Window.poll = keep_and_tell, poll_and_drop
    tell_widgets()
    tell_whether_settled()
    return main(["view", *arguments])


if __name__ == "__main__":
    sys.exit(drive(Path(sys.argv[1]), sys.argv[2:]))

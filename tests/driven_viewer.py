"""A viewer to be driven from outside: `voxtide view`, which tells its state and takes drops through files.

Usage: python driven_viewer.py FOLDER ARGUMENTS of `voxtide view`. FOLDER/state.json is written ten times a
second; a path written to FOLDER/drop reaches the callback that glfw would call for a drop.
"""

import json
import sys
import time
from pathlib import Path

import glfw
from voxtide.app.remembering import Remembering
from voxtide.app.window import Window
from voxtide.tools.cli import main

TELL_S = 0.1


def state_of(session):
    pose = session.pose
    return {
        "world": session.name,
        "pose": [pose.x, pose.y, pose.z, pose.yaw, pose.pitch],
        "mode": session.mode,
        "pass": session.pass_name,
        "picked": session.picked.voxel if session.picked else None,
        "size": session.size,
        "help": session.shows_help,
        "drawn": session.view.size if session.view else None,
        "fov_deg": session.settings.fov_deg,
        "shadows": session.settings.shadows,
        "recent": session.recent,
        "bakings": [baking.stage for baking in session.bakings],
        "keys": len(session.path.draft.path.keys) if session.path and session.path.path else 0,
        "playing": bool(session.path and session.path.is_playing),
        "frames": session.history.n,
        "frame_ms": session.history.percentile("frame_ms", 50),
        "messages": [text for _, text in session.messages],
    }


def drive(folder, arguments):
    told = [0.0]
    keep, poll, events = Remembering.keep, Window.poll, glfw.poll_events

    def keep_and_tell(self, session, now):
        keep(self, session, now)
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
    return main(["view", *arguments])


if __name__ == "__main__":
    sys.exit(drive(Path(sys.argv[1]), sys.argv[2:]))

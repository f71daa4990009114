"""Flying, orbit, focus, pads, bookmarks: what input makes of a pose."""

import math
from dataclasses import replace

import glfw
import pytest
from solid_ground import box, ground_of
from voxtide.app.camera import Pose
from voxtide.app.moving.fly import GLIDE_S, fly, focus, glided, go_to, orbit
from voxtide.app.moving.gamepad import DEAD_ZONE, LOOK_DEG_S, Pad, both, steered
from voxtide.app.moving.places import Bookmarks, bookmarks_of_json, pose_of_text, pose_text
from voxtide.app.moving.state import Manner, Moving, Steer, position
from voxtide.app.moving.step import advance, keyboard, switched

HARD, SOFT = Manner(inertia_s=0.0, is_by_distance=False), Manner(inertia_s=0.2, is_by_distance=False)
HERE = Moving(Pose(1.0, 2.0, 3.0, 90.0, 0.0), pace=2.0, near_m=1.5)
AHEAD = Steer(move=(1.0, 0.0, 0.0))


def go(state, steer, manner, seconds, n_frames, step=fly):
    for _ in range(n_frames):
        state = step(state, steer, manner, seconds / n_frames)
    return state


def test_flying_goes_where_the_eye_looks_at_its_speed():
    assert HERE.speed_m_s == 3.0
    assert position(fly(HERE, AHEAD, HARD, 0.5).pose) == pytest.approx((1.0, 3.5, 3.0))
    assert position(fly(HERE, Steer((0, 1, 0)), HARD, 0.5).pose) == pytest.approx((2.5, 2.0, 3.0))
    assert position(fly(HERE, replace(AHEAD, fast=True), HARD, 0.5).pose) == pytest.approx((1.0, 17.0, 3.0))
    assert position(fly(HERE, replace(AHEAD, slow=True), HARD, 0.5).pose) == pytest.approx((1.0, 2.15, 3.0))
    up = replace(HERE, pose=replace(HERE.pose, pitch=60.0))
    assert position(fly(up, AHEAD, HARD, 1.0).pose) == pytest.approx((1, 3.5, 3 + 3 * math.sin(math.pi / 3)))
    diagonal = fly(HERE, Steer((1, 1, 1)), HARD, 1.0)
    assert math.dist(position(diagonal.pose), (1, 2, 3)) == pytest.approx(3.0), "no faster along a diagonal"


def test_looking_does_not_wait_and_does_not_turn_over():
    seen = fly(HERE, keyboard((0, 0, 0), (20.0, -10.0), 0.0, False, False), SOFT, 1e-3).pose
    assert (seen.yaw, seen.pitch) == (pytest.approx(87.0), pytest.approx(1.5))
    assert fly(HERE, Steer(turn_deg=(0, -500)), SOFT, 0.1).pose.pitch < 90


@pytest.mark.parametrize("manner", [HARD, SOFT])
def test_frames_of_any_length_end_in_the_same_place(manner):
    ends = [position(go(HERE, AHEAD, manner, 0.8, n).pose) for n in (1, 7, 240)]
    assert ends[0] == pytest.approx(ends[1])
    assert ends[0] == pytest.approx(ends[2])


def test_inertia_starts_in_the_very_first_frame_and_ends():
    first = fly(HERE, AHEAD, SOFT, 1 / 60)
    assert 0 < first.pose.y - 2.0 < 3.0 / 60
    moving = go(HERE, AHEAD, SOFT, 2.0, 60)
    assert math.hypot(*moving.velocity) == pytest.approx(3.0, rel=1e-3)
    rolling = fly(moving, Steer(), SOFT, 1 / 60)
    assert rolling.pose.y > moving.pose.y and not rolling.is_still
    still = go(moving, Steer(), SOFT, 2.0, 60)
    assert still.is_still
    assert still.pose.y - moving.pose.y == pytest.approx(3.0 * 0.2, rel=1e-2)
    assert fly(go(HERE, AHEAD, HARD, 1.0, 5), Steer(), HARD, 0.1).is_still, "switched off"


def test_the_wheel_sets_the_speed_within_limits():
    assert fly(HERE, Steer(clicks=1), HARD, 0.1).pace == pytest.approx(2.4)
    assert go(HERE, Steer(clicks=30), HARD, 1.0, 10).pace == 100.0


def test_speed_follows_what_is_near():
    ground = ground_of(box((0, -40, -40), (2, 40, 40)), size_m=0.1)
    manner = Manner(inertia_s=0.0)

    def speed_at(x):
        state = Moving(Pose(x, 0.0, 0.0, 0.0, 0.0))
        for _ in range(200):
            state = advance(state, Steer(move=(0.0, 1e-9, 0.0)), manner, 1 / 60, ground, 100.0)
        return state.speed_m_s

    near, middle, far = speed_at(-1.0), speed_at(-10.0), speed_at(-1e4)
    assert 0.5 < near < 2.0 and 4.0 < middle < 16.0
    assert far == pytest.approx(6 * 32 * 0.1, rel=1e-3), "no more than the coarsest level looks around"
    plain = advance(Moving(Pose(-1, 0, 0, 0, 0), near_m=7.0), Steer(), HARD, 0.1, ground, 100.0)
    assert plain.speed_m_s == 7.0


def test_orbit_turns_about_its_pivot_and_keeps_the_distance():
    state = switched(HERE, "orbit", HARD, ground_of(box((0, 0, 0), (1, 1, 1))), (1.0, 6.0, 3.0))
    for turn in ((30.0, 0.0), (0.0, 20.0), (-200.0, -60.0)):
        state = orbit(state, Steer(turn_deg=turn), HARD, 0.1)
        assert math.dist(position(state.pose), state.pivot) == pytest.approx(4.0)
        ahead = [p + 4 * f for p, f in zip(position(state.pose), state.pose.forward, strict=True)]
        assert ahead == pytest.approx(state.pivot, abs=1e-6)
    assert orbit(state, Steer(), HARD, 0.1) == state, "left alone it does not creep"
    nearer = orbit(state, Steer(clicks=2.0), HARD, 0.1)
    assert math.dist(position(nearer.pose), state.pivot) == pytest.approx(4.0 / 1.44)
    along = orbit(nearer, AHEAD, HARD, 0.1)
    assert along.pivot != nearer.pivot
    assert math.dist(position(along.pose), along.pivot) == pytest.approx(4.0 / 1.44)


def test_v_is_a_toggle_and_orbit_without_a_pick_turns_about_what_is_near():
    ground = ground_of(box((0, 0, 0), (1, 1, 1)))
    state = switched(HERE, "orbit", HARD, ground, None)
    assert state.pivot == pytest.approx((1.0, 3.5, 3.0))
    assert switched(state, "orbit", HARD, ground, None).mode == "fly"
    assert switched(HERE, "orbit", HARD, ground, (math.inf, 0, 0)).pivot == pytest.approx((1.0, 3.5, 3.0))


def test_focus_glides_to_half_the_distance_and_is_given_up_for_input():
    ground = ground_of(box((0, 0, 0), (1, 1, 1)))
    target = (5.0, 2.0, 6.0)
    state = focus(HERE, target)
    turns = []
    for _ in range(40):
        state = advance(state, Steer(), HARD, GLIDE_S / 30, ground, 100.0)
        turns.append(state.pose.yaw)
    assert state.is_still and state.mode == "orbit"
    assert math.dist(position(state.pose), target) == pytest.approx(2.5)
    ahead = [p + 2.5 * f for p, f in zip(position(state.pose), state.pose.forward, strict=True)]
    assert ahead == pytest.approx(target, abs=1e-6)
    taken = advance(focus(HERE, target), Steer(turn_deg=(1.0, 0.0)), HARD, 1 / 60, ground, 100.0)
    assert taken.glide is None


def test_a_glide_turns_the_shorter_way():
    state = replace(HERE, pose=Pose(0, 0, 0, 350.0, 0.0), glide=(Pose(0, 0, 0, 10.0, 0.0), 0.3))
    half = glided(state, 0.1).pose.yaw
    assert half > 350.0 or half < 10.0


def test_home_and_bookmarks_leave_no_motion_behind():
    there = Pose(9.0, 9.0, 9.0, 10.0, -5.0)
    state = go_to(replace(go(HERE, AHEAD, SOFT, 1.0, 9), mode="walk", dip_m=0.2), there)
    assert state.pose == there and state.is_still and state.mode == "fly"
    marks = Bookmarks().put(3, there).put(9, HERE.pose)
    assert marks.get(3) == there and marks.get(1) is None
    assert bookmarks_of_json(marks.as_json()) == marks
    assert marks.put(3, None).get(3) is None
    for broken in (None, [1], {"3": 7, "10": pose_text(there), "x": "y", "2": "nonsense"}):
        assert bookmarks_of_json(broken) == Bookmarks()


def test_a_pose_survives_the_clipboard():
    pose = Pose(-1.25, 20000.5, 0.0001, 359.125, -89.5)
    assert pose_of_text(pose_text(pose)) == pose
    assert pose_of_text("  1, 2,3e0 ,-90,4\n") == Pose(1, 2, 3, 270, 4)
    assert pose_of_text("--pose 1,2,3,4,5") == Pose(1, 2, 3, 4, 5)
    rolled = Pose(1, 2, 3, 4, 5, -6.5)
    assert pose_of_text(pose_text(rolled)) == rolled
    tilted = replace(HERE, pose=rolled)
    assert fly(tilted, AHEAD, HARD, 0.1).pose.roll == -6.5
    assert fly(tilted, Steer(turn_deg=(1.0, 0.0)), HARD, 0.1).pose.roll == 0.0, "who looks around is level"
    for text in (
        "",
        "1,2,3,4",
        "nan,0,0,0,0",
        "1,2,3,4,inf",
        "1e300,0,0,0,0",
        "x" * 10_000_000,
        "1,2,3,4,5,6,7",
    ):
        with pytest.raises(ValueError, match="pose"):
            pose_of_text(text)


def test_a_pad_at_rest_asks_for_nothing_although_its_sticks_are_worn():
    worn = Pad((0.1, -0.1, 0.08, 0.1, -0.9, -1.0))
    steer, asks = steered(worn, Pad(), 0.1)
    assert steer == Steer() and not asks
    assert steered(Pad((math.nan,) * 6), Pad(), 0.1)[0].turn_deg == (0.0, 0.0)


def test_a_pad_moves_looks_and_asks_once():
    full = Pad(
        (0.0, -1.0, 1.0, 0.0, -1.0, 1.0), frozenset({glfw.GAMEPAD_BUTTON_Y, glfw.GAMEPAD_BUTTON_DPAD_UP})
    )
    steer, asks = steered(full, Pad(), 0.5)
    assert steer.move == (1.0, 0.0, 1.0)
    assert steer.turn_deg == (LOOK_DEG_S / 2, 0.0)
    assert steer.clicks == 1.0 and asks == {"orbit"}
    again, asks = steered(full, full, 0.5)
    assert again.clicks == 0.0 and not asks
    fine = steered(Pad((0.0, -(1 + DEAD_ZONE) / 2, 0, 0, -1, -1)), Pad(), 0.5)[0]
    assert fine.move[0] == pytest.approx(0.25), "half the way is a quarter of the speed"


def test_keyboard_and_pad_together_are_no_faster_than_one():
    together = both(AHEAD, Steer((1.0, -0.5, 0.0), (1.0, 2.0), 1.0, fast=True))
    assert together == Steer((1.0, -0.5, 0.0), (1.0, 2.0), 1.0, True, False)

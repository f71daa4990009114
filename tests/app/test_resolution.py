"""Adaptive resolution against an imagined renderer, whose frames take a fixed time and more per pixel."""

import numpy as np
import pytest
from voxtide.app.resolution import REST_S, Resolution, scaled_size

PIXELS = 940 * 720


def fly(resolution, seconds, target_fps, fixed_s, per_pixel_s, rng, start=0.0, noise=0.15, lowest=0.1):
    """Move for so long. -> when each frame was shown"""
    now, shown = start, []
    while now < start + seconds:
        scale = resolution.begin(True, now, 1.0, lowest)
        width, height = scaled_size((940, 720), scale, "planar")
        now += fixed_s + per_pixel_s * width * height * float(rng.lognormal(0, noise))
        resolution.shown(now, target_fps, True)
        shown.append(now)
    return np.array(shown)


@pytest.mark.parametrize("target_fps", [15.0, 24.0, 60.0])
@pytest.mark.parametrize(("fixed_s", "full_s"), [(0.002, 0.3), (0.006, 0.12), (0.010, 1.5)])
def test_a_frame_rate_is_held_within_a_tenth(rng, target_fps, fixed_s, full_s):
    resolution = Resolution()
    shown = fly(resolution, 6.0, target_fps, fixed_s, full_s / PIXELS, rng, lowest=0.03)
    late = shown[shown > 2.0]
    fps = (len(late) - 1) / (late[-1] - late[0])
    assert abs(fps / target_fps - 1) < 0.1


def test_a_single_late_frame_changes_little(rng):
    resolution = Resolution()
    shown = fly(resolution, 3.0, 15.0, 0.005, 0.3 / PIXELS, rng, noise=0.0)
    before = resolution.area
    resolution.shown(shown[-1] + 0.8, 15.0, True)
    assert resolution.area == pytest.approx(before, rel=0.1)


def test_a_renderer_that_is_fast_enough_draws_all_pixels(rng):
    resolution = Resolution()
    fly(resolution, 2.0, 15.0, 0.002, 0.03 / PIXELS, rng)
    assert resolution.begin(True, 2.1, 1.0, 0.1) == 1.0


def test_it_never_goes_below_the_lowest(rng):
    resolution = Resolution()
    fly(resolution, 3.0, 200.0, 0.05, 1.0 / PIXELS, rng, lowest=0.4)
    assert resolution.begin(True, 3.0, 1.0, 0.4) == pytest.approx(0.4)


def test_all_pixels_again_soon_after_stopping(rng):
    resolution = Resolution()
    stopped = fly(resolution, 2.0, 15.0, 0.005, 0.3 / PIXELS, rng)[-1]
    assert resolution.begin(False, stopped, 1.0, 0.1) < 0.7, "a short pause keeps it"
    assert resolution.begin(False, stopped + REST_S + 0.07, 1.0, 0.1) == 1.0
    assert REST_S < 0.3 / 2, "there must be time left to draw that frame"


def test_a_pause_is_no_slow_frame(rng):
    resolution = Resolution()
    last = fly(resolution, 3.0, 15.0, 0.005, 0.3 / PIXELS, rng)[-1]
    before = resolution.area
    resolution.begin(False, last + 5, 1.0, 0.1)
    resolution.shown(last + 5.1, 15.0, False)
    resolution.begin(True, last + 9, 1.0, 0.1)
    resolution.shown(last + 9.07, 15.0, True)
    assert resolution.area == before


def test_two_eyes_have_an_even_width():
    assert scaled_size((941, 720), 0.5, "stereo") == (470, 360)
    assert scaled_size((945, 720), 0.333, "stereo")[0] % 2 == 0
    assert scaled_size((5, 5), 0.1, "planar") == (5, 5)


@pytest.mark.parametrize("every", [2, 3, 4])
def test_frames_that_also_draw_the_panel_count(every):
    """The rate is held, not the time of the usual frame: else every panel would cost frames."""
    resolution, now, shown = Resolution(), 0.0, []
    for i in range(300):
        scale = resolution.begin(True, now, 1.0, 0.1)
        now += 0.01 + 0.12 * scale**2 + (0.025 if i % every == 0 else 0.0)
        resolution.shown(now, 15.0, True)
        shown.append(now)
    assert 99 / (shown[-1] - shown[-100]) == pytest.approx(15.0, rel=0.05)

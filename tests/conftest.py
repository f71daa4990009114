"""Fixtures every room's tests share."""

import os

import numpy as np
import pytest


@pytest.fixture
def rng():
    """The same random numbers on every run."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def gl_context():
    """One context without a display. A machine without EGL is an error, not a silent skip."""
    if os.environ.get("VOXTIDE_NO_GL"):
        pytest.skip("VOXTIDE_NO_GL is set")
    import moderngl

    context = moderngl.create_context(standalone=True, backend="egl", require=450)
    yield context
    context.release()


@pytest.fixture
def gl(gl_context):
    """The shared context; the test fails if it starts or ends with a GL error pending."""
    assert gl_context.error == "GL_NO_ERROR", "a GL error was pending before this test"
    yield gl_context
    assert gl_context.error == "GL_NO_ERROR", "this test left a GL error behind"

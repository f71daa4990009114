"""Nothing in a reader may rely on the caller's floating-point settings."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def loud_numpy():
    with np.errstate(all="raise"):
        yield

"""Where the real scenes lie. Tests that need one skip, with a reason, on a machine without them."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("VOXTIDE_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def needs(*parts: str) -> Path:
    """The path below the shared data, or a skip."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs shared/data/{'/'.join(parts)}")
    return path

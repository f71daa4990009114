"""Where the shared real scenes lie; tests that need them skip with a reason when they are absent."""

import os
from pathlib import Path

import pytest

SHARED = Path(
    os.environ.get("VOXTIDE_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
)


def needs(*parts: str) -> Path:
    """The path below SHARED, or skip."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs shared/data/{'/'.join(parts)}")
    return path

"""The one place that asks whether torch is installed."""

from importlib.util import find_spec
from typing import Any

from ...errors import UserError

MISSING = "torch is not installed: pip install 'voxtide[lyra]'"


def installed() -> bool:
    return find_spec("torch") is not None


def require() -> Any:
    """The module. UserError where it is not installed."""
    if not installed():
        raise UserError(MISSING)
    import torch

    return torch

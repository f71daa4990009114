"""What a file of weights says of itself, without torch: sizes, data, licence."""

import json
from pathlib import Path

from ...errors import UserError, shown
from . import safetensors
from .config import GRAMMAR, Config

FORMAT = "voxtide-tinyloop-1"


def read_stamp(path: Path) -> tuple[Config, dict[str, str]]:
    """Sizes and origin; reads the header alone. UserError."""
    told = safetensors.read_header(path).metadata
    if told.get("format") != FORMAT or told.get("grammar") != GRAMMAR:
        raise UserError(f"{shown(path)} holds no weights of {FORMAT} for the scenes {GRAMMAR}")
    try:
        return Config.read(json.loads(told.get("config", ""))), told
    except (ValueError, RecursionError) as error:
        raise UserError(f"{shown(path)}: {shown(error)}") from None

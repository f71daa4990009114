"""What TinyLoop makes of a prompt: one of the kinds of scene that it was trained on, or nothing."""

import re

from ..words import plurals
from .grammar import THEMES

_FORMS = {form: theme for word, theme in THEMES.items() for form in (word, *plurals(word))}


def theme_of(prompt: str) -> int:
    """The first kind of scene that a prompt names; 0: none."""
    return next((_FORMS[w] for w in re.findall(r"[a-z]+", prompt.lower()) if w in _FORMS), 0)


def unknown_words(prompt: str) -> bool:
    """Whether a prompt says something, and nothing that TinyLoop knows."""
    return bool(prompt.strip()) and not theme_of(prompt)

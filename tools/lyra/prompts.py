"""Captions to structured prompts: which entities a text speaks of, and what they look like."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from .vocabulary import EntityVocabulary, Stream

_WORD = re.compile(r"[a-z0-9]+")
_CLOSED = re.compile(r"[.!?][\"')\]]*$")


@dataclass(frozen=True, slots=True)
class Mention:
    """Where a text speaks of an entity: text[start:end]."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """text: for the generator; names: each entity once, as first mentioned; stream: the same as codes."""

    text: str
    names: tuple[str, ...]
    stream: Stream


def mentions(text: str, vocabulary: EntityVocabulary) -> list[Mention]:
    """Every entity in a text, in order: longest phrase first, whole words, any case, plurals, no overlap.

    A hyphen is a space. Words of a phrase have nothing but spaces and hyphens between them.
    """
    words = list(_WORD.finditer(text.lower()))
    longest = max(map(len, vocabulary.phrases), default=0)
    found, i = [], 0
    while i < len(words):
        for n in range(min(longest, len(words) - i), 0, -1):
            run = words[i : i + n]
            name = vocabulary.phrases.get(tuple(w[0] for w in run))
            if name and _together(text, run):
                found.append(Mention(name, run[0].start(), run[-1].end()))
                i += n
                break
        else:
            i += 1
    return found


def _together(text: str, run: list[re.Match[str]]) -> bool:
    gaps = (text[a.end() : b.start()] for a, b in pairwise(run))
    return all(gap.strip(" \t\n-") == "" for gap in gaps)


def build(caption: str, vocabulary: EntityVocabulary) -> Prompt:
    """A caption, and behind it how each entity it speaks of looks. What speaks of none stays as it is.

    Deterministic: the same caption and vocabulary give the same prompt.
    """
    text = " ".join(caption.split())
    names = tuple(dict.fromkeys(m.name for m in mentions(text, vocabulary)))
    if names:
        told = "; ".join(vocabulary.entity(vocabulary.ids[name]).string for name in names)
        text = f"{text if _CLOSED.search(text) else text + '.'} In view: {told}."
    return Prompt(text, names, vocabulary.encode(names))


def caption_hook(vocabulary: EntityVocabulary, resort_every: int = 100) -> Callable[[str], Prompt]:
    """For a backend: caption -> prompt. Counts what is used, and sorts the vocabulary anew now and then.

    The prompt's stream is of the version it was made in; the vocabulary reads it for ever.
    """
    if resort_every < 1:
        raise ValueError("resort_every: at least 1")
    n_captions = 0

    def hook(caption: str) -> Prompt:
        nonlocal n_captions
        prompt = build(caption, vocabulary)
        vocabulary.count(prompt.names)
        n_captions += 1
        if n_captions % resort_every == 0:
            vocabulary.resort()
        return prompt

    return hook

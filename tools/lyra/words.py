"""English plurals, as far as names of things need them."""

Words = tuple[str, ...]

_IRREGULAR = {
    "person": ("people", "persons"),
    "man": ("men",),
    "woman": ("women",),
    "child": ("children",),
    "mouse": ("mice",),
    "goose": ("geese",),
    "foot": ("feet",),
    "tooth": ("teeth",),
    "ox": ("oxen",),
    "cactus": ("cacti", "cactuses"),
    "nebula": ("nebulae", "nebulas"),
    "aurora": ("aurorae", "auroras"),
    "fish": ("fish", "fishes"),
    "sheep": ("sheep",),
    "deer": ("deer",),
    "spacecraft": ("spacecraft",),
    "series": ("series",),
}
_NO_VES = {"reef", "cliff", "roof", "chief", "belief", "gulf"}
_SAME_O = {"photo", "piano"}


def plurals(word: str) -> tuple[str, ...]:
    """The plurals that a writer may use for a noun; where there are two usages, both."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("y") and len(word) > 1 and word[-2] not in "aeiou":
        return (word[:-1] + "ies",)
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return (word + "es",)
    if word.endswith("o") and word not in _SAME_O and len(word) > 1 and word[-2] not in "aeiou":
        return (word + "es", word + "s")
    if word not in _NO_VES and word.endswith("fe"):
        return (word[:-2] + "ves", word + "s")
    if word not in _NO_VES and word.endswith("f") and not word.endswith("ff"):
        return (word[:-1] + "ves", word + "s")
    return (word + "s",)


def forms(words: Words) -> list[Words]:
    """A name of one or more words, and its plurals: only the last word of a name changes."""
    return [words, *((*words[:-1], plural) for plural in plurals(words[-1]) if plural != words[-1])]

"""The entities that prompts and worlds speak of: frequent ones have short codes, and old codes stay valid.

An entity's id is its place in the vocabulary; `atlas.entity` writes ids in one to three bytes. `resort` gives
the most used entities the lowest ids. A stored stream names the version that it was written in; the
vocabulary keeps, of each version, where its ids are now, so every stream ever written decodes to the names
that went in. A world needs none of this: it holds the names of its own ids.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...atlas import entity as code
from .words import forms

U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]

NOTHING = 0  # id of no entity
MAX_NAME, MAX_STRING = 64, 200
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[ -][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class SemanticEntity:
    """A kind of thing. name: as it is looked for, lower case; string: as a prompt describes it;

    color: sRGB, what it is likely to look like; scene_count: in how many scenes it was.
    """

    name: str
    string: str
    color: tuple[int, int, int]
    scene_count: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """Codes as they were written, and the version of the vocabulary that wrote them."""

    version: int
    codes: bytes


@dataclass(slots=True)
class EntityVocabulary:
    """See above. `entities[i]` has id i + 1."""

    entities: list[SemanticEntity] = field(default_factory=list)
    version: int = 0
    ids: dict[str, int] = field(default_factory=dict)
    phrases: dict[tuple[str, ...], str] = field(default_factory=dict)  # words -> name, plurals too
    tables: list[U32] = field(default_factory=list)  # of each earlier version: its id -> the id now

    def __len__(self) -> int:
        return len(self.entities)

    def add(self, entity: SemanticEntity) -> int:
        """Take an entity in -> its id. ValueError: malformed, the name is taken, or there is no room."""
        _check(entity)
        if entity.name in self.ids:
            raise ValueError(f"there is an entity {entity.name!r} already")
        if len(self) + 1 >= code.N_IDS:
            raise ValueError(f"a vocabulary has at most {code.N_IDS - 1:,} entities")
        self.entities.append(entity)
        self.ids[entity.name] = len(self)
        own = tuple(re.findall(r"[a-z0-9]+", entity.name))
        for words in forms(own):
            if words == own or self.phrases.get(words) not in self.ids:
                self.phrases[words] = entity.name  # a name goes before another one's plural
        return len(self)

    def entity(self, i: int) -> SemanticEntity:
        """KeyError: nothing has this id."""
        if not 1 <= i <= len(self):
            raise KeyError(f"no entity has id {i}")
        return self.entities[i - 1]

    def names(self) -> dict[int, str]:
        """Names by id, as a `Source` and a world want them."""
        return {i: e.name for i, e in enumerate(self.entities, 1)}

    def colours(self) -> U8:
        """Likely colours by id, grey for none. [N + 1, 3] sRGB"""
        return np.array([(128, 128, 128), *(e.color for e in self.entities)], np.uint8)

    def count(self, names: Iterable[str]) -> None:
        """One more scene has these. KeyError: an unknown one, and then nothing is counted."""
        for i in [self.ids[name] for name in set(names)]:
            held = self.entities[i - 1]
            self.entities[i - 1] = replace(held, scene_count=held.scene_count + 1)

    def encode(self, names: Iterable[str]) -> Stream:
        """Names as codes. KeyError: an unknown one."""
        return Stream(self.version, code.encode(np.array([self.ids[n] for n in names], np.uint32)))

    def decode(self, stream: Stream) -> list[str]:
        """The names of a stream of any version. ValueError: damaged, or a version or an id not known."""
        return [self.entities[i - 1].name for i in self.current(code.decode(stream.codes), stream.version)]

    def renewed(self, stream: Stream) -> Stream:
        """The same stream in the codes of this version, which are shorter if the sorting was right."""
        ids = self.current(code.decode(stream.codes), stream.version)
        return Stream(self.version, code.encode(ids))

    def current(self, ids: U32, version: int) -> U32:
        """What ids of an earlier version are now. [...] uint32; 0 stays 0 in planes, but is refused here.

        ValueError: an id that this version did not have.
        """
        if not 0 <= version <= self.version:
            raise ValueError(f"version {version} of the vocabulary is not known here; this is {self.version}")
        n = len(self) + 1 if version == self.version else len(self.tables[version])
        if ids.size and not (ids.min() >= 1 and ids.max() < n):
            raise ValueError(f"an entity id outside 1..{n - 1} of version {version}")
        return ids if version == self.version else self.tables[version][ids]

    def resort(self) -> U32:
        """Most used first, by name among equals -> [N + 1] the new id of each old one, 0 for 0.

        `remap[plane]` renews a plane of ids; streams need nothing: their version says how to read them.
        """
        order = sorted(self.entities, key=lambda e: (-e.scene_count, e.name))
        new = {e.name: i for i, e in enumerate(order, 1)}
        remap = np.array([NOTHING, *(new[e.name] for e in self.entities)], np.uint32)
        self.tables = [remap[table] for table in self.tables] + [remap]
        self.entities, self.ids = order, new
        self.version += 1
        return remap

    def __iter__(self) -> Iterator[SemanticEntity]:
        return iter(self.entities)

    def to_json(self) -> str:
        """All of it, to be kept beside the streams."""
        tables = [table.tolist() for table in self.tables]
        return json.dumps({"entities": [asdict(e) for e in self.entities], "tables": tables})


def from_json(text: str) -> EntityVocabulary:
    """Inverse of `to_json`. ValueError: not that, or tables that are no renumbering."""
    try:
        held = json.loads(text)
        out, tables = EntityVocabulary(), held["tables"]
        for fields in held["entities"]:
            out.add(_entity(fields))
        for table in tables:
            ids = np.array(table)
            right = ids.dtype.kind == "i" and ids.ndim == 1 and 1 <= ids.size <= len(out) + 1
            if (
                not right
                or ids[0]
                or ids.max() > len(out)
                or np.unique(ids).size != ids.size
                or ids.min() < 0
            ):
                raise ValueError("a table that is no renumbering")
            out.tables.append(ids.astype(np.uint32))
        out.version = len(out.tables)
        return out
    except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"not a vocabulary: {error}") from None


def _entity(fields: dict[str, Any]) -> SemanticEntity:
    return SemanticEntity(**{**fields, "color": tuple(fields["color"])})


def _check(e: SemanticEntity) -> None:
    if not isinstance(e.name, str) or len(e.name) > MAX_NAME or not _NAME.fullmatch(e.name):
        raise ValueError(
            f"an entity's name is lower-case words, at most {MAX_NAME} characters, not {e.name!r}"
        )
    if not isinstance(e.string, str) or not 1 <= len(e.string) <= MAX_STRING or not e.string.isprintable():
        raise ValueError(f"{e.name}: its string is one line of at most {MAX_STRING} characters")
    if len(e.color) != 3 or not all(type(c) is int and 0 <= c <= 255 for c in e.color):
        raise ValueError(f"{e.name}: its colour is three bytes, not {e.color!r}")
    if type(e.scene_count) is not int or e.scene_count < 0:
        raise ValueError(f"{e.name}: scenes are counted from 0")

"""What a bake is of: scenes, where they lie, how they are cut into spans; and its parameters.

The plan is plain data. It lies in the bake's scratch folder as JSON, so that tasks on other machines need not
look at every item again, and `--finish` opens a source only if its frames must look once more.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import xxhash

from ...streamer import files
from ...streamer.errors import WorldError
from ..bake_options import BakeOptions, place
from ..errors import UserError, shown
from ..sources.source import Source
from ..voxelise.kinds import KINDS
from ..voxelise.placement import Placement

SPAN = 1 << 19  # items that one unit of work reads, of a source that can be read from anywhere
PLAN_KEY = "baking/plan"
MAX_PLAN_BYTES = 64 << 20
NOT_OF_THE_WORLD = ("overwrite",)  # options that leave no trace in it


@dataclass(frozen=True, slots=True)
class Scene:
    """One source of a bake. path: where tasks and workers find it; limits: what its survey found."""

    origin: dict[str, Any]  # its provenance, as the world will tell it
    options: BakeOptions  # checked
    path: str
    seeks: bool  # it can be read from anywhere
    limits: Any = None
    entities: dict[int, str] = field(default_factory=dict)  # names of what `semantic` numbers

    @property
    def kind(self) -> str:
        return str(self.origin["kind"])

    @property
    def n_items(self) -> int:
        return int(self.origin["n_items"])

    @property
    def asked(self) -> dict[str, str]:
        """How to open it, beside its path."""
        return dict(self.origin.get("asked", {}))

    @property
    def carves(self) -> bool:
        """Whether its items look once more at what became solid."""
        return KINDS[self.kind].carves and self.options.carve

    @property
    def placement(self) -> Placement:
        return place(self.options)


@dataclass(frozen=True, slots=True)
class Span:
    """Items start..start + count of a scene: one unit of work."""

    scene: int
    number: int
    start: int
    count: int
    n_observed: int = 0  # observations before it, of a kind that observes


def shared(options: BakeOptions) -> BakeOptions:
    """What all sources of one world have in common: everything but where each lies."""
    here = (0.0, 0.0, 0.0)
    return replace(options, up="z", scale=1.0, rotate=here, origin=here, at=here)


def provenance(source: Source, options: BakeOptions) -> dict[str, Any]:
    """Where the voxels come from: nothing of this machine, nothing of this hour."""
    used = {name: value for name, value in asdict(options).items() if name not in NOT_OF_THE_WORLD}
    origin = {
        "file": source.path.name,
        "xxh3_128": digest(*(source.files or (source.path,))),
        "kind": source.kind,
        "n_items": source.n_items,
        "notes": dict(source.notes),
        "options": used,
    }
    return origin | ({"asked": dict(source.asked)} if source.asked else {})


def digest(*paths: Path) -> str:
    """xxh3-128 of the bytes of files one after the other, as hex; a frame that is missing counts as empty."""
    state = xxhash.xxh3_128()
    for path in (path for path in paths if path.is_file()):
        for block in _blocks(path):
            state.update(block)
    return state.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block


def canonical(value: Any) -> str:
    """JSON in one spelling."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def scenes_of(sources: Sequence[tuple[Source, BakeOptions]]) -> list[tuple[Scene, Source]]:
    """The scenes of a bake, in an order that does not depend on the order in which they were named."""
    found = []
    for source, options in sources:
        path = str(source.path.resolve())
        origin = provenance(source, options)
        scene = Scene(origin, options, path, source.part is not None, entities=source.entities)
        found.append((scene, source))
    return sorted(found, key=lambda pair: canonical(pair[0].origin))


def parameters(scenes: Sequence[Scene]) -> str:
    """One word that differs when a source's bytes or an option does: what a resumed bake must share."""
    text = canonical({"bake": 3, "span": SPAN, "scenes": [scene.origin for scene in scenes]})
    return xxhash.xxh3_128_hexdigest(text.encode())


def step_of(kind: str, n_items: int, seeks: bool) -> int:
    """Items of a span."""
    return min(SPAN, KINDS[kind].span) if seeks else max(n_items, 1)


def spans_of(scenes: Sequence[Scene]) -> list[Span]:
    """Every unit of reading, in order."""
    found = []
    n_observed = 0
    for at, scene in enumerate(scenes):
        step = step_of(scene.kind, scene.n_items, scene.seeks)
        starts = range(0, max(scene.n_items, 1), step)
        for n, start in enumerate(starts):
            found.append(Span(at, n, start, min(step, scene.n_items - start), n_observed + start))
        n_observed += scene.n_items if KINDS[scene.kind].observes else 0
    return found


def entities_of(scenes: Sequence[Scene]) -> dict[int, str]:
    """The entities of all scenes. UserError: two scenes give one number to different ones."""
    found: dict[int, str] = {}
    for scene in scenes:
        for number, name in scene.entities.items():
            if found.setdefault(number, name) != name:
                raise UserError(
                    f"two scenes number their entities differently ({number} is {shown(found[number])} and "
                    f"{shown(name)}): bake them into worlds of their own"
                )
    return found


def save(root: Path, word: str, scenes: Sequence[Scene]) -> None:
    """Leave the plan for tasks and for --finish. OSError."""
    listed = [
        {
            "origin": scene.origin,
            "path": scene.path,
            "options": asdict(scene.options),
            "seeks": scene.seeks,
            "entities": {str(number): name for number, name in scene.entities.items()},
            "limits": asdict(scene.limits) if KINDS[scene.kind].limits else None,
        }
        for scene in scenes
    ]
    files.write_file(root, PLAN_KEY, canonical({"parameters": word, "scenes": listed}).encode())


def load(root: Path, word: str) -> list[Scene] | None:
    """The plan that was left; None where none is, or one of another bake."""
    try:
        text = files.read_file(root, PLAN_KEY, MAX_PLAN_BYTES)
    except WorldError:
        return None
    try:
        read = json.loads(text)
        if read["parameters"] != word:
            return None
        return [_scene(entry) for entry in read["scenes"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise WorldError(PLAN_KEY, "is not the plan of a bake: remove the bake and begin again") from None


def _scene(entry: dict[str, Any]) -> Scene:
    limits_type = KINDS[entry["origin"]["kind"]].limits
    options = {f.name: _tuples(entry["options"][f.name]) for f in fields(BakeOptions)}
    limits = limits_type(**entry["limits"]) if limits_type and entry["limits"] else None
    entities = {int(number): str(name) for number, name in entry["entities"].items()}
    return Scene(
        entry["origin"], BakeOptions(**options), str(entry["path"]), bool(entry["seeks"]), limits, entities
    )


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value

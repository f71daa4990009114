"""MagicaVoxel's scene graph: which model stands where, turned how.

Nodes (ephtracy/voxel-model, .vox extension): nTRN moves and turns its one child, nGRP holds children, nSHP
shows models. `_t` is "x y z"; `_r` packs a signed permutation: bits 0-1 and 2-3 are the columns of the first
two rows' entries, bits 4, 5, 6 the rows' signs. Only the first frame is read; hidden nodes and layers are
not.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError, shown

MAX_INSTANCES = 1 << 18  # nodes visited; a node that many parents share counts each time
MAX_DEPTH = 128
MAX_DICT = 256
MAX_SHIFT = 1 << 24  # voxels, of one translation

Turn = NDArray[np.int64]  # [3, 3] signed permutation


@dataclass(frozen=True, slots=True)
class Node:
    kind: str  # nTRN, nGRP, nSHP
    children: tuple[int, ...]  # node ids; nSHP: model ids
    hidden: bool = False
    layer: int = -1
    turn: Turn = field(default_factory=lambda: np.eye(3, dtype=np.int64))
    shift: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Instance:
    """A model in the world: cell = floor(turn (voxel + 1/2 - floor(size / 2)) + shift)."""

    model: int
    turn: Turn
    shift: NDArray[np.int64]  # [3]


class Reader:
    """Little-endian fields of one chunk, never beyond its end. Raises UserError naming the file and the
    chunk.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self.data, self.where, self.at = data, where, 0

    def bad(self, why: str) -> UserError:
        return UserError(f"{self.where}: {why}")

    def int32(self) -> int:
        return int(struct.unpack("<i", self.take(4))[0])

    def count(self, limit: int) -> int:
        value = self.int32()
        if not 0 <= value <= limit:
            raise self.bad(f"a count of {value}: expected 0..{limit:,}")
        return value

    def take(self, n_bytes: int) -> bytes:
        self.at += n_bytes
        if self.at > len(self.data):
            raise self.bad("it ends in the middle of a field")
        return self.data[self.at - n_bytes : self.at]

    def text(self) -> str:
        """STRING: its length, then bytes."""
        return self.take(self.count(len(self.data))).decode("utf-8", "replace")

    def pairs(self) -> dict[str, str]:
        """DICT: a count, then that many pairs of strings (length, bytes)."""
        texts = [self.text() for _ in range(2 * self.count(MAX_DICT))]
        return dict(zip(texts[::2], texts[1::2], strict=True))


def read_node(kind: str, reader: Reader) -> tuple[int, Node]:
    """Content of an nTRN, nGRP or nSHP chunk -> (node id, node)."""
    node_id, attributes = reader.int32(), reader.pairs()
    hidden = attributes.get("_hidden") == "1"
    if kind == "nTRN":
        child, _, layer = reader.int32(), reader.int32(), reader.int32()
        frame = _first_frame([reader.pairs() for _ in range(reader.count(1 << 16))])
        shift = [int(w) for w in frame.get("_t", "0 0 0").split() if re.fullmatch(r"-?[0-9]{1,9}", w)]
        if len(shift) != 3 or max(map(abs, shift)) > MAX_SHIFT:
            raise reader.bad(
                f'translation "{shown(frame.get("_t"))}": expected three whole numbers below 2^24'
            )
        return node_id, Node(kind, (child,), hidden, layer, turn_of(frame.get("_r", "4"), reader), (*shift,))  # type: ignore[arg-type]
    if kind == "nGRP":
        return node_id, Node(kind, tuple(reader.int32() for _ in range(reader.count(MAX_INSTANCES))), hidden)
    models = [(reader.int32(), reader.pairs()) for _ in range(reader.count(1 << 16))]
    first = min(range(len(models)), key=lambda i: _frame_number(models[i][1]), default=None)
    return node_id, Node(kind, () if first is None else (models[first][0],), hidden)


def _first_frame(frames: list[dict[str, str]]) -> dict[str, str]:
    return min(frames, key=_frame_number, default={})


def _frame_number(attributes: dict[str, str]) -> int:
    text = attributes.get("_f", "0")
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def turn_of(text: str, reader: Reader) -> Turn:
    """Packed rotation as decimal text -> [3, 3]. "4" is the identity."""
    byte = int(text) if re.fullmatch(r"[0-9]{1,3}", text) else -1
    columns = (byte & 3, byte >> 2 & 3)
    if not 0 <= byte < 128 or 3 in columns or columns[0] == columns[1]:
        raise reader.bad(f'rotation "{shown(text)}": expected a packed permutation 0..127')
    turn = np.zeros((3, 3), np.int64)
    for row, column in enumerate((*columns, 3 - sum(columns))):
        turn[row, column] = -1 if byte >> (4 + row) & 1 else 1
    return turn


def instances(nodes: dict[int, Node], hidden_layers: frozenset[int], where: str) -> list[Instance]:
    """Visible models in depth-first order from node 0. Raises UserError for cycles and absurd graphs."""
    out: list[Instance] = []
    n_visited = 0
    todo = [(0, 0, np.eye(3, dtype=np.int64), np.zeros(3, np.int64))]
    while todo:
        node_id, depth, turn, shift = todo.pop()
        n_visited += 1
        if n_visited > MAX_INSTANCES or depth > MAX_DEPTH or len(todo) > 2 * MAX_INSTANCES:
            raise UserError(
                f"{where}: the scene graph is a loop or has over {MAX_INSTANCES:,} nodes, {MAX_DEPTH} deep"
            )
        node = nodes.get(node_id)
        if node is None:
            raise UserError(f"{where}: the scene graph names node {node_id}, which does not exist")
        if node.hidden or node.layer in hidden_layers:
            continue
        if node.kind == "nSHP":
            out += [Instance(model, turn, shift) for model in node.children]
            continue
        if node.kind == "nTRN":
            turn, shift = turn @ node.turn, turn @ np.array(node.shift, np.int64) + shift
        todo += [(child, depth + 1, turn, shift) for child in reversed(node.children)]
    return out

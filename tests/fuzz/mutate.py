"""Damage to bytes, as disks, networks and people who mean harm do it. The same seed, the same damage."""

import struct

import numpy as np

LENGTHS = [
    *(struct.pack("<I", v) for v in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 24)),
    *(struct.pack("<Q", v) for v in (0, 1 << 31, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)),
    *(struct.pack(">I", v) for v in (1, 0x7FFFFFFF, 0xFFFFFFFE)),
    *(struct.pack("<H", v) for v in (0, 1, 0x7FFF, 0xFFFF)),
    *(struct.pack("<f", v) for v in (float("nan"), float("inf"), 1e38, -1.0, 0.0)),
    *(struct.pack("<d", v) for v in (float("nan"), float("-inf"), 1e300, 0.0)),
]
WORDS = [
    b"0", b"-1",
    b"9" * 12, b"4294967295", b"1e999", b"nan", b" ", b"\n", b"\0", b'"', b"[", b"]", b"{", b"}", b",",
    b"null", b"true", b"..", b"/", b"\xff\xfe", b"[" * 3000, b"1" * 5000,
]  # fmt: skip


def mutated(data: bytes, rng: np.random.Generator, other: bytes = b"") -> bytes:
    """One to six damages: bits, lengths, words, runs deleted, doubled or taken from `other`, an early end."""
    out = bytearray(data)
    for _ in range(1 + int(rng.integers(6)) * int(rng.integers(2))):
        _damage(out, rng, other or data)
    return bytes(out)


def _damage(out: bytearray, rng: np.random.Generator, other: bytes) -> None:
    if not out:
        return
    # Headers decide more than bodies: half of all damages lie in the first or last 512 bytes.
    near = min(len(out), 512)
    at = [int(rng.integers(len(out))), int(rng.integers(near)), len(out) - 1 - int(rng.integers(near))][
        int(rng.choice(3, p=[0.5, 0.35, 0.15]))
    ]
    match int(rng.integers(9)):
        case 0:
            out[at] ^= 1 << int(rng.integers(8))
        case 1:
            out[at] = int(rng.integers(256))
        case 2 | 3:
            value = LENGTHS[int(rng.integers(len(LENGTHS)))]
            out[at : at + len(value)] = value[: len(out) - at]
        case 4:
            out[at : at + int(rng.integers(0, 3))] = WORDS[int(rng.integers(len(WORDS)))]
        case 5:
            del out[at : at + int(rng.integers(1, 64))]
        case 6:
            out[at:at] = out[at : at + int(rng.integers(1, 200))]
        case 7:
            start = int(rng.integers(len(other)))
            piece = other[start : start + int(rng.integers(1, 300))]
            out[at : at + len(piece) * int(rng.integers(2))] = piece
        case 8:
            del out[at:]

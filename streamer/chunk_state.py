"""The states of a chunk: exclusive, and the only moves between them. Drawn in streamer/README.md."""

from enum import Enum


class ChunkState(Enum):
    """Where a chunk is on its way to the screen."""

    ABSENT = "absent"  # nobody wants it; it lies on disk (or is computed)
    QUEUED = "queued"  # wanted, no thread has taken it yet
    READING = "reading"  # a thread reads, checks and decodes it
    IN_RAM = "in RAM"  # its stream is kept, it has no slot
    UPLOADING = "uploading"  # has come, waits for the upload budget or for a slot
    RESIDENT = "resident"  # in a slot, and rays can reach it
    FAILED = "failed"  # could not be read; its parent is drawn, and it is tried again later


S = ChunkState
LEGAL = {
    S.ABSENT: {S.QUEUED, S.READING},
    S.QUEUED: {S.READING, S.ABSENT, S.IN_RAM},  # dropped when nobody asks any more
    S.READING: {S.UPLOADING, S.FAILED},
    S.IN_RAM: {S.QUEUED, S.READING, S.ABSENT},  # pushed out of the RAM tier
    S.UPLOADING: {S.RESIDENT, S.IN_RAM, S.ABSENT},  # no slot, or no parent any more
    S.RESIDENT: {S.IN_RAM, S.ABSENT},  # evicted; in RAM if the tier still has it
    S.FAILED: {S.QUEUED, S.READING, S.ABSENT},
}

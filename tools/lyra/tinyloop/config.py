"""Sizes of a TinyLoop. A checkpoint carries its own; all tensor shapes follow from it."""

from dataclasses import asdict, dataclass, fields
from typing import Any

GRAMMAR = "voxtide-rgbd-walks-1"  # names the data set; another one where any scene or walk changes
LICENSE = "Apache-2.0"
FRAMES_OF = 4  # frames that one token of the film covers
CELL = 8  # pixels a side that one latent covers
PATCH = 2  # latents a side that one token covers
LATENT = 16  # channels
SLOTS = 4  # frames whose picture is shown whole: the last one, and three retrieved
FAR = 16  # older frames, shown coarsely
N_THEMES = 32


@dataclass(frozen=True, slots=True)
class Config:
    """width x height: frames; they are worked on padded to grid, a multiple of CELL.

    chunk: frames generated together, a multiple of FRAMES_OF that divides 80.
    """

    width: int = 104
    height: int = 60
    grid_height: int = 64
    chunk: int = 20
    dim: int = 192
    blocks: int = 6
    heads: int = 3
    widths: tuple[int, int, int, int] = (24, 48, 96, 80)  # of the autoencoder: at 1, 1/2, 1/4, 1/8
    refiner: int = 24
    routes: int = 128  # width of what routes attention

    def __post_init__(self) -> None:
        """ValueError: not sizes of a TinyLoop."""
        limits = {
            "width": (16, 1024), "height": (16, 1024), "grid_height": (16, 1024), "chunk": (4, 80),
            "dim": (32, 512), "blocks": (1, 16), "heads": (1, 16), "refiner": (4, 64), "routes": (8, 256),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ValueError(f"{name} {value!r} is not {low} to {high}")
        if len(self.widths) != 4 or not all(type(w) is int and 4 <= w <= 256 for w in self.widths):
            raise ValueError("widths are four numbers of 4 to 256")
        if self.width % CELL or self.grid_height % CELL or not 0 <= self.grid_height - self.height < 2 * CELL:
            raise ValueError(f"{self.width} x {self.grid_height} is no grid for height {self.height}")
        if self.chunk % FRAMES_OF or 80 % self.chunk:
            raise ValueError(f"chunk {self.chunk} does not divide a step")
        if self.dim % self.heads or (self.dim // self.heads) % 8:
            raise ValueError(f"dim {self.dim} is not for {self.heads} heads")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of frames."""
        return self.width, self.height

    @property
    def above(self) -> int:
        """Rows that the grid has above a frame."""
        return (self.grid_height - self.height) // 2

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of latents."""
        return self.grid_height // CELL, self.width // CELL

    def told(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def read(cls, found: Any) -> "Config":
        """Of what a file says. ValueError."""
        names = {f.name for f in fields(cls)}
        if not isinstance(found, dict) or set(found) != names or not isinstance(found["widths"], list):
            raise ValueError("not the sizes of a TinyLoop")
        return cls(**(found | {"widths": tuple(found["widths"])}))


SIZES = {  # by the name that `voxtide train tinyloop --size` takes
    "104x64": Config(),
    "208x120": Config(208, 120, 128, 80, 320, 10, 5, (32, 64, 128, 128), 32),
}

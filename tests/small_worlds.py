"""Three worlds that are small and unlike: hills, noise around the origin, a building of thin walls."""

import numpy as np

VOXEL_M = 0.01


def coloured(voxels, seed=0):
    voxels = np.unique(voxels, axis=0)
    rng = np.random.default_rng(seed)
    rgba = rng.integers(0, 256, (len(voxels), 4)).astype(np.uint8)
    rgba[:, 3] = 255
    return voxels, rgba


def terrain():
    """Hills, closed downwards, on [0, 300)^2."""
    y, x = np.mgrid[0:300, 0:300]
    h = (40 + 19 * np.sin(x / 27) + 15 * np.cos(y / 19) + 3 * np.sin(x / 3) * np.sin(y / 4)).astype(np.int64)
    return coloured(np.concatenate([np.stack([x, y, h - i], -1).reshape(-1, 3) for i in range(6)]))


def noise():
    """Boxes of many sizes around the origin, most coordinates negative."""
    rng = np.random.default_rng(1)
    parts = []
    for corner in rng.integers((-220, -200, -90), (120, 140, 60), (350, 3)):
        size = rng.integers(1, 14, 3)
        parts.append(np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), -1).reshape(-1, 3) + corner)
    return coloured(np.concatenate(parts), 1)


def building():
    """Walls and floors one voxel thick, with doors: six storeys of rooms, hollow."""
    x, y, z = np.indices((230, 180, 140), sparse=True)
    wall = ((x % 46 == 0) | (y % 36 == 0)) & ~((x % 46 > 16) & (x % 46 < 28) & (z % 24 < 19))
    wall &= ~((y % 36 > 12) & (y % 36 < 22) & (z % 24 < 19))
    floor = (z % 24 == 0) & ~((x % 92 > 50) & (x % 92 < 60) & (y % 72 > 44))
    return coloured(np.argwhere(np.broadcast_to(wall | floor, (230, 180, 140))) - (60, 50, 3), 2)


WORLDS = {"terrain": terrain, "noise": noise, "building": building}

# Metres and degrees; seven views each, in the open, close up, inside, from afar and from outside.
POSES = {
    "terrain": [
        (1.5, 1.5, 1.0, 40, -20),
        (0.2, 0.3, 0.9, 45, -10),
        (2.8, 2.7, 1.1, 215, -35),
        (1.5, 0.1, 0.75, 95, -4),
        (1.51, 1.49, 2.6, 10, -85),
        (-0.6, -0.5, 1.3, 44, -25),
        (2.9, 0.2, 0.8, 130, -12),
    ],
    "noise": [
        (0.03, 0.02, 0.01, 200, 5),
        (-2.4, -2.2, 0.4, 42, -8),
        (-1.0, 0.7, -0.3, 290, 20),
        (0.9, 1.2, 0.5, 222, -18),
        (-0.5, -0.6, 1.6, 80, -70),
        (-1.9, 1.1, 0.1, -40, -3),
        (0.4, -1.8, -0.8, 130, 25),
    ],
    "building": [
        (0.05, 0.06, 0.12, 30, 0),
        (-0.3, 0.6, 0.62, -20, 4),
        (1.2, 1.0, 0.86, 190, -10),
        (-1.9, -1.5, 1.9, 42, -25),
        (0.5, -0.3, 0.38, 88, 8),
        (1.5, -0.2, 1.1, 140, -5),
        (0.55, 0.3, 2.4, 60, -60),
    ],
}

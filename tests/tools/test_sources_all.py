"""Contract: every file of the shared data is read, or refused in one line that says why."""

import os

import numpy as np
import pytest
from data import SHARED
from voxtide.tools.bake import BakeOptions, bake
from voxtide.tools.errors import UserError
from voxtide.tools.sources import READERS, open_source

BAKED_ITEMS = 30_000  # sources of at most this many are baked as well
NOT_BAKED = ("heights", "frames")  # a whole field, a whole film: their own tests bake them
NO_SCENES = (  # what lies beside the scenes
    "license", "licence", "readme", ".md", ".txt", ".json", ".svg", ".jpg", ".png", ".webp", ".ppm", ".pgm",
    ".mtl", ".log", ".match",
)  # fmt: skip
NO_VOXELS = {
    "lyra/example_0/trajectory.npz": "w2c"
}  # a scene's format without a scene in it, and what is said


def files() -> list[str]:
    """Below the shared data: every file but the frames of a video, of which one stands for all."""
    if not SHARED.is_dir():
        return []
    found = []
    for folder, folders, names in os.walk(SHARED):
        folders.sort()
        frames = os.path.basename(folder) in ("depth", "image", "color")
        found += [
            os.path.relpath(os.path.join(folder, name), SHARED)
            for name in sorted(names)[: 1 if frames else None]
        ]
    return found


FILES = files()


@pytest.mark.skipif(not FILES, reason="needs shared/data")
@pytest.mark.parametrize("name", FILES)
def test_every_file_is_read_or_refused_in_one_line(tmp_path, name):
    path = SHARED / name
    try:
        source = open_source(path)
    except UserError as error:
        message = str(error)
        assert message.isprintable() and path.name in message and len(message) < 600
        if path.suffix.lower() in READERS:
            known = name in NO_VOXELS or path.suffix == ".vdb" or "is no region" in message
            assert known or "not read yet" in message, message
            assert NO_VOXELS.get(name, "") in message
        else:
            assert path.name.lower().startswith(NO_SCENES) or path.suffix.lower() in NO_SCENES + MISSING, (
                message
            )
        return
    assert source.n_items > 0
    if source.n_items <= BAKED_ITEMS and source.kind not in NOT_BAKED:
        unit_m = source.unit_m or 1.0
        size = unit_m if source.kind == "voxels" else extent(source) / 150 * unit_m
        report = bake(source, tmp_path / "w", BakeOptions(voxel_size_m=size, scale=unit_m))
        assert report.voxels > 0


# Scenes whose readers are not here; a reader that comes takes its suffix out by being in READERS.
MISSING = tuple(suffix for suffix in (".obj", ".glb", ".gltf", ".stl") if suffix not in READERS)


def extent(source) -> float:
    """Of its longest side, in source units. A batch's first column is where its items are."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for batch in source.batches(1 << 17):
        places = np.asarray(getattr(batch, batch.__slots__[0])).reshape(-1, 3)
        low, high = np.minimum(low, places.min(0)), np.maximum(high, places.max(0))
    return float(max((high - low).max(), 1e-3))


@pytest.mark.skipif(not FILES, reason="needs shared/data")
def test_every_folder_is_read_or_refused_in_one_line():
    for folder in sorted({os.path.dirname(name) for name in FILES}):
        try:
            assert open_source(SHARED / folder).n_items > 0
        except UserError as error:
            said = str(error)
            if not (said.isprintable() and "folder" in said):
                raise


def test_the_walk_sees_the_formats():
    if FILES:
        suffixes = {os.path.splitext(name)[1] for name in FILES}
        assert {
            ".ply",
            ".splat",
            ".spz",
            ".sog",
            ".vox",
            ".pcd",
            ".las",
            ".laz",
            ".dem",
            ".npz",
            ".vdb",
        } <= suffixes
        assert len(FILES) > 120

"""The wheel: one top-level name, every shader and scene in it, no test in it."""

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("app", "assets", "atlas", "shaders", "streamer", "tools")
SHIPPED_SUFFIXES = (".py", ".glsl", ".comp")  # and everything in assets/
MAX_ASSETS_BYTES = 6 << 20


def tracked_files() -> list[str]:
    """What git has of this checkout, as paths from its top."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout: the wheel is built from what git tracks")
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """(names in the wheel, its path), built without network from a copy of the tracked files."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in tracked_files():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (path,) = out.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist()), path


@pytest.mark.slow
def test_only_voxtide_reaches_site_packages(wheel):
    names, _ = wheel
    tops = {name.split("/")[0] for name in names}
    (metadata,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {"voxtide", metadata}
    assert {name.split("/")[1] for name in names if name.startswith("voxtide/")} == set(ROOMS)
    assert not [name for name in names if "test" in name.lower()]


@pytest.mark.slow
def test_every_module_shader_and_scene_is_in_it(wheel):
    names, _ = wheel
    shipped = [
        f"voxtide/{name}"
        for name in tracked_files()
        if name.split("/")[0] in ROOMS and (name.startswith("assets/") or name.endswith(SHIPPED_SUFFIXES))
    ]
    assert len(shipped) > 10
    assert not sorted(set(shipped) - names)


@pytest.mark.slow
def test_its_metadata_names_the_licence_the_command_and_the_codec(wheel):
    _, path = wheel
    with zipfile.ZipFile(path) as archive:
        (licence,) = (n for n in archive.namelist() if n.endswith("licenses/LICENSE"))
        assert "Apache License" in archive.read(licence).decode()
        (entry_points,) = (n for n in archive.namelist() if n.endswith("entry_points.txt"))
        text = archive.read(entry_points).decode()
    assert "voxtide = voxtide.tools.cli:main" in text
    assert "voxtide.packed = voxtide.streamer.zarr_codec:PackedCodec" in text
    assert "voxtide.index = voxtide.streamer.zarr_codec:IndexCodec" in text


def test_every_scene_is_credited_and_is_what_it_was():
    scenes = [p for p in sorted((ROOT / "assets").iterdir()) if p.suffix in (".ply", ".vox", ".dem")]
    sources = (ROOT / "assets" / "SOURCES.md").read_text()
    sums = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", sources, re.MULTILINE))
    assert {hashlib.sha256(p.read_bytes()).hexdigest(): p.name for p in scenes} == sums
    assert all(f"| `{p.name}` |" in sources for p in scenes)
    assert sum(p.stat().st_size for p in scenes) < MAX_ASSETS_BYTES

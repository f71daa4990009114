"""The rules of the house, read from each file's syntax tree: who may import whom, and what nobody may do."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    "atlas": set(),
    "shaders": {"atlas"},
    "streamer": {"atlas"},
    "app": {"streamer", "shaders", "atlas"},
    "tools": {"app", "streamer", "shaders", "atlas", "assets"},  # assets holds data, no code
}
ONLY_IN = {  # a module -> where it may be imported: a folder, or one file
    "moderngl": "app/render/",
    "OpenGL": "app/render/",
    "glcontext": "app/render/",
    "xr": "app/vr/openxr",
    "imgui_bundle": ("app/panel/", "app/render/overlay.py", "app/render/damage.py"),
    "torch": "tools/",
    "av": "tools/film.py",  # its wheel holds GPL parts: one door, and the rest works without
    "websockets": "tools/serve/",  # nothing else talks to a network
    "zarr": ("streamer/zarr_", "tools/sources/zarr_arrays.py"),  # the published codecs; foreign volumes
    "laspy": "tools/sources/las.py",
    "lazrs": "tools/sources/las.py",
}
NOWHERE = {"plyfile", "pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}  # GPL; code in data
ATLAS_MAY = {"numpy", "collections", "dataclasses", "enum", "functools", "itertools", "math", "typing"}
MAX_LINES = 400


def imports(tree, path):
    """(module as an absolute dotted name, line) of every import, relative ones resolved from path."""
    package = ["voxtide", *Path(path).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            if node.level and not base:
                yield "(beyond the package)", node.lineno
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == "voxtide":  # from .. import atlas
                yield from ((f"voxtide.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield module, node.lineno
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            module = node.args[0].value
            if name in ("import_module", "__import__") and not module.startswith("."):
                yield module, node.lineno


def places(where):
    return where if isinstance(where, str) else " or ".join(where)


def import_faults(tree, path):
    room = path.split("/")[0]
    for module, line in imports(tree, path):
        top, *rest = module.split(".")
        if top in ROOMS or top == "(beyond the package)":
            yield f"{line}: import {module}: rooms import each other relatively, inside voxtide"
        elif top == "voxtide":
            other = rest[0] if rest else ""
            if other != room and other not in ROOMS[room]:
                yield f"{line}: {room} may not import {module}"
        elif top in NOWHERE:
            yield f"{line}: {module} is imported nowhere"
        elif top in ONLY_IN and not path.startswith(ONLY_IN[top]):
            yield f"{line}: {module} is imported only in {places(ONLY_IN[top])}"
        elif room == "atlas" and top not in ATLAS_MAY:
            yield f"{line}: atlas is arithmetic: no {module}"


def syntax_faults(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith("voxtide"):
            yield f"{node.lineno}: rooms import each other relatively"
        if isinstance(node, ast.Import) and any(a.name.split(".")[0] == "voxtide" for a in node.names):
            yield f"{node.lineno}: rooms import each other relatively"
        if isinstance(node, ast.FunctionDef) and node.name == "__del__":
            yield f"{node.lineno}: no __del__: it runs at no known time, on no known thread"
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                yield f"{node.lineno}: no {node.func.id}"
            if isinstance(node.func, ast.Attribute) and ast.unparse(node.func) in ("os.system", "os.popen"):
                yield f"{node.lineno}: no shell"
            for keyword in node.keywords:
                off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg in ("shell", "allow_pickle") and not off:
                    yield f"{node.lineno}: no {keyword.arg}={ast.unparse(keyword.value)}"


def faults(path, source):
    """What is wrong with a file of a room: path relative to the root, with slashes. -> list of str."""
    found = []
    if source.count("\n") > MAX_LINES:
        found.append(f"{source.count(chr(10))} lines: split it, {MAX_LINES} is the most")
    if path.endswith(".py"):
        tree = ast.parse(source)
        found += [*import_faults(tree, path), *syntax_faults(tree)]
    return [f"{path}:{fault}" for fault in found]


def files():
    for room in ROOMS:
        for suffix in ("*.py", "*.glsl", "*.comp"):
            yield from (ROOT / room).rglob(suffix)


def test_every_file_keeps_the_rules():
    paths = sorted(files())
    assert {p.relative_to(ROOT).parts[0] for p in paths} == set(ROOMS)
    found = [f for p in paths for f in faults(p.relative_to(ROOT).as_posix(), p.read_text("utf-8"))]
    assert not found, "\n" + "\n".join(found)


def test_no_test_is_longer_than_the_rest():
    paths = sorted((ROOT / "tests").rglob("*.py"))
    long = [p.name for p in paths if p.read_text("utf-8").count("\n") > MAX_LINES]
    assert not long


BROKEN = [
    ("atlas/a.py", "from ..streamer import world", "may not import"),
    ("atlas/a.py", "from .. import tools", "may not import"),
    ("atlas/a.py", "def f():\n    from ..app import frame", "may not import"),
    ("atlas/a.py", "import os", "arithmetic"),
    ("atlas/a.py", "import threading, numpy", "arithmetic"),
    ("streamer/a.py", "from ..shaders import compose", "may not import"),
    ("streamer/a.py", "from ..app.render import pool", "may not import"),
    ("shaders/a.py", "from ..streamer import world", "may not import"),
    ("app/a.py", "from ..tools import bake", "may not import"),
    ("app/render/a.py", "from ...tools.bake import bake", "may not import"),
    ("app/render/a.py", "from ... import tools", "may not import"),
    ("app/a.py", "from voxtide.tools import bake", "may not import"),
    ("app/a.py", "import importlib\nimportlib.import_module('voxtide.tools')", "may not import"),
    ("tools/a.py", "from voxtide.atlas import lod", "relatively"),
    ("tools/a.py", "import voxtide.atlas.lod as lod", "relatively"),
    ("tools/a.py", "import atlas", "relatively"),
    ("tools/a.py", "from ... import atlas", "relatively"),
    ("tools/a.py", "import moderngl", "only in app/render/"),
    ("app/a.py", "from OpenGL.GL import glFinish", "only in app/render/"),
    ("streamer/a.py", "import torch.nn", "only in tools/"),
    ("app/viewer.py", "from imgui_bundle import imgui", "only in app/panel/"),
    ("tools/a.py", "import av", "only in tools/film.py"),
    ("app/a.py", "from websockets.sync.client import connect", "only in tools/serve/"),
    ("streamer/a.py", "import zarr", "only in streamer/zarr_"),
    ("tools/a.py", "def f():\n    import zarr", "only in streamer/zarr_"),
    ("tools/a.py", "import plyfile", "nowhere"),
    ("tools/a.py", "from pickle import loads", "nowhere"),
    ("tools/a.py", "x = eval('1')", "no eval"),
    ("tools/a.py", "exec('1')", "no exec"),
    ("tools/a.py", "subprocess.run('ls', shell=True)", "no shell=True"),
    ("tools/a.py", "subprocess.run('ls', shell=flag)", "no shell=flag"),
    ("tools/a.py", "import os\nos.system('ls')", "no shell"),
    ("tools/a.py", "np.load(f, allow_pickle=True)", "no allow_pickle"),
    ("tools/a.py", "class A:\n    def __del__(self): ...", "__del__"),
    ("tools/a.py", "x = 1\n" * 401, "400 is the most"),
    ("shaders/a.comp", "\n" * 401, "400 is the most"),
]
FINE = [
    (
        "atlas/a.py",
        "import numpy as np\nfrom numpy.typing import NDArray\nfrom .layout import CHUNK\nfrom . import uvw",
    ),
    ("atlas/a.py", "from ..atlas import uvw"),
    ("streamer/zarr_codec.py", "import zarr\nfrom ..atlas import chunk"),
    (
        "app/render/pool.py",
        "import moderngl\nfrom ...atlas import layout\nfrom ..camera import Camera\nfrom . import ring",
    ),
    ("tools/lyra/a.py", "import torch\nfrom ...app.render import pool\nmodel.eval()"),
    ("tools/a.py", "np.load(f, allow_pickle=False)\nsubprocess.run(['ls'], shell=False)\nx = 1\n" * 100),
    ("shaders/a.comp", "void main() { import moderngl }\n"),
]


@pytest.mark.parametrize(("path", "source", "fault"), BROKEN)
def test_a_broken_rule_is_found(path, source, fault):
    found = faults(path, source)
    assert len(found) >= 1
    assert any(fault in f for f in found), found


@pytest.mark.parametrize(("path", "source"), FINE)
def test_what_is_allowed_is_not_a_fault(path, source):
    assert faults(path, source) == []

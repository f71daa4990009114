"""Readers that others install: an entry point of a distribution that pip would have made."""

import sys
import textwrap
from importlib.metadata import entry_points

import pytest
from voxtide.tools.errors import UserError
from voxtide.tools.sources import open_source, registry


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """installed(name, module's text, entry points' text): a distribution on sys.path."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def install(name, module, points):
        (site / f"{name}-1.0.dist-info").mkdir(parents=True)
        (site / f"{name}-1.0.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        lines = "\n".join(points)
        (site / f"{name}-1.0.dist-info" / "entry_points.txt").write_text(f"[voxtide.sources]\n{lines}\n")
        (site / f"{name}.py").write_text(textwrap.dedent(module))
        monkeypatch.delitem(sys.modules, name, raising=False)

    return install


ONE_POINT = """
    import numpy as np
    from voxtide.tools.sources import Points, Source

    def open_one(path, height="1"):
        def batches(n):
            yield Points(np.array([[0, 0, float(height)]]), np.array([[1, 2, 3]], np.uint8))

        return Source(path, "points", 1, "z", batches, {"format": "one"})
"""


def test_a_reader_of_another_distribution_is_found(tmp_path, installed):
    path = tmp_path / "a.ONE"
    path.write_bytes(b"x")
    with pytest.raises(UserError, match="expected a file that ends in"):
        open_source(path)
    installed("one_reader", ONE_POINT, ["one = one_reader:open_one"])
    source = open_source(path)
    assert source.notes == {"format": "one"}
    (batch,) = open_source(f"{path}?height=7").batches(9)
    assert batch.positions.tolist() == [[0, 0, 7]]
    with pytest.raises(UserError, match=r"has no option \?width: it has \?height"):
        open_source(f"{path}?width=7")
    (tmp_path / "a.xyz").write_bytes(b"x")
    with pytest.raises(UserError, match=r"\.ply, .*, \.one"):
        open_source(tmp_path / "a.xyz")


def test_what_voxtide_reads_is_not_replaced(tmp_path, installed):
    installed("greedy", ONE_POINT, ["ply = greedy:open_one"])
    (tmp_path / "a.ply").write_bytes(b"x")
    with pytest.raises(UserError, match=r"expected a \.ply file"):
        open_source(tmp_path / "a.ply")


@pytest.mark.parametrize(
    ("module", "point", "says"),
    [
        ("import no_such_module_anywhere", "one = broken:open_one", "broken does not load: No module named"),
        ("x = 1", "one = broken:open_one", "broken does not load"),
        ("open_one = 1", "one = broken:open_one", "is no function"),
    ],
)
def test_a_broken_one_is_named(tmp_path, installed, module, point, says):
    installed("broken", module, [point])
    (tmp_path / "a.one").write_bytes(b"x")
    with pytest.raises(UserError, match=says):
        open_source(tmp_path / "a.one")


def test_of_two_the_first_by_name_reads(tmp_path, installed):
    for name in ("zebra", "antelope"):
        installed(
            name, ONE_POINT.replace('"format": "one"', f'"format": "{name}"'), [f"one = {name}:open_one"]
        )
    (tmp_path / "a.one").write_bytes(b"x")
    assert len(entry_points(group=registry.GROUP)) == 2
    assert open_source(tmp_path / "a.one").notes == {"format": "antelope"}


def test_a_question_mark_in_a_real_name_is_no_option(tmp_path):
    (tmp_path / "what?.splat").write_bytes(bytes(24) + b"\1\2\3\4" + b"\xff\x80\x80\x80")
    assert open_source(tmp_path / "what?.splat").n_items == 1

"""Random stacks of layers: model, one full tree, and a real overlay mount show the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plugrun.errors import Corrupt
from plugrun.interfaces.storage import WHITEOUT_OVERLAYFS, WHITEOUT_UNLINK, LayerTree
from plugrun.layers.implied import complete
from plugrun.layers.unpack import unpack_layer

from tests.unit.layers import model
from tests.unit.layers.made import Made, look, tar_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners and whiteouts")

View = Callable[[list[str]], dict[str, tuple]]

# Mounts overlays in a mount namespace of its own, so that nothing is left however it ends.
VIEWER = """
import json, os, sys
from plugrun.linux import mounting, process
from tests.unit.layers.made import look
process.unshare(process.CLONE_NEWNS)
mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
where = sys.argv[1]
for line in sys.stdin:
    layers = json.loads(line)
    if len(layers) == 1:
        found = look(layers[0])
    else:
        data = "index=off,metacopy=off,redirect_dir=off,lowerdir=" + ":".join(layers)
        mounting.mount("overlay", where, "overlay", mounting.MS_RDONLY, data)
        found = look(where)
        mounting.umount(where)
    print(json.dumps(found), flush=True)
"""


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    """Show what overlayfs makes of layers, nearest first."""
    where = str(tmp_path_factory.mktemp("merged"))
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
    process = subprocess.Popen(
        [sys.executable, "-c", VIEWER, where], cwd=top, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin and process.stdout

    def show(layers: list[str]) -> dict[str, tuple]:
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(layers) + "\n")
        process.stdin.flush()
        found = json.loads(process.stdout.readline())
        return {path: (*rest, tuple(names)) for path, (*rest, names) in found.items()}

    yield show
    process.communicate("")
    assert process.returncode == 0


names = st.sampled_from(["a", "b", "c"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
modes = st.sampled_from([0o755, 0o700, 0o1777, 0o2775, 0o4755, 0o640])
uids = st.sampled_from([0, 0, 7])
times = st.integers(1_000_000_000, 1_000_000_009)
files = st.builds(
    Made, paths, st.just("file"), st.sampled_from(["", "x", "yy"]), modes, uids, times
)
folders = st.builds(Made, paths, st.just("folder"), st.just(""), modes, uids, times)
roots = st.builds(Made, st.just("./"), st.just("folder"), st.just(""), modes, uids, times)
fifos = st.builds(Made, paths, st.just("fifo"), st.just(""), modes, uids, times)
targets = st.sampled_from(["a", "b", "../a", "/b", "/a/b", "../../../c", "/c/./../a", "."])
symlinks = st.builds(Made, paths, st.just("symlink"), targets, modes, uids, times)
links = st.builds(Made, paths, st.just("link"), paths, modes, uids, times)


def _whiteout(path: str) -> Made:
    folder, _, name = path.rpartition("/")
    return Made(f"{folder}/.wh.{name}".lstrip("/"))


whiteouts = paths.map(_whiteout)
opaques = st.one_of(st.just(""), paths).map(lambda p: Made(f"{p}/.wh..wh..opq".lstrip("/")))
entries = st.one_of(
    files, files, folders, folders, symlinks, links, whiteouts, whiteouts, opaques, fifos, roots
)
stacks = st.lists(st.lists(entries, max_size=7), min_size=1, max_size=4)


def agree(found: dict[str, tuple], wanted: dict[str, tuple]) -> None:
    """Compare trees; an mtime that nobody set is not compared."""
    unset = {path for path, node in wanted.items() if node[3] is None}
    found = {p: (*n[:3], None, *n[4:]) if p in unset else n for p, n in found.items()}
    assert found == wanted


def _unpack(blob: str, tree: str, style: str, lower: list[str]) -> bool:
    try:
        told = unpack_layer(blob, tree, style)
    except Corrupt:
        return False
    if style == WHITEOUT_OVERLAYFS:
        layer = LayerTree(tree, style, tuple(lower))
        complete(layer, told)
        complete(layer, told)
    return True


@settings(max_examples=int(os.environ.get("PLUGRUN_EXAMPLES", "300")), deadline=None)
@given(layers=stacks)
@example(layers=[[Made("a"), Made("b/c")], [Made(".wh..wh..opq"), Made("c")]])
@example(layers=[[Made("a/b/c")], [Made("a/b/.wh.c"), Made(".wh.a"), Made("a/b/a")]])
@example(layers=[[Made("a/.wh.b"), Made(".wh.c")]])
@example(layers=[[Made("a/b")], [Made("a"), Made("a", "folder", mode=0o755)]])
@example(layers=[[Made("a", "symlink", "/c")], [Made("a/b"), Made("c")]])
@example(layers=[[Made("a/.", "folder", mode=0o700), Made("a/b")]])
def test_all_see_the_same(view: View, layers: list[list[Made]]) -> None:
    top = tempfile.mkdtemp(prefix="plugrun-stack-")
    try:
        _check(top, view, layers)
    finally:
        shutil.rmtree(top)


def _check(top: str, view: View, layers: list[list[Made]]) -> None:
    full, merged = f"{top}/full", model.empty()
    os.mkdir(full)
    os.chmod(full, 0o755)
    lower: list[str] = []
    for number, layer in enumerate(layers):
        blob, tree = f"{top}/{number}.tar", f"{top}/{number}"
        with open(blob, "wb") as file:
            file.write(tar_of(layer))
        os.mkdir(tree)
        os.chmod(tree, 0o755)
        try:
            merged = model.stack(merged, layer)
        except model.Refused:
            assert not _unpack(blob, tree, WHITEOUT_OVERLAYFS, lower)
            assert not _unpack(blob, full, WHITEOUT_UNLINK, [])
            return
        assert _unpack(blob, tree, WHITEOUT_OVERLAYFS, lower)
        assert _unpack(blob, full, WHITEOUT_UNLINK, [])
        lower.insert(0, tree)
        wanted = model.shown(merged)
        agree(look(full), wanted)
        agree(view(lower), wanted)

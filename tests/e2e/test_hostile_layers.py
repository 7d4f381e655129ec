"""Layers that no honest tool writes, by every way in: refused, and the store is as it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import HOST_IMAGE, PROFILES, Plugrun, fresh_root
from tests.e2e.test_archives import contents
from tests.registry import make_image, tar_of
from tests.unit.layers.made import END
from tests.unit.layers.test_hostile import HOSTILE

# One of each kind that another part of the code meets first; all of them: test_hostile.py.
TRIED = (
    "parent",
    "NUL in a name",
    "5000 levels",
    "symlink circle",
    "root as a symlink",
    "hard link through a symlink",
    "whiteout of ..",
    "opaque attribute",
    "PAX size beyond the end",
    "GNU long link that is huge",
    "negative size",
    "old sparse without end",
    "cut in the data",
    "data after zeros",
)


@pytest.fixture(scope="module")
def used() -> Iterator[Plugrun]:
    """A store with an image, which must not change; once for all profiles."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with fresh_root(PROFILES[0]) as tool:
        tool("pull", "-q", HOST_IMAGE)
        yield tool


def stored(tool: Plugrun) -> dict[str, bytes | None]:
    """Return a store's files after what half a pull left for the next one has been freed."""
    tool("image", "prune", "-f")
    return contents(tool.root)


@pytest.mark.parametrize("name", TRIED)
def test_no_way_in(used, registry, tmp_path, name):
    tar, before = HOSTILE[name][0] + END, stored(used)
    image = make_image([tar_of({"below": b"below"}), tar], {"Cmd": ["x"]})
    reference = registry.push("hostile/layers", image)
    (tmp_path / "tree.tar").write_bytes(tar)
    used("copy", "-q", f"docker://{reference}", f"oci-archive:{tmp_path}/image.tar")
    listed = sorted(os.listdir(tmp_path))
    layer, archive = f"layer {image.layers[1].digest}: ", f"{tmp_path}/image.tar"
    for where, command in (
        (f"image {reference}, {layer}", ("pull", "-q", reference)),
        (f"image {reference}, {layer}", ("run", "--rm", "-q", reference)),
        (layer, ("load", "-i", archive)),
        (f"{tmp_path}/tree.tar: ", ("import", f"{tmp_path}/tree.tar", "imported")),
        (layer, ("copy", "-q", f"oci-archive:{archive}", f"rootfs:{tmp_path}/tree")),
    ):
        done = used(*command, code=125 if command[0] == "run" else 1)
        assert done.stderr.count("Error: ") == 1 or command[0] == "run", command
        assert "internal" not in done.stderr, command
        assert where in done.stderr, command
        assert len(done.stderr) < 1000
        assert done.stdout == "", command
    assert stored(used) == before
    assert sorted(os.listdir(tmp_path)) == listed
    assert json.loads(used.out("image", "inspect", HOST_IMAGE))

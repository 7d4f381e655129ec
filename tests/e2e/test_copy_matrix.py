"""``copy`` from each kind of address to each other: config and DiffIDs are what they were."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import PROFILES, Plugrun, fresh_root
from tests.registry import Registry, digest_of, make_image, tar_of

FILES = ("docker-archive", "oci-archive", "oci", "dir")
SOURCES = ("docker", *FILES, "store", "rootfs", "host")
TARGETS = ("docker", *FILES, "store", "rootfs")


@dataclass(frozen=True)
class Place:
    """Where the images of this test lie: a store, a folder, and a registry."""

    tool: Plugrun
    folder: str
    registry: Registry

    def address(self, kind: str, name: str) -> str:
        if kind == "docker":
            return f"docker://{self.registry.host}/matrix/{name}:1"
        return f"matrix/{name}:1" if kind == "store" else f"{kind}:{self.folder}/{name}"

    def image(self, address: str, name: str) -> tuple[str, list[str], dict]:
        """Return a config's digest, its DiffIDs and its ``config`` as ``dir:`` shows them."""
        look = f"{self.folder}/look-{name}"
        self.tool("copy", "-q", address, f"dir:{look}")
        with open(f"{look}/manifest.json", encoding="utf-8") as file:
            digest = json.load(file)["config"]["digest"]
        with open(f"{look}/{digest[7:]}", "rb") as file:
            raw = file.read()
        assert digest_of(raw) == digest
        body = json.loads(raw)
        return digest, body["rootfs"]["diff_ids"], body.get("config") or {}


@pytest.fixture(scope="module")
def place(registry, tmp_path_factory) -> Iterator[Place]:
    """Once for all profiles: but for the store's own, these copies unpack nothing."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with fresh_root(PROFILES[0]) as tool:
        yield Place(tool, str(tmp_path_factory.mktemp("matrix")), registry)


@pytest.fixture(scope="module")
def sources(place) -> dict[str, str]:
    """One image at an address of each kind; a tree and the host's files are images of their own."""
    lower = tar_of({"etc/": b"", "etc/a": b"a", "etc/b": b"b", "data": os.urandom(70_000)})
    upper = tar_of({"etc/.wh.a": b"", "etc/c": b"c"})
    config = {"Cmd": ["sh"], "Env": ["A=b"], "Labels": {"x": "y"}}
    first = place.registry.push("matrix/first", make_image([lower, upper], config), "1")
    found = {"docker": f"docker://{first}", "host": "host:sh,cat"}
    for kind in (*FILES, "store", "rootfs"):
        found[kind] = place.address(kind, f"from-{kind}")
        place.tool("copy", "-q", found["docker"], found[kind])
    return found


def tree(folder: str) -> dict[str, object]:
    """Return what a tree holds: a file's bytes, a link's target, a folder's mode."""
    found: dict[str, object] = {}
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            full = f"{path}/{name}"
            mode = os.lstat(full).st_mode
            what: object = os.readlink(full) if os.path.islink(full) else ""
            if os.path.isfile(full) and not os.path.islink(full):
                with open(full, "rb") as file:
                    what = file.read()
            found[os.path.relpath(full, folder)] = (oct(mode), what)
    return found


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_what_arrives_is_what_went(place, sources, source, target):
    name = f"{source}-{target}"
    wanted = place.image(sources[source], f"{name}-source")
    there = place.address(target, name)
    place.tool("copy", "-q", sources[source], there)
    if target == "rootfs":
        expected = f"{place.folder}/{name}-expected"
        place.tool("copy", "-q", f"dir:{place.folder}/look-{name}-source", f"rootfs:{expected}")
        found = tree(f"{place.folder}/{name}")
        assert found == tree(expected)
        if source != "host":
            assert sorted(found) == ["data", "etc", "etc/b", "etc/c"]
        return
    assert place.image(there, f"{name}-target") == wanted
    if source not in ("rootfs", "host"):
        assert wanted == place.image(sources["docker"], f"{name}-first")


@pytest.mark.parametrize("source", SOURCES)
def test_programs_of_the_host_take_no_image(place, sources, source):
    done = place.tool("copy", sources[source], "host:sh", code=1)
    assert "takes no images" in done.stderr

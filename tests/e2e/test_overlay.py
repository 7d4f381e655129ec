"""Kernel overlayfs at its limits, and a storage that somebody damaged: real containers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.conftest import TOP, Plugrun, fresh_root
from tests.registry import MadeImage, make_image, tar_of

BUSYBOX = "/usr/bin/busybox"
APPLETS = ("sh", "ls", "cat", "wc", "rm")
MOST = 500  # layers: overlayfs takes no more
REPAIR = "hint: plugrun system check --repair"


def base_layer() -> bytes:
    """Return a layer with a shell."""
    buffer = io.BytesIO()
    with open(BUSYBOX, "rb") as file:
        program = file.read()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("bin/busybox")
        info.mode, info.size = 0o755, len(program)
        archive.addfile(info, io.BytesIO(program))
        for name in APPLETS:
            info = tarfile.TarInfo(f"bin/{name}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(info)
    return buffer.getvalue()


def image_of(count: int) -> MadeImage:
    """Make an image of so many layers: each has a file of its own, and one that all have."""
    own = [{f"files/{n}": b"", "shared": str(n).encode()} for n in range(1, count)]
    return make_image([base_layer(), *map(tar_of, own)], {"Env": ["PATH=/bin"], "Cmd": ["sh"]})


def write_archive(path: str, image: MadeImage, name: str) -> str:
    """Write an image as an archive of an OCI layout."""
    annotations = {"org.opencontainers.image.ref.name": name}
    index = {
        "schemaVersion": 2,
        "manifests": [{**image.manifest.descriptor, "annotations": annotations}],
    }
    files = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps(index).encode(),
    }
    for blob in (image.manifest, image.config, *image.layers):
        files[f"blobs/{blob.digest.replace(':', '/')}"] = blob.data
    with open(path, "wb") as file:
        file.write(tar_of(files))
    return path


@pytest.fixture
def overlay() -> Iterator[Plugrun]:
    """The command on a root that only this test uses, with kernel overlayfs."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with fresh_root(f"{TOP}/config/profiles/overlay-ns.yaml") as tool:
        yield tool


@pytest.mark.parametrize("folder", ["root", "a:b,c\\d/" + "n" * 200])
def test_500_layers(overlay, tmp_path, folder):
    """At a path with what ends a path in mount options, too."""
    tool = Plugrun(overlay.config, f"{os.path.dirname(overlay.root)}/{folder}", overlay.run_root)
    os.makedirs(tool.root)
    tool("load", "-i", write_archive(f"{tmp_path}/many.tar", image_of(MOST), "many/layers:most"))
    change = "ls /files | wc -l; cat /shared; rm /files/7; echo new >/files/new; echo x >/shared"
    run = ("run", "--name", "box", "--network", "none", "many/layers:most", "sh", "-c", change)
    assert tool.out(*run) == f"{MOST - 1}\n{MOST - 1}"
    assert tool.out("diff", "box").split("\n") == [
        "C /files",
        "D /files/7",
        "A /files/new",
        "C /shared",
    ]
    refused = tool("commit", "box", "many/layers:more", code=1).stderr
    assert "an image of 501 layers: this storage takes 500" in refused
    assert "plugrun export CONTAINER | plugrun import" in refused
    assert tool.out("images", "-q").count("\n") == 0
    exported = f"{tmp_path}/box.tar"
    tool("export", "-o", exported, "box")
    tool("import", exported, "flat")
    flat = ("run", "--rm", "--network", "none", "flat", "/bin/sh", "-c", "ls /files | wc -l")
    assert tool.out(*flat) == str(MOST - 1)
    tool.remove_all()


def test_an_image_of_more_layers(overlay, tmp_path):
    path = write_archive(f"{tmp_path}/many.tar", image_of(MOST + 1), "many/layers:more")
    refused = overlay("load", "-i", path, code=1).stderr
    assert "an image of 501 layers: this storage takes 500" in refused
    assert overlay.out("images", "-q") == ""
    assert list(os.scandir(f"{overlay.root}/storage/overlay/l")) == []


@pytest.fixture
def damaged(overlay, tmp_path) -> Iterator[tuple[Plugrun, dict[str, str]]]:
    """A container that was made, and where its folders lie."""
    overlay("load", "-i", write_archive(f"{tmp_path}/few.tar", image_of(3), "few/layers:1"))
    overlay("create", "--name", "box", "--network", "none", "few/layers:1", "cat", "/shared")
    yield overlay, overlay.inspect("box")["GraphDriver"]["Data"]


def places(data: dict[str, str]) -> dict[str, str]:
    nearest, *_, deepest = data["LowerDir"].split(":")
    own = {"upper": data["UpperDir"], "work": data["WorkDir"]}
    return {"nearest": nearest, "deepest": deepest, **own}


@pytest.mark.parametrize("which", ["nearest", "deepest", "upper", "work"])
def test_a_folder_that_is_gone(damaged, tmp_path, which):
    tool, data = damaged
    place = places(data)[which]
    away = f"{os.path.dirname(tool.root)}/away"
    os.rename(place, away)
    told = tool("start", "-a", "box", code=1).stderr
    assert f"{place} is missing" in told
    assert REPAIR in told
    assert "Traceback" not in told
    if which in ("nearest", "deepest"):
        for args, code in (
            (("run", "--rm", "--network", "none", "few/layers:1", "sh"), 125),
            (("cp", "box:/shared", str(tmp_path)), 1),
            (("export", "-o", f"{tmp_path}/x", "box"), 1),
            (("diff", "box"), 1),
        ):
            told = tool(*args, code=code).stderr
            assert f"{place} is missing" in told
            assert REPAIR in told
        assert tool.out("ps", "-a", "--format", "{{.Names}}") == "box"
    os.rename(away, place)
    assert tool.out("start", "-a", "box") == "2"


def test_a_work_folder_that_cannot_be_written(damaged):
    tool, data = damaged
    place = places(data)["work"]
    subprocess.run(["chattr", "+i", place], check=True)
    try:
        told = tool("start", "-a", "box", code=1).stderr
    finally:
        subprocess.run(["chattr", "-i", place], check=True)
    assert f"the work folder {place} cannot be written" in told
    assert "chattr -ia" in told
    assert tool.out("start", "-a", "box") == "2"


def test_what_a_killed_mount_leaves(damaged):
    """Overlayfs's own leavings in the work folder keep no container from starting."""
    tool, data = damaged
    place = places(data)["work"]
    for name in ("work/#1", "work/incompat/volatile", "index/x"):
        os.makedirs(f"{place}/{name}")
    told = tool("start", "-a", "box", code=None)
    assert (told.returncode, told.stdout) == (0, "2"), told.stderr
    tool("rm", "box")
    assert os.listdir(os.path.dirname(place)) == []


def test_a_full_disk(tmp_path):
    """Told when it is full, and all is as it was when there is room again."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place], check=True)
    try:
        _fill_and_free(f"{place}/root", f"{tmp_path}/run", str(tmp_path))
    finally:
        subprocess.run(["umount", place], check=True)


def _fill_and_free(root: str, run_root: str, folder: str) -> None:
    tool = Plugrun(f"{TOP}/config/profiles/overlay-ns.yaml", root, run_root)
    tool("load", "-i", write_archive(f"{folder}/few.tar", image_of(3), "few/layers:1"))
    tool("create", "--name", "box", "--network", "none", "few/layers:1", "cat", "/shared")
    full = f"{os.path.dirname(root)}/full"
    with open(full, "wb", buffering=0) as file:
        _until_full(lambda: file.write(bytes(4096)))
    for args in (("start", "-a", "box"), ("run", "--network", "none", "few/layers:1", "sh")):
        told = tool(*args, code=None)
        assert told.returncode in (1, 125), told
        assert "Traceback" not in told.stderr
        assert "internal error" not in told.stderr
        assert "space" in told.stderr or "full" in told.stderr, told.stderr
    os.unlink(full)
    assert tool.out("start", "-a", "box") == "2"
    tool.remove_all()


def _until_full(act: Callable[[], object]) -> None:
    while True:
        try:
            act()
        except OSError:
            return

"""``copy``: from any address to any other, in the same bytes, and only into the store unpacked."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator

import pytest
import zstandard

from tests.e2e.conftest import HOST_IMAGE, PROFILES, Plugrun, fresh_root
from tests.registry import (
    CONFIG,
    LAYER,
    LAYER_GZIP,
    MANIFEST,
    Blob,
    MadeImage,
    digest_of,
    make_image,
    make_index,
    tar_of,
)

LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
ARCHIVES = ("docker-archive", "oci-archive", "oci", "dir")
RAW = {"list": b"[]", "deep": b"[" * 100_000, "huge": b" " * (9 << 20), "no text": b"\xff\xfe"}
DOCUMENT = ("missing", "link", "fifo", "folder", *RAW)
BLOB = ("missing", "link", "fifo", "folder", "cut", "changed")


@pytest.fixture(scope="module")
def plugrun() -> Iterator[Plugrun]:
    """The command on a root of its own, once for all profiles: these copies unpack nothing."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with fresh_root(PROFILES[0]) as tool:
        yield tool


@pytest.fixture(scope="module")
def made() -> MadeImage:
    layers = [tar_of({"base": os.urandom(200_000)}), tar_of({"etc/": b"", "etc/new": b"new"})]
    return make_image(layers, {"Cmd": ["sh"], "Env": ["A=b"]})


@pytest.fixture(scope="module")
def source(registry, made) -> str:
    return "docker://" + registry.push("copy/source", made, "1")


def digest_at(plugrun: Plugrun, tmp_path, address: str) -> str:
    """Return the manifest's digest of an image by copying it to a folder and looking there."""
    folder = tmp_path / f"look-{os.urandom(4).hex()}"
    told = plugrun.out("copy", "-q", address, f"dir:{folder}")
    assert digest_of((folder / "manifest.json").read_bytes()) == told
    return told


@pytest.mark.parametrize("kind", ARCHIVES)
def test_there_and_back_in_the_same_bytes(plugrun, registry, source, made, tmp_path, kind):
    before = plugrun.out("images", "-aq")
    place = f"{kind}:{tmp_path}/place"
    wanted = made.manifest.digest
    assert plugrun.out("copy", "-q", source, place) == wanted
    back = f"docker://{registry.host}/copy/back-{kind}:2"
    assert plugrun.out("copy", "-q", place, back) == wanted
    assert digest_at(plugrun, tmp_path, back) == wanted
    assert plugrun.out("images", "-aq") == before
    for other in ARCHIVES:
        again = f"{other}:{tmp_path}/{other}-again"
        assert plugrun.out("copy", "-q", place, again) == wanted


@pytest.mark.parametrize("kind", ARCHIVES)
def test_into_the_store_and_out_of_it(alone, source, made, tmp_path, kind):
    alone("copy", source, "mine:1")
    listed = alone.out("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
    assert listed == f"mine:1 {made.config.digest}"
    place = f"{kind}:{tmp_path}/place"
    told = alone.out("copy", "mine:1", place)
    assert told.endswith(f"Status: Copied mine:1 to {place}")
    alone("rmi", "mine:1")
    assert alone.out("copy", "-q", place, "other:2") == made.manifest.digest
    image = json.loads(alone.out("image", "inspect", "other:2"))[0]
    assert image["Id"] == made.config.digest
    assert image["Config"]["Env"] == ["A=b"]


def test_within_the_store_it_is_a_name(alone, source, made):
    alone("copy", "-q", source, "one")
    alone("copy", "-q", "one", "two:3")
    assert set(alone.out("images", "--format", "{{.Repository}}:{{.Tag}}").split()) == {
        "one:latest",
        "two:3",
    }


def test_from_registry_to_registry_layers_are_mounted(plugrun, registry, source, made):
    target = f"docker://{registry.host}/copy/mounted:1"
    told = plugrun.out("copy", source, target)
    assert told.count("Mounted from copy/source") == len(made.layers)
    assert f"Digest: {made.manifest.digest}" in told


def test_the_names_that_an_archive_gets(plugrun, registry, source, tmp_path):
    own = source.removeprefix("docker://")
    plugrun("copy", "-q", source, f"docker-archive:{tmp_path}/a.tar")
    plugrun("copy", "-q", source, f"docker-archive:{tmp_path}/b.tar:named:7")
    assert tags(f"{tmp_path}/a.tar") == [own]
    assert tags(f"{tmp_path}/b.tar") == ["named:7"]
    plugrun("copy", "-q", source, f"oci:{tmp_path}/layout:first")
    plugrun("copy", "-q", HOST_IMAGE, f"oci:{tmp_path}/layout:second")
    with open(f"{tmp_path}/layout/index.json", encoding="utf-8") as file:
        entries = json.load(file)["manifests"]
    names = [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in entries]
    assert names == ["first", "second"]
    assert plugrun.out("copy", "-q", f"oci:{tmp_path}/layout:first", f"dir:{tmp_path}/one")


def tags(path: str) -> list[str]:
    with tarfile.open(path) as archive:
        return json.load(archive.extractfile("manifest.json"))[0]["RepoTags"]


def test_streams(plugrun, source, made, tmp_path):
    command = [*plugrun.argv, "copy", source, "docker-archive:-"]
    with open(f"{tmp_path}/out.tar", "wb") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, check=True)
    assert made.manifest.digest in done.stderr.decode()
    with open(f"{tmp_path}/out.tar", "rb") as file:
        argv = [*plugrun.argv, "copy", "-q", "docker-archive:-", f"dir:{tmp_path}/in"]
        said = subprocess.run(argv, stdin=file, capture_output=True, check=True).stdout
    assert said.decode().strip() == made.manifest.digest


# -- several platforms -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def several(registry):
    arches = ("amd64", "arm64")
    images = [make_image([tar_of({"a": a.encode()})], architecture=a) for a in arches]
    pairs = zip(images, arches, strict=True)
    index = make_index([(i, {"os": "linux", "architecture": a}) for i, a in pairs])
    return "docker://" + registry.push("copy/several", index), index


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "dir"])
def test_all_platforms_or_one(plugrun, registry, several, tmp_path, kind):
    name, index = several
    place = f"{kind}:{tmp_path}/all"
    assert plugrun.out("copy", "-q", "--all", name, place) == index.index.digest
    back = f"docker://{registry.host}/copy/all-{kind}:1"
    assert plugrun.out("copy", "-q", "--all", place, back) == index.index.digest
    for image, arch in zip(index.images, ("amd64", "arm64"), strict=True):
        told = plugrun.out("copy", "-q", "--platform", f"linux/{arch}", place, f"dir:{tmp_path}/1")
        assert told == image.manifest.digest
        assert (tmp_path / "1" / "manifest.json").read_bytes() == image.manifest.data


def test_an_image_for_another_platform_is_refused(plugrun, source, tmp_path):
    target = f"dir:{tmp_path}/x"
    done = plugrun("copy", "--platform", "linux/s390x", source, target, code=None)
    assert done.returncode != 0
    assert "linux/s390x" in done.stderr


def test_what_has_no_place_for_all_platforms(plugrun, several, tmp_path):
    name, _ = several
    for target in (f"docker-archive:{tmp_path}/a.tar", f"rootfs:{tmp_path}/r", "stored"):
        said = refused(plugrun, "--all", name, target)
        assert "one platform" in said or "index" in said
    assert os.listdir(tmp_path) == []


def refused(plugrun: Plugrun, *args: str) -> str:
    done = plugrun("copy", *args, code=None)
    assert done.returncode == 1, (args, done)
    assert "internal" not in done.stderr
    return done.stderr


# -- what is recoded ----------------------------------------------------------------------------


def image_with(registry, name: str, media_type: str, data: bytes, diff_id: str) -> str:
    config = {"os": "linux", "architecture": "amd64", "config": {}}
    config["rootfs"] = {"type": "layers", "diff_ids": [diff_id]}
    blob, layer = Blob(CONFIG, json.dumps(config).encode()), Blob(media_type, data)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": blob.descriptor}
    manifest["layers"] = [layer.descriptor]
    image = MadeImage(Blob(MANIFEST, json.dumps(manifest).encode()), blob, (layer,))
    return "docker://" + registry.push(name, image, "1")


def test_zstd_becomes_plain_in_archives_and_stays_in_folders(plugrun, registry, tmp_path):
    tar = tar_of({"z": b"z" * 9000})
    name = image_with(registry, "copy/zstd", LAYER_ZSTD, zstandard.compress(tar), digest_of(tar))
    plugrun("copy", "-q", name, f"docker-archive:{tmp_path}/z.tar")
    with tarfile.open(f"{tmp_path}/z.tar") as archive:
        [layer] = json.load(archive.extractfile("manifest.json"))[0]["Layers"]
        assert archive.extractfile(layer).read() == tar
    plugrun("copy", "-q", name, f"dir:{tmp_path}/z")
    with open(f"{tmp_path}/z/manifest.json", encoding="utf-8") as file:
        assert json.load(file)["layers"][0]["mediaType"] == LAYER_ZSTD


def test_plain_layers_are_compressed_for_a_registry(plugrun, registry, tmp_path):
    target = f"docker://{registry.host}/copy/host:1"
    first = plugrun.out("copy", "-q", HOST_IMAGE, target)
    assert plugrun.out("copy", "-q", HOST_IMAGE, target) == first
    assert digest_at(plugrun, tmp_path, target) == first
    [folder] = tmp_path.iterdir()
    layers = json.loads((folder / "manifest.json").read_bytes())["layers"]
    assert [layer["mediaType"] for layer in layers] == [LAYER_GZIP]


# -- trees of files ------------------------------------------------------------------------------


def test_an_image_becomes_a_tree_and_a_tree_an_image(alone, registry, tmp_path):
    first = tar_of({"etc/": b"", "etc/a": b"a", "etc/b": b"b", "bin/": b"", "bin/x": b"x"})
    second = tar_of({"etc/.wh.a": b"", "etc/c": b"c"})
    name = "docker://" + registry.push("copy/tree", make_image([first, second]), "1")
    tree = tmp_path / "Tree_1"
    alone("copy", "-q", name, f"rootfs:{tree}")
    assert sorted(os.listdir(tree / "etc")) == ["b", "c"]
    assert (tree / "bin" / "x").read_text() == "x"
    assert os.listdir(tmp_path) == ["Tree_1"]
    assert "no empty folder" in refused(alone, name, f"rootfs:{tree}")
    alone("pull", "-q", f"rootfs:{tree}")
    assert "years ago" not in alone.out("images", "--format", "{{.CreatedSince}}")
    assert alone.out("images", "--format", "{{.Repository}}:{{.Tag}}") == "localhost/tree-1:latest"
    id = alone.out("create", f"rootfs:{tree}", "x")
    with open(f"{tmp_path}/out.tar", "wb") as file:
        subprocess.run([*alone.argv, "export", id], stdout=file, check=True)
    with tarfile.open(f"{tmp_path}/out.tar") as archive:
        assert {"etc/b", "etc/c", "bin/x"} <= set(archive.getnames())


def test_a_tree_is_run(alone, tmp_path):
    alone("copy", "-q", HOST_IMAGE, f"rootfs:{tmp_path}/tree")
    out = alone.out("run", "--rm", "-q", f"rootfs:{tmp_path}/tree", "cat", "/proc/self/comm")
    assert out == "cat"


def test_another_file_system_in_a_tree_stays_out(plugrun, tmp_path):
    tree = tmp_path / "tree"
    (tree / "mounted").mkdir(parents=True)
    (tree / "own").write_text("own")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tree / "mounted"], check=True)
    try:
        (tree / "mounted" / "foreign").write_text("foreign")
        plugrun("copy", "-q", f"rootfs:{tree}", f"rootfs:{tmp_path}/copy")
    finally:
        subprocess.run(["umount", tree / "mounted"], check=True)
    assert os.listdir(tmp_path / "copy" / "mounted") == []
    assert (tmp_path / "copy" / "own").read_text() == "own"


def test_a_wrong_layer_leaves_no_tree(plugrun, registry, tmp_path):
    tar = tar_of({"x": b"x"})
    name = image_with(registry, "copy/wrong", LAYER, tar, digest_of(b"something else"))
    assert "unpacks to" in refused(plugrun, name, f"rootfs:{tmp_path}/tree")
    hostile = tar_of({"../x": b"x"})
    name = image_with(registry, "copy/hostile", LAYER, hostile, digest_of(hostile))
    assert "no honest archive" in refused(plugrun, name, f"rootfs:{tmp_path}/tree")
    assert os.listdir(tmp_path) == []


# -- folders of skopeo's -------------------------------------------------------------------------


def test_a_folder_with_other_files_is_left_alone(plugrun, source, tmp_path):
    (tmp_path / "letter").write_text("dear")
    assert "would be lost" in refused(plugrun, source, f"dir:{tmp_path}")
    assert os.listdir(tmp_path) == ["letter"]


def test_a_folder_takes_another_image_in_place_of_its_own(plugrun, registry, source, tmp_path):
    other = make_image([tar_of({"other": b"other"})])
    name = "docker://" + registry.push("copy/other", other)
    plugrun("copy", "-q", source, f"dir:{tmp_path}/place")
    plugrun("copy", "-q", name, f"dir:{tmp_path}/place")
    blobs = {blob.digest[7:] for blob in (other.config, *other.layers)}
    assert set(os.listdir(tmp_path / "place")) == {"version", "manifest.json", *blobs}


@pytest.mark.parametrize(
    "damage", ["cut", "changed", "missing", "fifo", "link", "no manifest", "list", "deep", "huge"]
)
def test_a_hostile_folder(plugrun, source, made, tmp_path, damage):
    before = plugrun.out("images", "-aq")
    place, layer = tmp_path / "place", made.layers[0].digest[7:]
    plugrun("copy", "-q", source, f"dir:{place}")
    (tmp_path / "outside").write_bytes(made.layers[0].data)
    if damage in ("cut", "changed"):
        data = made.layers[0].data
        (place / layer).write_bytes(data[:-1] if damage == "cut" else b"x" + data[1:])
    elif damage in ("missing", "fifo", "link"):
        (place / layer).unlink()
        if damage == "fifo":
            os.mkfifo(place / layer)
        elif damage == "link":
            (place / layer).symlink_to("../outside")
    elif damage == "no manifest":
        (place / "manifest.json").unlink()
    else:
        raw = {"list": b"[]", "deep": b"[" * 100_000, "huge": b" " * (9 << 20)}[damage]
        (place / "manifest.json").write_bytes(raw)
    said = refused(plugrun, f"dir:{place}", f"oci:{tmp_path}/out")
    assert len(said) < 1000
    assert not os.path.exists(f"{tmp_path}/out/index.json")
    assert plugrun("pull", "-q", f"dir:{place}", code=None).returncode == 1
    assert plugrun.out("images", "-aq") == before


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, damage) for name in ("index.json", "oci-layout") for damage in DOCUMENT),
        *((name, damage) for name in ("LAYER", "CONFIG", "MANIFEST") for damage in BLOB),
        ("blobs", "link"),
        ("blobs/sha256", "link"),
        ("blobs", "missing"),
    ],
)
def test_a_hostile_layout(plugrun, source, made, tmp_path, name, damage):
    """A layout is a folder of somebody else's: no link in it is followed, no FIFO opened."""
    place, before = tmp_path / "place", plugrun.out("images", "-aq")
    plugrun("copy", "-q", source, f"oci:{place}")
    blobs = {"LAYER": made.layers[0], "CONFIG": made.config, "MANIFEST": made.manifest}
    path = place / (f"blobs/sha256/{blobs[name].digest[7:]}" if name in blobs else name)
    aside = tmp_path / "aside"
    path.rename(aside)
    if damage == "link":
        path.symlink_to(os.path.relpath(aside, path.parent))
    elif damage == "fifo":
        os.mkfifo(path)
    elif damage == "folder":
        path.mkdir()
    elif damage == "cut":
        path.write_bytes(aside.read_bytes()[:-1])
    elif damage == "changed":
        path.write_bytes(b"x" + aside.read_bytes()[1:])
    elif damage in RAW:
        path.write_bytes(RAW[damage])
    for command in (
        ("copy", f"oci:{place}", f"dir:{tmp_path}/out"),
        ("copy", f"oci:{place}", f"docker-archive:{tmp_path}/out.tar"),
        ("pull", "-q", f"oci:{place}"),
    ):
        done = plugrun(*command, code=1)
        assert done.stderr.count("Error: ") == 1, command
        assert "internal" not in done.stderr
        assert len(done.stderr) < 1000
    assert not os.path.exists(f"{tmp_path}/out/manifest.json")
    assert not os.path.exists(f"{tmp_path}/out.tar")
    assert plugrun.out("images", "-aq") == before


def test_any_bytes_from_the_wire_are_checked(alone, tmp_path):
    """A folder's bytes are as hostile as a registry's: the digest decides at every destination."""
    subprocess.run([*alone.argv, "copy", "-q", HOST_IMAGE, f"dir:{tmp_path}/d"], check=True)
    [layer] = json.loads((tmp_path / "d" / "manifest.json").read_bytes())["layers"]
    path = tmp_path / "d" / layer["digest"][7:]
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    for target in (f"docker-archive:{tmp_path}/t", f"rootfs:{tmp_path}/r", "store-it"):
        said = refused(alone, f"dir:{tmp_path}/d", target)
        assert layer["digest"] in said
    assert sorted(os.listdir(tmp_path)) == ["d"]


# -- with the other tools -----------------------------------------------------------------------


def skopeo(*args: str) -> str:
    done = subprocess.run(["skopeo", *args], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
@pytest.mark.parametrize("kind", ARCHIVES)
def test_skopeo_takes_ours_and_we_take_its(plugrun, source, made, tmp_path, kind):
    ours = f"{kind}:{tmp_path}/ours" + ("" if kind == "dir" else ":own:1")
    plugrun("copy", "-q", source, ours)
    found = json.loads(skopeo("inspect", ours))
    assert len(found["Layers"]) == len(made.layers)
    assert found["Env"] == ["A=b"]
    theirs = f"{kind}:{tmp_path}/theirs" + ("" if kind == "dir" else ":own:1")
    skopeo("copy", "-q", ours, theirs)
    plugrun("copy", "-q", theirs, f"dir:{tmp_path}/look")
    manifest = json.loads((tmp_path / "look" / "manifest.json").read_bytes())
    assert manifest["config"]["digest"] == made.config.digest


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_skopeo_reads_all_platforms_of_a_folder(plugrun, several, tmp_path):
    name, index = several
    plugrun("copy", "-q", "--all", name, f"dir:{tmp_path}/ours")
    skopeo("copy", "-q", "--all", f"dir:{tmp_path}/ours", f"oci:{tmp_path}/theirs:1")
    with open(f"{tmp_path}/theirs/index.json", encoding="utf-8") as file:
        assert json.load(file)["manifests"][0]["digest"] == index.index.digest
    skopeo("copy", "-q", "--all", f"oci:{tmp_path}/theirs:1", f"dir:{tmp_path}/back")
    told = plugrun.out("copy", "-q", "--all", f"dir:{tmp_path}/back", f"oci:{tmp_path}/again")
    assert told == index.index.digest


# -- the command line ------------------------------------------------------------------------------


def test_refusals(plugrun, source, tmp_path):
    before = plugrun.out("images", "-aq")
    assert "takes no images" in refused(plugrun, source, "host:sh")
    assert "No such image" in refused(plugrun, "never-pulled", f"dir:{tmp_path}/x")
    assert "no such file" in refused(plugrun, "oci:/not/there", "x")
    done = plugrun("copy", "--progress", "loud", source, "x", code=None)
    assert "plain, tty, json" in done.stderr
    wrong = f"{source.rpartition(':')[0]}@sha256:{'0' * 64}"
    assert "sha256:" in refused(plugrun, source, wrong)
    assert plugrun.out("images", "-aq") == before


def test_one_object_a_line(alone, source, made, registry, tmp_path):
    told = alone.out("pull", "--progress", "json", source)
    objects = [json.loads(line) for line in told.splitlines()]
    assert objects[-1]["aux"]["ID"] == made.config.digest
    assert objects[-1]["aux"]["Name"] == source.removeprefix("docker://")
    ids = {layer.digest[7:19] for layer in made.layers}
    assert {o["id"] for o in objects if "id" in o} == ids
    assert {o["status"] for o in objects if o.get("id") in ids} >= {"Pull complete"}
    alone("save", "-o", f"{tmp_path}/x.tar", source)
    target = f"{registry.host}/copy/json:1"
    alone("tag", source, target)
    for command in (
        ("push", "--progress", "json", target),
        ("load", "--progress", "json", "-i", f"{tmp_path}/x.tar"),
        ("copy", "--progress", "json", source, f"dir:{tmp_path}/json"),
    ):
        lines = alone.out(*command).splitlines()
        assert "aux" in json.loads(lines[-1]), command
        assert all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize("point", [0.05, 0.3])
def test_a_killed_copy_leaves_nothing_that_counts(plugrun, registry, tmp_path, point):
    big = make_image([tar_of({"big": os.urandom(20_000_000)})])
    name = "docker://" + registry.push("copy/big", big)
    for target in (
        f"oci:{tmp_path}/layout",
        f"docker-archive:{tmp_path}/a",
        f"rootfs:{tmp_path}/r",
    ):
        process = plugrun.start("copy", "-q", name, target)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(point + 0.2)
        process.kill()
        process.communicate()
        if process.returncode == 0:
            continue
        # What is there in spite of it, for the kill came late, is whole.
        kind, _, place = target.partition(":")
        if os.path.exists(place + ("/index.json" if kind == "oci" else "")):
            plugrun("copy", "-q", target, f"dir:{tmp_path}/look-{kind}")
        else:
            plugrun("copy", "-q", name, target)
    assert os.listdir(tmp_path / "r") == ["big"]

"""What images take is bounded: memory whatever their size, disk by what comes in."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, PROFILES, Plugrun, fresh_root
from tests.e2e.memory import peak
from tests.e2e.test_archives import archive_of, contents
from tests.registry import (
    CONFIG,
    INDEX,
    LAYER_GZIP,
    MANIFEST,
    Blob,
    MadeImage,
    digest_of,
    make_image,
    tar_of,
)

MOST = 200 << 20
MOST_HOSTILE = 512 << 20
BOMB = "PLUGRUN_MAX_LAYER_SIZE"


@pytest.fixture(scope="module")
def large(registry) -> str:
    """Nearly four hundred megabytes in four layers; stored in gzip, which saves this test time."""
    noise = os.urandom(1 << 20)
    tars = [tar_of({f"{n}-{m}": bytes([n, m]) + noise * 32 for m in range(3)}) for n in range(4)]
    made = make_image(tars, {"Cmd": ["x"]}, compress=False)
    layers = [Blob(LAYER_GZIP, gzip.compress(tar, 0, mtime=0)) for tar in tars]
    body = json.loads(made.manifest.data)
    body["layers"] = [layer.descriptor for layer in layers]
    manifest = Blob(MANIFEST, json.dumps(body).encode())
    return registry.push("bounded/large", MadeImage(manifest, made.config, tuple(layers)))


def test_memory_does_not_grow_with_the_image(alone: Plugrun, registry, large, tmp_path):
    archive, tree = f"{tmp_path}/a.tar", f"{tmp_path}/tree.tar"
    name = f"{registry.host}/bounded/again:1"
    commands = [
        ["pull", "-q", large],
        ["save", "-o", archive, large],
        ["tag", large, name],
        ["push", "-q", name],
        ["create", "--name", "cc", large],
        ["export", "-o", tree, "cc"],
        ["commit", "cc", "committed"],
        ["rm", "cc"],
        ["rmi", large, name, "committed"],
        ["load", "-q", "-i", archive],
        ["rmi", large],
        ["import", tree, "imported"],
        ["copy", "-q", f"docker://{large}", f"oci:{tmp_path}/layout"],
        ["copy", "-q", f"oci:{tmp_path}/layout", f"rootfs:{tmp_path}/rootfs"],
    ]
    for command in commands:
        done, memory = peak([*alone.argv, *command])
        assert done.returncode == 0, (command, done.stderr)
        assert memory < MOST, (command, memory)


# -- bombs ----------------------------------------------------------------------------------------


def bomb() -> bytes:
    """A layer of half a gigabyte of zeros in half a megabyte."""
    info = tarfile.TarInfo("zeros")
    info.size = 512 << 20
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as file:
        file.write(info.tobuf())
        for _ in range(512):
            file.write(bytes(1 << 20))
        file.write(bytes(10240))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def packed() -> bytes:
    return bomb()


@pytest.fixture(scope="module")
def used() -> Iterator[Plugrun]:
    """A store with an image, which must not change; once for all profiles."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with fresh_root(PROFILES[0]) as tool:
        tool("pull", "-q", HOST_IMAGE)
        yield tool


def test_a_bomb_is_refused_and_leaves_nothing(used, registry, packed, tmp_path):
    layer = Blob(LAYER_GZIP, packed)
    rootfs = {"type": "layers", "diff_ids": [digest_of(b"never reached")]}
    config = Blob(CONFIG, json.dumps({"os": "linux", "rootfs": rootfs}).encode())
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor}
    manifest["layers"] = [layer.descriptor]
    for blob in (config, layer):
        registry.put_blob("bounded/bomb", blob.data)
    document = Blob(MANIFEST, json.dumps(manifest).encode())
    registry.put_manifest("bounded/bomb", "1", document)
    name = f"docker://{registry.host}/bounded/bomb:1"
    used("copy", "-q", name, f"oci:{tmp_path}/layout")
    with open(f"{tmp_path}/import.tar.gz", "wb") as file:
        file.write(packed)
    before = {path for path in contents(used.root) if "/storage/" in path}
    for command in (
        ("pull", "-q", name),
        ("copy", "-q", f"oci:{tmp_path}/layout", "bomb"),
        ("copy", "-q", f"oci:{tmp_path}/layout", f"rootfs:{tmp_path}/tree"),
        ("import", f"{tmp_path}/import.tar.gz"),
        ("load", "-i", f"{tmp_path}/import.tar.gz"),
    ):
        done = used(*command, env={BOMB: "20m"}, code=1)
        assert f"more than {20 << 20} bytes" in done.stderr, command
        assert BOMB in done.stderr
    assert {path for path in contents(used.root) if "/storage/" in path} == before
    assert sorted(os.listdir(tmp_path)) == ["import.tar.gz", "layout"]


def test_what_is_no_size_is_said(used, tmp_path):
    with open(f"{tmp_path}/x.tar.gz", "wb") as file:
        file.write(gzip.compress(tar_of({"x": b"x"})))
    done = used("import", f"{tmp_path}/x.tar.gz", env={BOMB: "lots"}, code=None)
    assert done.returncode != 0
    assert "not a size" in done.stderr


# -- documents ------------------------------------------------------------------------------------


def hostile_files() -> dict[str, bytes]:
    text = b'"' + b"x" * (100 << 20) + b'"'
    many = b"[" + b'{"Config":"c","Layers":[]},' * 200_000 + b"{}]"
    names = {f"{n:08}": b"" for n in range(200)}
    layout = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    notes = {"org.opencontainers.image.ref.name": "../../../x"}
    entry = {"mediaType": MANIFEST, "digest": digest_of(b"m"), "size": 1, "annotations": notes}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] * 9000})
    return {
        "100 MB of JSON": archive_of({"manifest.json": text}),
        "100,000 deep": archive_of({"manifest.json": b'{"a":' * 100_000}),
        "many entries": archive_of({"manifest.json": many}),
        "an entry again and again": archive_of({**layout, "index.json": index.encode()}),
        "many members": archive_of(names)[: 200 * 512] * 600,
        "a long name": archive_of({"n" * 900_000: b"x"}),
    }


@pytest.mark.parametrize("name", hostile_files())
def test_hostile_documents_take_little_memory(used, tmp_path, name):
    path = f"{tmp_path}/a.tar"
    with open(path, "wb") as file:
        file.write(hostile_files()[name])
    before = contents(used.root)
    for command in (["load", "-i", path], ["copy", f"oci-archive:{path}", f"dir:{tmp_path}/d"]):
        done, memory = peak([*used.argv, *command])
        assert done.returncode == 1, command
        assert done.stderr.count(b"Error: ") == 1
        assert b"internal error" not in done.stderr
        assert len(done.stderr) < 1000
        assert memory < MOST_HOSTILE
    assert contents(used.root) == before


def test_a_registrys_escapes_do_not_reach_the_terminal(used, registry):
    kind = "application/\x1b[2Jx"
    config = {"mediaType": kind, "digest": registry.put_blob("bounded/esc", b"{}"), "size": 2}
    body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
    registry.put_manifest("bounded/esc", "1", Blob(MANIFEST, json.dumps(body).encode()))
    done = used("pull", f"{registry.host}/bounded/esc:1", code=1)
    assert "\x1b" not in done.stderr + done.stdout
    assert "application/\\x1b[2Jx" in done.stderr


# -- what an image may hold, and what may be asked for --------------------------------------------


def test_devices_and_setuid_are_content_and_never_opened(alone, registry, tmp_path):
    """A FIFO that anybody opened would hang this, and a device act."""
    entries = {
        "fifo": (tarfile.FIFOTYPE, 0o644, 0, 0),
        "tape": (tarfile.CHRTYPE, 0o600, 9, 0),
        "disk": (tarfile.BLKTYPE, 0o660, 7, 99),
        "su": (tarfile.REGTYPE, 0o4755, 0, 0),
        "sg": (tarfile.REGTYPE, 0o2755, 0, 0),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (kind, mode, major, minor) in entries.items():
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.devmajor, info.devminor = kind, mode, major, minor
            archive.addfile(info, io.BytesIO())
    name = registry.push("bounded/devices", make_image([buffer.getvalue()], {"Cmd": ["/su"]}))
    alone("pull", "-q", name)
    id = alone.out("create", name)
    alone("diff", id)
    alone("commit", id, "committed")
    alone("copy", "-q", "committed", f"rootfs:{tmp_path}/tree")
    alone("cp", f"{id}:/fifo", f"{tmp_path}/fifo")
    alone("copy", "-q", f"rootfs:{tmp_path}/tree", "again")
    for image in (name, "again"):
        id = alone.out("create", image, "x")
        out = subprocess.run(
            [*alone.argv, "export", id], capture_output=True, timeout=PATIENCE, check=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(out)) as archive:
            for entry, (kind, mode, major, minor) in entries.items():
                found = archive.getmember(entry)
                assert (found.type, found.mode) == (kind, mode), entry
                assert (found.devmajor, found.devminor) == (major, minor), entry


@pytest.mark.parametrize(
    "text",
    ["../../etc/passwd", "sha256:../../etc/passwd", "/etc/passwd", "..", "a\x1b[31mb", "x" * 5000],
)
def test_names_and_ids_are_never_paths(used, tmp_path, text):
    before = contents(used.root)
    for command in (
        ("rmi", text),
        ("save", "-o", f"{tmp_path}/x", text),
        ("image", "inspect", text),
        ("history", text),
        ("tag", text, "x"),
        ("tag", HOST_IMAGE, text),
        ("run", "--pull", "never", text),
        ("copy", text, f"dir:{tmp_path}/x"),
        ("pull", "-q", f"127.0.0.1:1/{text}"),
    ):
        done = used(*command, code=None)
        assert done.returncode not in (0, 2), command
        assert "internal" not in done.stderr
        assert "Traceback" not in done.stderr
    assert contents(used.root) == before
    assert os.listdir(tmp_path) == []

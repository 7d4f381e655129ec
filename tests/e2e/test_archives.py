"""``save`` and ``load``: what goes out comes back, and what means harm changes nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import pty
import shutil
import stat
import subprocess
import tarfile

import pytest
from plugrun.model.descriptor import host_platform

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, Plugrun, layer
from tests.registry import INDEX, LAYER, MANIFEST, Blob, digest_of, make_image, make_index, tar_of

RUN = ("run", "--rm", "--network", "none")


@pytest.fixture(scope="module")
def images(registry):
    """Two images that share their lower layer, and one with a plain tar for a layer."""
    base = tar_of({"base": os.urandom(300_000)})
    upper = [tar_of({name: name.encode()}) for name in ("one", "two")]
    made = [make_image([base, tar]) for tar in upper]
    plain = make_image([tar_of({"plain": b"p"})], compress=False)
    names = [registry.push("e2e/saved", image, str(n)) for n, image in enumerate(made)]
    return [*names, registry.push("e2e/plain", plain)]


def id_of(plugrun: Plugrun, name: str) -> str:
    return json.loads(plugrun.out("image", "inspect", name))[0]["Id"]


def members(path: str) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        files = [m for m in archive.getmembers() if m.isfile()]
        return {m.name: archive.extractfile(m).read() for m in files}


def contents(root: str) -> dict[str, bytes | None]:
    """Return all files of a store but the database's own."""
    found: dict[str, bytes | None] = {}
    for folder in ("blobs", "ingest", "storage", "sizes"):
        for path, _, files in os.walk(f"{root}/{folder}"):
            for name in files:
                found[f"{path}/{name}"] = held(f"{path}/{name}")
    return found


def held(path: str) -> bytes | None:
    """Return what a file holds; an image may have /dev/zero, and links to anything."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return None
    with open(path, "rb") as file:
        return file.read()


def test_saved_images_come_back_with_names_and_ids(alone, images, tmp_path):
    ids = {}
    for name in images:
        alone("pull", "-q", name)
        ids[name] = id_of(alone, name)
    path = f"{tmp_path}/saved.tar"
    assert alone.out("save", "-o", path, *images) == ""
    assert os.stat(path).st_mode & 0o777 == 0o600
    alone("rmi", *images)
    assert alone.out("images", "-q") == ""
    assert alone.out("load", "-i", path).splitlines() == [f"Loaded image: {n}" for n in images]
    assert {name: id_of(alone, name) for name in images} == ids


def test_what_is_loaded_can_be_run(alone, tmp_path):
    alone("pull", "-q", HOST_IMAGE)
    id = alone.out("images", "-q", "--no-trunc")
    path = f"{tmp_path}/host.tar"
    alone("image", "save", "--output", path, id)
    alone("rmi", id)
    assert alone.out("image", "load", "--input", path) == f"Loaded image ID: {id}"
    assert alone.out(*RUN, id, "cat", "/proc/self/comm") == "cat"


def test_the_same_images_make_the_same_bytes(alone, images, tmp_path):
    for name in images:
        alone("pull", "-q", name)
    saved = []
    for n in range(2):
        with open(f"{tmp_path}/{n}", "wb") as file:
            subprocess.run([*alone.argv, "save", *images], stdout=file, check=True)
        with open(f"{tmp_path}/{n}", "rb") as file:
            saved.append(file.read())
    assert saved[0] == saved[1]
    found = members(f"{tmp_path}/0")
    manifests = json.loads(found["manifest.json"])
    layers = [name for each in manifests for name in each["Layers"]]
    assert len(layers) == 5
    assert len(set(layers)) == 4
    assert [each["RepoTags"] for each in manifests] == [[name] for name in images]


def test_the_archive_is_both_dockers_and_an_oci_layout(alone, images, tmp_path):
    alone("pull", "-q", images[0])
    alone("save", "-o", f"{tmp_path}/a", images[0])
    found = members(f"{tmp_path}/a")
    [entry] = json.loads(found["index.json"])["manifests"]
    manifest = json.loads(found[f"blobs/sha256/{entry['digest'][7:]}"])
    [docker] = json.loads(found["manifest.json"])
    assert docker["Config"] == f"blobs/sha256/{manifest['config']['digest'][7:]}"
    assert docker["Layers"] == [f"blobs/sha256/{x['digest'][7:]}" for x in manifest["layers"]]
    for name, data in found.items():
        if name.startswith("blobs/"):
            assert digest_of(data) == f"sha256:{name.rpartition('/')[2]}"
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    repository, _, tag = images[0].rpartition(":")
    assert json.loads(found["repositories"]) == {
        repository: {tag: manifest["layers"][-1]["digest"][7:]}
    }


def test_a_repository_goes_with_all_its_tags(alone, images, tmp_path):
    for name in images[:2]:
        alone("pull", "-q", name)
    alone("tag", images[0], f"{images[0]}-more")
    alone("save", "-o", f"{tmp_path}/a", images[0].rpartition(":")[0])
    manifests = json.loads(members(f"{tmp_path}/a")["manifest.json"])
    tags = sorted(tag for each in manifests for tag in each["RepoTags"])
    assert tags == sorted([images[0], f"{images[0]}-more", images[1]])


def test_streams(alone, images, tmp_path):
    alone("pull", "-q", images[0])
    id = id_of(alone, images[0])
    saved = subprocess.run([*alone.argv, "save", images[0]], capture_output=True, check=True)
    for data in (saved.stdout, gzip.compress(saved.stdout, 1)):
        alone("rmi", images[0])
        done = subprocess.run(
            [*alone.argv, "load"], input=data, capture_output=True, timeout=PATIENCE, check=True
        )
        assert done.stdout.decode() == f"Loaded image: {images[0]}\n"
        assert id_of(alone, images[0]) == id


def test_a_terminal_is_refused(plugrun, images):
    plugrun("pull", "-q", images[0])
    master, slave = pty.openpty()
    try:
        done = subprocess.run(
            [*plugrun.argv, "save", images[0]],
            stdout=slave,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(master)
        os.close(slave)
    assert done.returncode == 1
    assert done.stderr == ("cowardly refusing to save to a terminal. Use the -o flag or redirect\n")


def test_nothing_is_written_for_an_image_that_is_missing(plugrun, images, tmp_path):
    plugrun("pull", "-q", images[0])
    path = f"{tmp_path}/kept"
    with open(path, "w", encoding="utf-8") as file:
        file.write("as it was")
    done = plugrun("save", "-o", path, images[0], "nobody-has-this", code=1)
    assert done.stderr == "Error: No such image: nobody-has-this:latest\n"
    with open(path, encoding="utf-8") as file:
        assert file.read() == "as it was"
    assert os.listdir(tmp_path) == ["kept"]
    done = plugrun("save", "-o", f"{tmp_path}/no/such", images[0], code=1)
    assert done.stderr == (
        f"failed to save image: invalid output path: stat {tmp_path}/no: no such file or "
        "directory\n"
    )
    done = plugrun("save", "-o", str(tmp_path), images[0], code=1)
    assert done.stderr == "failed to save image: cannot write to a directory\n"
    done = plugrun("load", "-i", f"{tmp_path}/nothing", code=1)
    assert done.stderr == f"open {tmp_path}/nothing: no such file or directory\n"


def test_names_of_files_may_have_a_colon(alone, images, tmp_path):
    alone("pull", "-q", images[0])
    path = f"{tmp_path}/a:b.tar"
    alone("save", "-o", path, images[0])
    assert os.listdir(tmp_path) == ["a:b.tar"]
    assert alone.out("load", "-i", path) == f"Loaded image: {images[0]}"


def test_a_name_moves_to_what_is_loaded(alone, images, tmp_path):
    for name in images[:2]:
        alone("pull", "-q", name)
    old = id_of(alone, images[1])
    alone("save", "-o", f"{tmp_path}/a", images[1])
    alone("tag", images[0], images[1])
    told = alone.out("load", "-i", f"{tmp_path}/a").splitlines()
    other = id_of(alone, images[0])
    assert told == [
        f"The image {images[1]} already exists, renaming the old one with ID {other} to empty "
        "string",
        f"Loaded image: {images[1]}",
    ]
    assert id_of(alone, images[1]) == old


def test_archives_and_layouts_are_pulled_and_run(alone, tmp_path):
    alone("pull", "-q", HOST_IMAGE)
    id = alone.out("images", "-q", "--no-trunc")
    alone("tag", id, "e2e.example/host:1")
    alone("save", "-o", f"{tmp_path}/a.tar", "e2e.example/host:1")
    unpack(f"{tmp_path}/a.tar", f"{tmp_path}/layout")
    for address in (f"docker-archive:{tmp_path}/a.tar", f"oci:{tmp_path}/layout:1"):
        alone("rmi", "-f", id)
        assert alone.out("pull", "-q", address) == "e2e.example/host:1"
        assert alone.out(*RUN, address, "cat", "/proc/self/comm") == "cat"
        assert id_of(alone, address) == id


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_skopeo_takes_ours_and_we_take_its(alone, images, tmp_path):
    alone("pull", "-q", images[0])
    id = id_of(alone, images[0])
    alone("save", "-o", f"{tmp_path}/ours.tar", images[0])
    unpack(f"{tmp_path}/ours.tar", f"{tmp_path}/layout")
    sources = {
        "docker-archive": f"docker-archive:{tmp_path}/ours.tar:{images[0]}",
        "oci-archive": f"oci:{tmp_path}/layout:0",
    }
    for kind, source in sources.items():
        theirs = f"{kind}:{tmp_path}/{kind}.tar:{images[0]}"
        subprocess.run(["skopeo", "copy", "-q", source, theirs], check=True)
        alone("rmi", images[0])
        told = alone.out("load", "-i", f"{tmp_path}/{kind}.tar")
        assert told == f"Loaded image: {images[0]}"
        assert id_of(alone, images[0]) == id


@pytest.mark.skipif(shutil.which("umoci") is None, reason="needs umoci")
def test_umoci_takes_ours_and_we_take_its(alone, images, tmp_path):
    alone("pull", "-q", images[1])
    alone("save", "-o", f"{tmp_path}/ours.tar", images[1])
    layout = f"{tmp_path}/layout"
    unpack(f"{tmp_path}/ours.tar", layout)
    subprocess.run(["umoci", "unpack", "--image", f"{layout}:1", f"{tmp_path}/b"], check=True)
    with open(f"{tmp_path}/b/rootfs/two", encoding="utf-8") as file:
        assert file.read() == "two"
    with open(f"{tmp_path}/b/rootfs/three", "w", encoding="utf-8") as file:
        file.write("three")
    subprocess.run(["umoci", "repack", "--image", f"{layout}:2", f"{tmp_path}/b"], check=True)
    alone("pull", "-q", f"oci:{layout}:2")
    diff_ids = json.loads(alone.out("image", "inspect", f"oci:{layout}:2"))[0]["RootFS"]["Layers"]
    assert len(diff_ids) == 3


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_of_several_platforms_this_machines_is_loaded(alone, registry, tmp_path):
    host = host_platform().architecture
    other = "arm64" if host != "arm64" else "amd64"
    images = {a: make_image([tar_of({"a": a.encode()})], architecture=a) for a in (other, host)}
    index = make_index([(i, {"os": "linux", "architecture": a}) for a, i in images.items()])
    name = registry.push("e2e/platforms", index)
    target = f"oci-archive:{tmp_path}/all.tar:{name}"
    subprocess.run(
        ["skopeo", "copy", "-q", "--all", "--src-tls-verify=false", f"docker://{name}", target],
        check=True,
    )
    assert alone.out("load", "-i", f"{tmp_path}/all.tar") == f"Loaded image: {name}"
    assert id_of(alone, name) == images[host].config.digest
    alone("rmi", name)
    alone("load", "--platform", f"linux/{other}", "-i", f"{tmp_path}/all.tar")
    assert id_of(alone, name) == images[other].config.digest


def unpack(archive: str, folder: str) -> None:
    os.mkdir(folder)
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)


# -- archives that mean harm ------------------------------------------------------------------


def archive_of(files: dict[str, object]) -> bytes:
    """Return a tar; a value is bytes, or what a TarInfo is to have besides its name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, what in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(what, bytes):
                info.size = len(what)
                archive.addfile(info, io.BytesIO(what))
            else:
                for key, value in what.items():
                    setattr(info, key, value)
                archive.addfile(info)
    return buffer.getvalue()


TAR = tar_of({"file": os.urandom(100_000)})
IMAGE = make_image([TAR])


def docker_files(**changes: object) -> dict[str, object]:
    entry = {"Config": "config.json", "RepoTags": ["e2e/hostile:1"], "Layers": ["layer.tar"]}
    entry |= {key: value for key, value in changes.items() if key in entry}
    return {
        "config.json": IMAGE.config.data,
        "layer.tar": TAR,
        "manifest.json": json.dumps([entry]).encode(),
        **changes.get("files", {}),
    }


def oci_files(manifest: Blob, **more: object) -> dict[str, object]:
    entry = {**manifest.descriptor, **more.pop("entry", {})}
    blobs = {f"blobs/sha256/{b.digest[7:]}": b.data for b in (manifest, IMAGE.config)}
    blobs[f"blobs/sha256/{IMAGE.layers[0].digest[7:]}"] = IMAGE.layers[0].data
    return {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode(),
        **blobs,
        **more.get("files", {}),
    }


def changed_config(**changes: object) -> bytes:
    return json.dumps({**json.loads(IMAGE.config.data), **changes}).encode()


def changed_manifest(**changes: object) -> Blob:
    return Blob(MANIFEST, json.dumps({**json.loads(IMAGE.manifest.data), **changes}).encode())


def layout_of(top: dict[str, object], blobs: dict[str, bytes]) -> dict[str, object]:
    return {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [top]}).encode(),
        **{f"blobs/sha256/{digest[7:]}": data for digest, data in blobs.items()},
    }


def index_of(entry: dict[str, object]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()


def ring(length: int) -> dict[str, object]:
    """Indexes each of which names the next, and the last the first: so a digest must lie."""
    digests = [digest_of(b"%d" % n) for n in range(length)]
    size = len(index_of({"mediaType": INDEX, "digest": digests[0], "size": 999}))
    entries = [{"mediaType": INDEX, "digest": digest, "size": size} for digest in digests]
    bodies = [index_of(entry) for entry in [*entries[1:], entries[0]]]
    return layout_of(entries[0], dict(zip(digests, bodies, strict=True)))


def indexes_within_indexes(depth: int) -> dict[str, object]:
    blobs = {IMAGE.manifest.digest: IMAGE.manifest.data, IMAGE.config.digest: IMAGE.config.data}
    top = IMAGE.manifest.descriptor
    for _ in range(depth):
        index = Blob(INDEX, index_of(top))
        blobs[index.digest], top = index.data, index.descriptor
    return layout_of(top, blobs)


SYMLINK, HARDLINK, FIFO = (
    {"type": kind, "linkname": "../../etc/passwd"} for kind in (b"2", b"1", b"6")
)
LIE = {"rootfs": {"type": "layers", "diff_ids": [digest_of(b"another layer")]}}
LAYER_PATH = f"blobs/sha256/{IMAGE.layers[0].digest[7:]}"

HOSTILE = {
    "a name with ..": archive_of(docker_files(files={"../outside": b"x"})),
    "an absolute name": archive_of(docker_files(files={"/outside": b"x"})),
    "a layer that is a link to outside": archive_of(docker_files(files={"layer.tar": SYMLINK})),
    "a layer that is a hard link": archive_of(docker_files(files={"layer.tar": HARDLINK})),
    "a layer that is a FIFO": archive_of(docker_files(files={"layer.tar": FIFO})),
    "a link in a ring": archive_of(
        docker_files(files={"layer.tar": {"type": b"2", "linkname": "layer.tar"}})
    ),
    "manifest.json that points outside": archive_of(docker_files(Layers=["../../etc/passwd"])),
    "manifest.json with an absolute path": archive_of(docker_files(Config="/etc/passwd")),
    "manifest.json that names what is not there": archive_of(docker_files(Config="other.json")),
    "manifest.json of another form": archive_of({"manifest.json": b'{"Config": 1}'}),
    "manifest.json that is no JSON": archive_of({"manifest.json": b"\xff\xfe"}),
    "JSON nested too deeply": archive_of({"manifest.json": b"[" * 100_000}),
    "JSON that is too large": archive_of({"manifest.json": b" " * (9 << 20)}),
    "another number of layers": archive_of(docker_files(Layers=[])),
    "another DiffID": archive_of(docker_files(files={"config.json": changed_config(**LIE)})),
    "a DiffID that is a path": archive_of(
        docker_files(
            files={"config.json": changed_config(rootfs={"diff_ids": ["sha256:../../etc"]})}
        )
    ),
    "a name that is none": archive_of(docker_files(RepoTags=["../../etc:1"])),
    "a config by another digest": archive_of(
        docker_files(
            Config=f"{digest_of(b'x')[7:]}.json",
            files={f"{digest_of(b'x')[7:]}.json": IMAGE.config.data},
        )
    ),
    "a layout's layer of another digest": archive_of(
        oci_files(IMAGE.manifest, files={LAYER_PATH: b"x" * len(IMAGE.layers[0].data)})
    ),
    "a layout's layer of another size": archive_of(
        oci_files(IMAGE.manifest, files={LAYER_PATH: b"x"})
    ),
    "a layout's digest that is a path": archive_of(
        oci_files(IMAGE.manifest, entry={"digest": "sha256:../../../etc/passwd"})
    ),
    "a layout's manifest of another size": archive_of(oci_files(IMAGE.manifest, entry={"size": 3})),
    "a layout that lacks a blob": archive_of(
        oci_files(changed_manifest(layers=[Blob(LAYER, b"nowhere").descriptor]))
    ),
    "a manifest that is an index too": archive_of(oci_files(changed_manifest(manifests=[]))),
    "an index that names itself": archive_of(ring(1)),
    "two indexes that name each other": archive_of(ring(2)),
    "indexes within indexes": archive_of(indexes_within_indexes(500)),
    "a layout of another version": archive_of(
        oci_files(IMAGE.manifest, files={"oci-layout": b'{"imageLayoutVersion":"9.0.0"}'})
    ),
    "a file system and no image": TAR,
    "no archive": b"nothing of the kind" * 100,
    "nothing": b"",
    "an archive cut short": archive_of(docker_files())[:50_000],
    "a stream cut short": gzip.compress(archive_of(docker_files()))[:20_000],
    "a layer with .. in it": archive_of(
        docker_files(
            Layers=["evil.tar"],
            files={
                "evil.tar": (evil := layer(("../outside", b"x", 0o644))),
                "config.json": changed_config(
                    rootfs={"type": "layers", "diff_ids": [digest_of(evil)]}
                ),
            },
        )
    ),
}


@pytest.fixture(scope="module")
def used(shared) -> Plugrun:
    """A store with an image, so that there is something that must not change."""
    shared("pull", "-q", HOST_IMAGE)
    return shared


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused(used, tmp_path, name):
    path = f"{tmp_path}/archive"
    with open(path, "wb") as file:
        file.write(HOSTILE[name])
    listed = ("images", "-a", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}")
    before, images = contents(used.root), used.out(*listed)
    done = used("load", "-i", path, code=1)
    assert done.stdout == ""
    assert done.stderr.count("Error: ") == 1
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert len(done.stderr) < 1000
    assert used.out(*listed) == images
    same = contents(used.root) == before
    assert same  # a report of what they hold would fill the memory
    assert os.listdir(tmp_path) == ["archive"]


@pytest.mark.parametrize(
    "files", [ring(1), ring(2), indexes_within_indexes(500)], ids=["itself", "each other", "deep"]
)
def test_all_of_indexes_without_end_is_refused(used, tmp_path, files):
    path = f"{tmp_path}/archive"
    with open(path, "wb") as file:
        file.write(archive_of(files))
    before = contents(used.root)
    done = used("copy", "--all", f"oci-archive:{path}", f"oci:{tmp_path}/layout", code=1)
    assert done.stderr.count("Error: ") == 1
    assert "internal error" not in done.stderr
    assert len(done.stderr) < 1000
    assert contents(used.root) == before
    assert os.listdir(tmp_path) == ["archive"]


def test_an_archive_without_end_is_bounded(used, tmp_path):
    """Half a gigabyte of headers in half a megabyte: the number of members is what counts."""
    header = archive_of({f"{n:08}": b"" for n in range(20)})[: 20 * 512]
    packed = gzip.compress(bytes(header) * 10_000, 9)
    done = subprocess.run(
        ["prlimit", "--as=600000000", *used.argv, "load"],
        input=packed,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert b"Error: " in done.stderr
    assert b"internal error" not in done.stderr

"""Images: pulled, listed, run and removed, in Docker's words; and nothing is ever half there."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest

from tests.e2e.changing import run_killed
from tests.e2e.conftest import PATIENCE, TOP, Plugrun, layer
from tests.e2e.heldregistry import HeldRegistry
from tests.registry import make_image, make_index, tar_of

RUN = ("run", "--rm", "--network", "none")
BASE = tar_of({"base": os.urandom(300_000)})


@pytest.fixture
def held():
    with HeldRegistry().running() as registry:
        yield registry


def short(digest: str) -> str:
    return digest[7:19]


def lines_of(text: str, image) -> list[str]:
    """Return lines of output with the states of each layer one after the other."""
    lines = text.splitlines()
    ids = {short(blob.digest): n for n, blob in enumerate(image.layers)}
    layers = [line for line in lines if line[:12] in ids]
    first = lines.index(layers[0])
    assert lines[first : first + len(layers)] == layers
    ordered = sorted(layers, key=lambda line: ids[line[:12]])
    return [*lines[:first], *ordered, *lines[first + len(layers) :]]


def files(plugrun: Plugrun, *below: str) -> list[str]:
    """Return what lies in a folder of the root, and all beneath."""
    top = os.path.join(plugrun.root, *below)
    return [os.path.join(d, n) for d, ds, fs in os.walk(top) for n in (*ds, *fs)]


def assert_nothing_half_made(plugrun: Plugrun) -> None:
    """No unpacking snapshot is left, and what is there is used by an image."""
    for backend in os.listdir(f"{plugrun.root}/storage"):
        assert not [path for path in files(plugrun, "storage", backend) if "unpack-" in path]


def assert_empty(plugrun: Plugrun) -> None:
    assert plugrun.out("images", "-q") == ""
    assert files(plugrun, "blobs", "sha256") == []
    assert files(plugrun, "ingest") == []
    for backend in os.listdir(f"{plugrun.root}/storage"):
        left = [p for p in files(plugrun, "storage", backend) if not os.path.isdir(p)]
        assert [os.path.basename(path) for path in left] in ([], ["lock"], ["lock", "marks"])


def remove_images(plugrun: Plugrun) -> None:
    for id in set(plugrun.out("images", "-q").split()):
        plugrun("rmi", "-f", id)


# -- pull -------------------------------------------------------------------------------------


def test_pull_prints_what_docker_prints(alone, debian, debian_image):
    one, two, three = (short(blob.digest) for blob in debian_image.layers)
    states = ("Pulling fs layer", "Verifying Checksum", "Download complete", "Pull complete")
    done = alone("pull", debian)
    assert done.stderr == ""
    assert lines_of(done.stdout, debian_image) == [
        "12: Pulling from e2e/debian",
        *(f"{id}: {state}" for id in (one, two, three) for state in states),
        f"Digest: {debian_image.manifest.digest}",
        f"Status: Downloaded newer image for {debian}",
        debian,
    ]
    assert alone("pull", debian).stdout.splitlines() == [
        "12: Pulling from e2e/debian",
        *(f"{id}: Already exists" for id in (one, two, three)),
        f"Digest: {debian_image.manifest.digest}",
        f"Status: Image is up to date for {debian}",
        debian,
    ]
    assert alone.out("pull", "-q", debian) == debian
    by_digest = f"{debian.rpartition(':')[0]}@{debian_image.manifest.digest}"
    assert f"Image is up to date for {by_digest}" in alone.out("pull", by_digest)


def test_the_default_tag_and_shared_layers(alone, registry):
    first = make_image([BASE, tar_of({"one": b"1"})])
    second = make_image([BASE, tar_of({"two": b"2"})])
    registry.push("e2e/shared-one", first)
    registry.push("e2e/shared-two", second)
    name = f"{registry.host}/e2e/shared-one"
    lines = alone.out("pull", name).splitlines()
    assert lines[:2] == ["Using default tag: latest", "latest: Pulling from e2e/shared-one"]
    assert lines[-1] == f"{name}:latest"
    lines = alone.out("pull", f"{registry.host}/e2e/shared-two").splitlines()
    assert lines[2] == f"{short(first.layers[0].digest)}: Already exists"
    assert lines[3] == f"{short(second.layers[1].digest)}: Pulling fs layer"
    alone("rmi", name)
    assert_nothing_half_made(alone)
    # What the other image needs is still there.
    again = alone.out("pull", f"{registry.host}/e2e/shared-two")
    assert "Image is up to date" in again
    alone("rmi", f"{registry.host}/e2e/shared-two")
    assert_empty(alone)


def test_pull_by_digest(alone, registry):
    image = make_image([BASE])
    registry.push("e2e/by-digest", image)
    name = f"{registry.host}/e2e/by-digest@{image.manifest.digest}"
    lines = alone.out("pull", name).splitlines()
    assert lines[0] == f"{name}: Pulling from e2e/by-digest"
    assert lines[-1] == name
    assert "<none>" in alone.out("images", "--digests")
    assert image.manifest.digest in alone.out("images", "--digests")
    assert alone.out("rmi", name).splitlines()[0] == f"Untagged: {name}"
    assert_empty(alone)


def test_platforms(alone, registry):
    made = {
        name: make_image([layer(("arch", name.encode(), 0o644))], architecture=name)
        for name in ("amd64", "arm64")
    }
    index = make_index([(m, {"os": "linux", "architecture": a}) for a, m in made.items()])
    name = registry.push("e2e/platforms", index)
    for platform, image in (("linux/arm64", made["arm64"]), ("linux/amd64", made["amd64"])):
        out = alone.out("pull", "--platform", platform, name)
        assert f"Digest: {index.index.digest}" in out
        assert short(image.config.digest) in alone.out("images", "-q")
    done = alone("pull", "--platform", "linux/s390x", name, code=1)
    assert "no matching manifest for linux/s390x" in done.stderr
    assert "linux/amd64, linux/arm64" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_image_says_where_was_looked(plugrun, registry):
    name = f"{registry.host}/e2e/nothing"
    for args, code in ((("pull", name), 1), ((*RUN, name, "true"), 125)):
        done = plugrun(*args, code=code)
        assert f"http://{registry.host}/v2/e2e/nothing/manifests/latest" in done.stderr
        assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[0] == f"Unable to find image '{name}:latest' locally"


def test_a_wrong_blob(alone, held):
    image = make_image([BASE, tar_of({"two": b"2"})])
    name = held.put("faulty/image", image)
    right = held.blobs[image.layers[1].digest]
    held.blobs[image.layers[1].digest] = bytes(len(right))
    done = alone("pull", name, code=1)
    assert "has other content" in done.stderr
    assert image.layers[1].digest in done.stderr
    assert_nothing_half_made(alone)
    assert alone.out("images", "-q") == ""
    assert files(alone, "blobs", "sha256") == []
    held.blobs[image.layers[1].digest] = right
    alone("pull", name)
    alone("rmi", name)
    assert_empty(alone)


# -- interrupted ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_pull_goes_on(alone, held, ended_by_test, how):
    image = make_image([BASE, tar_of({"two": os.urandom(3 << 20)}), tar_of({"three": b"3"})])
    digest = image.layers[1].digest
    name = held.put("held/image", image)
    held.hold(digest, 2 << 20)
    process = alone.start("pull", name)
    ended_by_test.append(process)
    assert held.reached.wait(PATIENCE)
    process.send_signal(how)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[
        how
    ] or (how == signal.SIGTERM and process.returncode == -15)
    assert "Traceback" not in err
    if how == signal.SIGINT:
        assert_nothing_half_made(alone)
    assert alone.out("images", "-q") == ""
    held.release()
    held.asked.clear()
    alone("pull", name)
    assert_nothing_half_made(alone)
    asked = dict(held.asked)
    # The held layer goes on where it was, and so does another that was under way just then.
    for blob in image.layers:
        assert re.fullmatch(r"(bytes=[1-9]\d*-)?", asked.get(blob.digest, ""))
    assert digest in asked
    alone("rmi", name)
    assert_empty(alone)


def test_pull_killed_at_every_change(alone, held):
    image = make_image([BASE, tar_of({"two": b"2"})])
    name = held.put("held/image", image)
    limit = 1
    while run_killed(alone, limit, "pull", name):
        alone("pull", name)
        assert_nothing_half_made(alone)
        alone("rmi", name)
        assert_empty(alone)
        limit += 1
    assert limit > 20


# -- a real Debian ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pulled(shared, debian) -> str:
    shared("pull", debian)
    return debian


def test_debian_runs(plugrun, pulled):
    assert "Debian" in plugrun.out(*RUN, pulled, "cat", "/etc/os-release")
    assert re.search(r"^ii\s+base-files", plugrun.out(*RUN, pulled, "dpkg", "-l"), re.M)
    assert plugrun.out(*RUN, pulled) == "hello"
    assert plugrun.out(*RUN, pulled, "sh", "-c", "pwd; echo $FROM_IMAGE") == "/srv/app\nyes"
    done = plugrun(*RUN, pulled, "ls", "/etc/motd", code=2)
    assert "No such file" in done.stderr
    assert "motd" not in plugrun.out(*RUN, pulled, "ls", "/etc").split()


def test_debians_files_are_what_they_were(plugrun, pulled):
    """Every mode, owner, time and target beneath the root, but what engines put in its place."""
    script = r"find / -xdev -printf '%P\t%#m\t%U:%G\t%T@\t%l\n'"
    found = {}
    for line in plugrun.out(*RUN, pulled, "sh", "-c", script).splitlines():
        path, mode, owner, mtime, target = line.split("\t")
        found[path] = (int(mode, 8), owner, int(float(mtime)), target)
    skipped = {
        "etc",
        "etc/hostname",
        "etc/hosts",
        "etc/resolv.conf",
        "etc/motd",
        "etc/mtab",
        "srv",
        ".complete",
    }
    source = f"{TOP}/.cache/debian"
    wanted = {}
    for folder, folders, names in os.walk(source):
        for name in (*folders, *names):
            path = os.path.relpath(os.path.join(folder, name), source)
            if path in skipped or path.split("/")[0] in ("proc", "sys", "dev"):
                continue
            state = os.lstat(f"{source}/{path}")
            target = os.readlink(f"{source}/{path}") if os.path.islink(f"{source}/{path}") else ""
            owner = f"{state.st_uid}:{state.st_gid}"
            wanted[path] = (state.st_mode & 0o7777, owner, int(state.st_mtime), target)
    assert {path: found.get(path) for path in wanted} == wanted
    assert found["usr/bin/passwd"][0] == 0o4755
    assert found["tmp"][0] == 0o1777
    assert len(wanted) > 3000


def test_run_pulls_what_is_missing(alone, debian):
    done = alone(*RUN, debian, "cat", "/srv/second")
    assert done.stdout == "2\n"
    lines = done.stderr.splitlines()
    assert lines[0] == f"Unable to find image '{debian}' locally"
    assert lines[1] == "12: Pulling from e2e/debian"
    assert lines[-1] == f"Status: Downloaded newer image for {debian}"
    assert alone(*RUN, debian, "true").stderr == ""
    never = alone("run", "--pull", "never", f"{debian}-not", "true", code=125)
    assert "No such image" in never.stderr


# -- images and rmi ---------------------------------------------------------------------------


def test_images_and_their_digests(alone, registry):
    image = make_image([BASE])
    name = registry.push("e2e/listed", image, "v1")
    alone("pull", name)
    header, row = (re.split(r"\s{2,}", line) for line in alone.out("images").splitlines())
    assert header == ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]
    assert row[:3] == [f"{registry.host}/e2e/listed", "v1", short(image.config.digest)]
    assert row[4] == "300kB"
    header, row = (
        re.split(r"\s{2,}", line) for line in alone.out("images", "--digests").splitlines()
    )
    assert header[2] == "DIGEST"
    assert row[2] == image.manifest.digest
    assert alone.out("images", "-q", "--no-trunc") == image.config.digest
    assert alone.out("rmi", name).splitlines() == [
        f"Untagged: {name}",
        f"Untagged: {registry.host}/e2e/listed@{image.manifest.digest}",
        f"Deleted: {image.config.digest}",
        f"Deleted: {image_diff_id(image)}",
    ]
    done = alone("rmi", name, code=1)
    assert f"No such image: {name}" in done.stderr
    assert_empty(alone)


def image_diff_id(image) -> str:
    return json.loads(image.config.data)["rootfs"]["diff_ids"][0]


def test_an_image_in_use_stays(alone, debian):
    alone("pull", debian)
    id = alone.out("run", "-d", "--network", "none", debian, "sleep", "1000")
    image = alone.out("images", "-q", debian)
    for force in ((), ("-f",)):
        done = alone("rmi", *force, image, code=1)
        assert done.stderr == (
            f"Error: conflict: unable to delete {image} (cannot be forced) - image is being used "
            f"by running container {id[:12]}\n"
        )
    alone("stop", "-t", "0", id)
    assert "by stopped container" in alone("rmi", image, code=1).stderr
    assert "(must force) - container" in alone("rmi", debian, code=1).stderr
    assert alone.out("rmi", "-f", debian).startswith("Untagged: ")
    assert alone.out("ps", "-aq") == id[:12]
    alone("rm", id)
    remove_images(alone)
    assert_empty(alone)

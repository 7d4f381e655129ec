"""``system check``: every kind of damage is found, and repair never makes one worse."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess

import pytest
from plugrun.linux.mountinfo import is_mounted

from tests.e2e.conftest import HOST_IMAGE, PATIENCE
from tests.e2e.storages.others import QUIET
from tests.e2e.test_crash import wait_gone

CLEAN = "Nothing is wrong."


def storage_of(tool, name="overlay"):
    return f"{tool.root}/storage/{name}"


def layers_beneath(tool, container):
    """Return the folders of the image that a container stands on, by its record."""
    id = tool.inspect(container)["Id"]
    with open(f"{storage_of(tool)}/a/{id}", encoding="ascii") as file:
        lower = file.read().split("\n")[4].split(":")
    return [f"{storage_of(tool)}/l/{one}" for one in lower]


def own_layer(tool, container):
    id = tool.inspect(container)["Id"]
    with open(f"{storage_of(tool)}/a/{id}", encoding="ascii") as file:
        return f"{storage_of(tool)}/l/{file.read().split()[1]}"


@pytest.fixture
def box(several, stacked):
    """A root with an image, and a stopped container that wrote something."""
    script = "echo mine >/mine; cat /srv/kept"
    several("run", "--name", "box", *QUIET, stacked, "sh", "-c", script)
    assert several.out("system", "check") == CLEAN
    return several


def found(tool, *args, code=1):
    """Return the findings of a check as rows."""
    out = tool.out("system", "check", "--format", "json", *args, code=code)
    return [json.loads(line) for line in out.splitlines()]


def repaired(tool):
    """Repair; fail unless nothing is left."""
    done = tool("system", "check", "--repair")
    assert ", 0 left." in done.stdout, done.stdout
    assert tool.out("system", "check") == CLEAN


def still_whole(tool):
    assert tool("start", "-a", "box").stdout == "kept\n"
    assert tool("cp", "box:/mine", "-").returncode == 0


def entries(root):
    return sorted(
        os.path.join(top, name) for top, dirs, files in os.walk(root) for name in dirs + files
    )


def test_a_root_in_use_is_clean(box):
    box("run", "-d", "--name", "runs", "-v", "vol:/v", *QUIET, HOST_IMAGE, "sleep", "100")
    before = entries(box.root)
    assert box.out("system", "check") == CLEAN
    assert entries(box.root) == before
    assert found(box, code=0) == []
    box("rm", "-f", "runs")


@pytest.mark.parametrize("damage", ["removed", "a file", "all"])
def test_a_lost_layer_is_unpacked_in_its_place(box, damage):
    lost = layers_beneath(box, "box")
    for path in lost if damage == "all" else lost[1:2]:
        shutil.rmtree(path)
        if damage == "a file":
            with open(path, "w", encoding="ascii"):
                pass
    rows = found(box)
    assert {row["What"] for row in rows} == {"layer"}
    assert {row["Where"] for row in rows} == set(lost if damage == "all" else lost[1:2])
    assert box("start", "-a", "box", code=None).returncode != 0
    repaired(box)
    still_whole(box)


@pytest.mark.parametrize("storage", ["overlay", "fuse"])
def test_an_emptied_layer_is_unpacked_in_its_place(several, stacked, storage):
    tool = several.of(storage)
    tool("run", "--name", "box", *QUIET, stacked, "sh", "-c", "echo mine >/mine; cat /srv/kept")
    assert tool.out("system", "check") == CLEAN
    for id in os.listdir(f"{storage_of(tool, storage)}/l"):
        path = f"{storage_of(tool, storage)}/l/{id}"
        if os.path.exists(f"{path}/srv/kept") or os.path.exists(f"{path}/usr"):
            shutil.rmtree(path)
            os.mkdir(path)
    rows = found(tool)
    assert [row["What"] for row in rows] == ["layer", "layer"]
    assert all("is empty, where files of" in row["Why"] for row in rows)
    repaired(tool)
    still_whole(tool)


def test_a_lost_layer_without_its_blob_stays_as_it_is(box):
    lost = layers_beneath(box, "box")[0]
    shutil.rmtree(lost)
    blobs = f"{box.root}/blobs/sha256"
    kept = f"{box.root}/kept"
    os.rename(blobs, kept)
    os.mkdir(blobs)
    for name in os.listdir(kept):
        if os.stat(f"{kept}/{name}").st_size < 4096:
            shutil.copy(f"{kept}/{name}", blobs)  # documents
    for number in (0, 1, 2):
        for name in os.listdir(blobs):
            with open(f"{blobs}/{name}", "rb") as file:
                if not file.read(1).startswith(b"{"):
                    os.unlink(f"{blobs}/{name}")
        del number
    before = entries(storage_of(box))
    done = box("system", "check", "--repair", code=1)
    assert "not repaired: the blob of layer sha256:" in done.stdout
    assert entries(storage_of(box)) == before
    shutil.rmtree(blobs)
    os.rename(kept, blobs)
    repaired(box)
    still_whole(box)


def test_a_layer_that_somebody_runs_on_is_not_exchanged(box):
    box("run", "-d", "--name", "runs", *QUIET, box.inspect("box")["Config"]["Image"], "sleep", "99")
    shutil.rmtree(layers_beneath(box, "box")[0])
    done = box("system", "check", "--repair", code=1)
    assert "to do: plugrun stop runs, then plugrun system check --repair" in done.stdout
    box("rm", "-f", "runs")
    repaired(box)
    still_whole(box)


def test_what_a_container_wrote_cannot_be_had_again(box):
    shutil.rmtree(own_layer(box, "box"))
    done = box("system", "check", "--repair", code=1)
    assert "container: box: what it wrote is gone" in done.stdout
    assert "to do: plugrun rm box" in done.stdout
    box("rm", "box")
    assert box.out("system", "check") == CLEAN


def test_strays_are_removed(box):
    for place in ("l/zzzz", "w/zzzz", "t/half", "r/zzzz"):
        os.mkdir(f"{storage_of(box)}/{place}")
    rows = found(box)
    assert {row["What"] for row in rows} == {"storage"}
    assert len(rows) == 4
    repaired(box)
    still_whole(box)


def test_a_damaged_record_loses_nothing(box):
    """Which files were its own is not known any more: none is removed before the container is."""
    id = box.inspect("box")["Id"]
    with open(f"{storage_of(box)}/a/{id}", "w", encoding="ascii") as file:
        file.write("garbage")
    os.mkdir(f"{storage_of(box)}/l/zzzz")
    before = entries(storage_of(box))
    done = box("system", "check", "--repair", code=1)
    assert "container: box: the record of this snapshot cannot be read" in done.stdout
    assert entries(storage_of(box)) == before
    box("rm", "box")
    repaired(box)
    assert not os.path.exists(f"{storage_of(box)}/l/zzzz")


def test_a_damaged_record_of_an_image_is_dropped(box, stacked):
    folder = f"{storage_of(box)}/c"
    for name in os.listdir(folder):
        with open(f"{folder}/{name}", "w", encoding="ascii") as file:
            file.write("garbage")
    done = box("system", "check", "--repair", code=None)
    assert "the record of this snapshot cannot be read" in done.stdout
    still_whole(box)
    args = ("run", "--rm", "-q", *QUIET, stacked, "cat", "/srv/kept")
    assert box.out(*args) == "kept"
    assert box.out("system", "check") == CLEAN


def test_snapshots_of_nobody(box):
    with sqlite3.connect(f"{box.root}/plugrun.db") as db:
        db.execute("DELETE FROM containers")
        db.execute("DELETE FROM image_names")
        db.execute("DELETE FROM images")
    db.close()
    whats = [row["What"] for row in found(box)]
    assert {"snapshot", "blob", "container"} == set(whats)
    repaired(box)
    assert os.listdir(f"{storage_of(box)}/l") == []
    assert os.listdir(f"{box.root}/blobs/sha256") == []


def largest_blob(tool):
    folder = f"{tool.root}/blobs/sha256"
    return max(
        (f"{folder}/{name}" for name in os.listdir(folder)), key=lambda p: os.stat(p).st_size
    )


def test_a_damaged_blob(box, stacked):
    path = largest_blob(box)
    with open(path, "r+b") as file:
        file.seek(100)
        file.write(b"damage")
    assert box.out("system", "check", "--quick") == CLEAN
    [row] = found(box)
    assert (row["What"], row["Where"]) == ("blob", path)
    assert stacked in row["Remedy"]
    box("system", "check", "--repair", code=1)
    assert not os.path.exists(path)
    [row] = found(box)
    assert (row["What"], row["Remedy"]) == ("image", f"plugrun pull {stacked}")
    box("pull", "-q", stacked)
    assert box.out("system", "check") == CLEAN


@pytest.mark.parametrize("made", ["host", "commit", "import", "commit over a pull"])
def test_a_lost_blob_is_had_again_as_it_was_got(several, stacked, made):
    address = HOST_IMAGE
    if made == "host":
        several("pull", "-q", address)
    else:
        base = stacked if "pull" in made else address
        several("run", "--name", "box", *QUIET, base, "sh", "-c", "echo kept >/mine")
        several("commit", "box")
        if made == "import":
            several("export", "-o", f"{several.root}/box.tar", "box")
            several("import", f"{several.root}/box.tar", "made:1")
    path = largest_blob(several)
    if made == "import":
        with open(f"{several.root}/box.tar", "rb") as tar:
            path = f"{several.root}/blobs/sha256/{hashlib.file_digest(tar, 'sha256').hexdigest()}"
    os.unlink(path)
    for row in found(several):
        assert row["What"] == "image"
        if made == "import":
            assert row["Remedy"] == "remove image made:1, and make, import or load it again"
        else:
            pull = stacked if "pull" in made else address
            assert row["Remedy"] == f"plugrun pull {pull}"
            several("pull", "-q", pull)
            assert os.path.exists(path)
    if made == "import":
        with open(f"{several.root}/box.tar", "rb") as tar:
            argv = [*several.argv, "import", "-", "made:2"]
            subprocess.run(argv, stdin=tar, timeout=PATIENCE, check=True)
        os.unlink(f"{several.root}/box.tar")
    assert several.out("system", "check") == CLEAN


def test_folders_without_records_and_records_without_folders(box):
    box("volume", "create", "lost")
    shutil.rmtree(f"{box.root}/volumes/lost")
    os.makedirs(f"{box.root}/volumes/nobody/_data")
    os.mkdir(f"{box.root}/containers/{'0' * 64}")
    rows = found(box)
    assert [row["What"] for row in rows] == ["container", "volume", "volume"]
    repaired(box)
    assert os.listdir(f"{box.root}/volumes/lost") == ["_data"]
    shutil.rmtree(f"{box.root}/containers/{box.inspect('box')['Id']}")
    [row] = found(box)
    assert (row["What"], row["Where"], row["Repairable"]) == ("container", "box", "false")
    box("rm", "box")
    assert box.out("system", "check") == CLEAN


def test_a_mount_over_a_layer(box):
    place = layers_beneath(box, "box")[0]
    subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
    try:
        [row] = found(box)
        assert (row["What"], row["Where"]) == ("mount", place)
        repaired(box)
    finally:
        subprocess.run(["umount", "-q", place], check=False)
    still_whole(box)


@pytest.mark.parametrize("folder", ["storage", "storage/overlay", "containers"])
def test_a_disk_mounted_where_a_storage_keeps_its_files_stays(box, folder):
    place = f"{box.root}/{folder}"
    subprocess.run(["mount", "--bind", place, place], check=True)
    try:
        assert box.out("system", "check", "--repair") == CLEAN
        assert is_mounted(place)
    finally:
        subprocess.run(["umount", place], check=True)
    still_whole(box)


def test_killed_processes(box):
    box("run", "-d", "--name", "runs", *QUIET, HOST_IMAGE, "sleep", "100")
    pid = box.inspect("runs")["State"]["Pid"]
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        monitor = next(int(line.split()[1]) for line in file if line.startswith("PPid"))
    for one in (monitor, pid):
        os.kill(one, signal.SIGKILL)
        wait_gone(one)
    [row] = found(box)
    assert row["What"] == "task"
    repaired(box)


def test_a_damaged_database_is_told(box):
    with sqlite3.connect(f"{box.root}/plugrun.db") as db:
        db.execute("UPDATE images SET record='{'")
    db.close()
    [row] = found(box)
    assert row["What"] == "database"
    assert "cannot be read" in row["Why"]
    os.rename(f"{box.root}/plugrun.db", f"{box.root}/kept.db")
    for end in ("-wal", "-shm"):
        if os.path.exists(f"{box.root}/plugrun.db{end}"):
            os.unlink(f"{box.root}/plugrun.db{end}")
    with open(f"{box.root}/plugrun.db", "wb") as file:
        file.write(b"no database at all" * 1000)
    done = box("system", "check", "--repair", code=1)
    assert done.stdout.startswith(f"database: {box.root}/plugrun.db: ")
    os.rename(f"{box.root}/kept.db", f"{box.root}/plugrun.db")
    with sqlite3.connect(f"{box.root}/plugrun.db") as db:
        db.execute("PRAGMA foreign_keys=OFF")
        db.execute("DELETE FROM images")
    db.close()
    assert "speaks of something" in box.out("system", "check", code=1)


def test_an_absent_storage_is_told(several, site):
    several.of("second")("create", "--name", "left", HOST_IMAGE, "true")
    site.remove("second")
    config = site.folder.parent / "one.yaml"
    from dataclasses import replace

    from tests.e2e.storages.others import write_config

    tool = replace(several, config=write_config(config, overlay="overlay"))
    done = tool("system", "check", "--repair", code=1)
    assert "it cannot be opened, so 1 containers of it cannot start" in done.stdout
    assert "pip install plugrun-second" in done.stdout

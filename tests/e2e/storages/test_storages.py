"""Several storages beside each other in one root: nothing is lost by a switch."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from tests.e2e.conftest import HOST_IMAGE, PATIENCE
from tests.e2e.storages.conftest import snapshots
from tests.e2e.storages.others import QUIET, SECOND, write_config

SHOWN = "cd /; ls srv etc/more; cat srv/kept; find usr etc srv"


def test_an_image_pulled_under_one_is_unpacked_for_another(several, other, stacked):
    run = ("run", "--rm", *QUIET)
    before = several.out(*run, stacked, "sh", "-c", SHOWN).splitlines()
    assert "two" in before
    several.out("pull", "-q", stacked)
    done = other(*run, stacked, "sh", "-c", SHOWN)
    # find(1) tells names in the order of the file system.
    assert sorted(done.stdout.splitlines()) == sorted(before)
    assert f"Unpacking {stacked} for storage {other.profile}" in done.stderr
    assert "Pull" not in done.stderr
    assert other(*run, stacked, "true").stderr == ""


def test_q_is_silent(several, other):
    several("pull", HOST_IMAGE)
    assert other("run", "-q", "--rm", *QUIET, HOST_IMAGE, "true").stderr == ""
    id = other.out("create", HOST_IMAGE, "true")
    assert other.inspect(id)["Driver"] == other.profile


def test_it_needs_no_registry(several, other, stacked):
    several("pull", stacked)
    several("tag", stacked, "localhost:1/nobody/answers:1")
    args = ("run", "--rm", *QUIET, "localhost:1/nobody/answers:1", "cat", "/srv/kept")
    assert other.out(*args) == "kept"


def test_two_at_once_unpack_it_once(several, other, stacked):
    several("pull", stacked)
    started = [other.start("run", "--rm", *QUIET, stacked, "cat", "/srv/kept") for _ in range(3)]
    ends = [one.communicate(timeout=PATIENCE) for one in started]
    assert [out for out, _ in ends] == ["kept\n"] * 3
    assert sum("Unpacked" in error for _, error in ends) == 1
    keys = os.listdir(f"{other.root}/storage/{other.profile}/a")
    assert keys == []


def test_made_images_too(several, other, stacked):
    """What commit makes lies in one storage, and in the blobs."""
    script = "echo here >/made; rm -r /srv/kept /etc/more"
    several("run", "--name", "c1", *QUIET, stacked, "sh", "-c", script)
    several("commit", "c1", "made:1")
    several("rm", "c1")
    script = "cat /made; ls /srv; test ! -e /etc/more"
    assert other.out("run", "--rm", *QUIET, "made:1", "sh", "-c", script) == "here"
    # And the way back: made over an image that overlay has not unpacked in this form.
    other("run", "--name", "d1", *QUIET, "made:1", "sh", "-c", "echo more >>/made")
    several("commit", "d1", "made:2")
    assert several.out("run", "--rm", *QUIET, "made:2", "cat", "/made") == "here\nmore"
    assert other.out("run", "--rm", *QUIET, "made:2", "cat", "/made") == "here\nmore"


def test_a_commit_goes_into_the_storage_of_the_profile(several, other):
    other("run", "--name", "c1", *QUIET, HOST_IMAGE, "sh", "-c", "echo here >/made")
    several("commit", "c1", "made:1")
    assert several.out("run", "--rm", *QUIET, "made:1", "cat", "/made") == "here"


def test_a_volume_is_filled_from_the_storage_of_the_container(several, other, stacked):
    several("pull", stacked)
    args = ("run", "--rm", "-v", "filled:/srv", *QUIET, stacked, "cat", "/srv/kept")
    assert other.out(*args) == "kept"
    assert several.out(*args) == "kept"


def test_a_container_keeps_its_storage(several, other):
    several("run", "--name", "old", *QUIET, HOST_IMAGE, "sh", "-c", "echo 1 >>/n; cat /n")
    assert other("start", "-a", "old").stdout == "1\n1\n"
    assert other.inspect("old")["Driver"] == "overlay"
    assert other.out("diff", "old") == "A /n"
    other("rm", "old")


def test_rmi_frees_every_storage(several, other, stacked):
    several("pull", stacked)
    other("create", "--name", "user", stacked)
    assert snapshots(several, "overlay")
    assert snapshots(other, other.profile)
    refused = several("rmi", stacked, code=1)
    assert "is using its referenced image" in refused.stderr
    several("image", "prune", "-a", "-f")
    assert other("start", "-a", "user").returncode == 0
    other("rm", "user")
    several("rmi", stacked)
    assert snapshots(several, "overlay") == set()
    assert snapshots(other, other.profile) == set()


def blob_of(tool, image, number):
    manifest = tool.inspect(image)["Plugrun"]["Manifest"]
    with open(f"{tool.root}/blobs/sha256/{manifest[7:]}", encoding="utf-8") as file:
        digest = json.load(file)["layers"][number]["digest"]
    return f"{tool.root}/blobs/sha256/{digest[7:]}"


@pytest.mark.parametrize("damage", ["gone", "changed", "cut"])
def test_a_damaged_store_names_the_remedy(several, other, stacked, damage):
    several("pull", stacked)
    path = blob_of(several, stacked, 1)
    if damage == "gone":
        os.unlink(path)
    elif damage == "cut":
        os.truncate(path, os.stat(path).st_size - 1)
    else:
        with open(path, "r+b") as file:
            byte = file.read(1)
            file.seek(0)
            file.write(bytes((byte[0] ^ 255,)))
    failed = other("create", stacked, code=1)
    assert "cannot be unpacked: its blob sha256:" in failed.stderr
    assert f"plugrun pull {stacked}" in failed.stderr
    assert other.out("ps", "-aq") == ""
    # And the remedy is one, under whichever storage.
    several("pull", stacked)
    if damage != "gone":
        other("pull", stacked)
    assert other.out("run", "--rm", *QUIET, stacked, "cat", "/srv/kept") == "kept"


def test_a_list_falls_back_and_says_so(moody):
    tool, _ = moody
    done = tool("run", "--name", "fell", *QUIET, HOST_IMAGE, "true")
    reason = "moody does not work here: the moon is full"
    assert f"plugrun: storage falls back to overlay: {reason}\n" in done.stderr
    why = "first of [moody, overlay] that works here (moody: the moon is full)"
    assert tool.inspect("fell")["Plugrun"]["Storage"]["Why"] == why
    assert f"Storage: overlay 0.1.0 ({why})" in tool.out("info")


def test_old_containers_go_on_when_the_choice_changes(moody):
    tool, mood = moody
    mood.touch()
    script = "echo 1 >>/n; cat /n"
    assert tool.out("run", "--name", "old", *QUIET, HOST_IMAGE, "sh", "-c", script) == "1"
    mood.unlink()
    done = tool("run", "--name", "new", *QUIET, HOST_IMAGE, "true")
    assert "storage falls back to overlay" in done.stderr
    assert [tool.inspect(name)["Driver"] for name in ("old", "new")] == ["moody", "overlay"]
    assert tool("start", "-a", "old").stdout == "1\n1\n"
    mood.touch()
    assert tool.out("run", "--rm", *QUIET, HOST_IMAGE, "true") == ""
    assert "moody" in tool.out("info", "-f", "{{.Driver}}")


def test_a_container_outlives_its_distribution(several, site):
    second = several.of("second")
    second("run", "--name", "left", *QUIET, HOST_IMAGE, "sh", "-c", "echo wrote >/n")
    site.remove("second")
    config = write_config(site.folder.parent / "one.yaml", overlay="overlay")
    tool = replace(several, config=config)
    assert "left" in tool.out("ps", "-a")
    assert "0B" in tool.out("ps", "-as")
    found = tool.inspect("left")
    assert (found["Driver"], found["GraphDriver"]["Data"]) == ("second", None)
    for args in (("start", "left"), ("diff", "left"), ("export", "left"), ("commit", "left", "x")):
        failed = tool(*args, code=None)
        assert failed.returncode != 0
        assert 'was made by the storage "second" of plugrun-second 1.0' in failed.stderr
        assert "hint: pip install plugrun-second" in failed.stderr
    assert "second" in tool.out("system", "df")
    removed = tool("rm", "left")
    assert removed.stdout == "left\n"
    assert f"what it wrote stays in {tool.root}/storage/second" in removed.stderr
    assert len(os.listdir(f"{tool.root}/storage/second/a")) == 1
    shown = tool("system", "df").stdout.splitlines()
    row = next(line.split() for line in shown if line.startswith("second"))
    assert row[1:4] == ["0", "0", "0"]
    assert row[4] not in ("0B", "N/A")
    pruned = tool("system", "prune", "-f")
    assert f"in {tool.root}/storage/second stay: no storage plugin" in pruned.stderr
    assert "hint: prune again when that storage can be used" in pruned.stderr
    told = tool.out("system", "check", code=1)
    assert "and what it keeps takes room" in told
    assert "or delete the folder" in told
    site.install("second", SECOND)
    several("system", "prune", "-f")
    assert os.listdir(f"{tool.root}/storage/second/a") == []
    several("image", "prune", "-af")
    site.remove("second")
    # Folders without anything in them are no finding, and nothing to tell of.
    assert tool.out("system", "check") == "Nothing is wrong."
    assert "second" not in tool.out("system", "df")
    assert tool("system", "prune", "-f").stderr == ""


def test_a_container_starts_though_the_profile_s_storage_does_not_work(moody, tmp_path):
    tool, _ = moody
    tool.of("plain")("run", "--name", "old", *QUIET, HOST_IMAGE, "true")
    config = write_config(tmp_path / "none.yaml", none="moody")
    alone = replace(tool, config=config)
    failed = alone("run", "--rm", *QUIET, HOST_IMAGE, "true", code=125)
    assert 'storage "moody" does not work here: the moon is full' in failed.stderr
    assert "hint: wait for another night" in failed.stderr
    assert alone("start", "-a", "old").returncode == 0
    alone("rm", "old")


def test_storage_ls_and_df_tell_them_apart(several, other, stacked):
    several("pull", "-q", stacked)
    assert "STORAGE" not in several.out("system", "df")
    several("run", "--name", "c1", *QUIET, stacked, "sh", "-c", "echo x >/mine")
    other("create", "-q", "--name", "c2", stacked)
    lines = several.out("storage", "ls").splitlines()
    columns = ["STORAGE", "IMAGES", "CONTAINERS", "SNAPSHOTS", "SIZE"]
    assert lines[0].split() == [*columns, "WORKS", "HERE"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert rows["overlay"][:4] == ["*", "1", "1", "4"]
    assert rows[other.profile][:2] == ["1", "1"]
    assert [row[-1] for row in rows.values()] == ["yes", "yes"]
    assert several.out("storage", "ls", "--format", "{{.Name}}={{.Current}}").split() == [
        f"{name}={str(name == 'overlay').lower()}" for name in rows
    ]
    short, full = several.out("system", "df"), several.out("system", "df", "-v")
    assert short.splitlines()[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert short.splitlines()[6].split() == columns
    assert "Storages space usage:" in full
    document = json.loads(several.out("system", "df", "-v", "--format", "json"))
    assert [one["Name"] for one in document["Storages"]] == list(rows)

"""What is listed, named and cleared away: in the words and columns of docker 28."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3

import pytest

from tests.e2e.conftest import HOST_IMAGE, Plugrun
from tests.e2e.test_hot_path import loaded
from tests.registry import make_image, tar_of

RUN = ("run", "--network", "none")
BASE = tar_of({"base": os.urandom(300_000)})


@pytest.fixture
def image(plugrun: Plugrun) -> str:
    """An image that is here, by the name it has here."""
    plugrun(*RUN, "--rm", HOST_IMAGE, "true")
    rows = plugrun.out("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    return next(row for row in rows if row.startswith("host/"))


# -- tag, history, rename -----------------------------------------------------------------------


def test_tag(plugrun, image):
    id = plugrun.out("images", "-q", "--no-trunc", image)
    assert plugrun.out("tag", image, "tagged/one") == ""
    assert plugrun.out("image", "tag", id[7:15], "tagged/two:2") == ""
    assert plugrun.out("images", "-q", "--no-trunc", "tagged/one:latest") == id
    assert plugrun.out("rmi", "tagged/one", "tagged/two:2").splitlines() == [
        "Untagged: tagged/one:latest",
        "Untagged: tagged/two:2",
    ]
    done = plugrun("tag", "nothing:1", "tagged/one", code=1)
    assert done.stderr == "Error: No such image: nothing:1\n"
    done = plugrun("tag", image, "A:b", code=1)
    assert done.stderr == (
        'Error parsing reference: "A:b" is not a valid repository/tag: invalid reference format: '
        "repository name (library/A) must be lowercase\n"
    )
    done = plugrun("tag", image, f"x@{id}", code=1)
    assert done.stderr == "refusing to create a tag with a digest reference\n"


def test_history_and_sizes_of_layers(alone, registry):
    made = make_image([BASE, tar_of({"second": b"x" * 2000})])
    other = make_image([BASE, tar_of({"third": b"x" * 5000})])
    name = registry.push("e2e/history", made)
    beside = registry.push("e2e/history-beside", other)
    alone("pull", name)
    rows = [re.split(r"\s{2,}", line.rstrip()) for line in alone.out("history", name).splitlines()]
    assert rows[0] == ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]
    assert [row[-1] for row in rows[1:]] == ["2kB", "300kB"]
    assert rows[1][0] == made.config.digest[7:19]
    assert alone.out("history", "-q", name).splitlines()[1] == "<missing>"
    exact = alone.out("history", "-H=false", "--format", "{{.Size}}", name)
    assert exact.splitlines() == ["2000", "300000"]
    # Onto a layer that is here already: the same size as anywhere.
    alone("pull", beside)
    assert alone.out("history", "-H=false", "--format", "{{.Size}}", beside) == "5000\n300000"
    assert alone.out("images", "--format", "{{.Size}}", beside.rpartition(":")[0]) == "305kB"


def test_rename(plugrun, image):
    id = plugrun.out(*RUN, "-d", "--name", "first", image, "sleep", "1000")
    plugrun(*RUN, "--name", "second", image, "true")
    taken = plugrun("rename", "first", "second", code=1)
    assert taken.stderr.startswith(
        "Error: Error when allocating new name: Conflict. The container name "
        '"/second" is already in use by container "'
    )
    assert taken.stderr.endswith("Error: failed to rename container named first\n")
    wrong = plugrun("rename", "first", "a b", code=1)
    assert "Invalid container name (/a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are" in wrong.stderr
    empty = plugrun("rename", "first", "", code=1)
    assert empty.stderr == "Error: Neither old nor new names may be empty\n"
    assert plugrun.out("container", "rename", "first", "third") == ""
    assert plugrun.inspect("third")["Id"] == id
    assert plugrun.out("exec", "third", "sh", "-c", "echo in it") == "in it"
    assert plugrun.out(*RUN, "--name", "first", "--rm", image, "sh", "-c", "echo free") == "free"


# -- ps and images ------------------------------------------------------------------------------


def columns(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.rstrip()) for line in text.splitlines()]


def test_ps_in_all_its_forms(plugrun, image):
    id = plugrun.out(*RUN, "-d", "--name", "up", "-l", "a=b", image, "sleep", "1000")
    plugrun(*RUN, "--name", "down", image, "sh", "-c", 'echo "a b" >/tmp/six; exit 3', code=3)
    header, row = columns(plugrun.out("ps"))
    assert header == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert row[:3] == [id[:12], image, '"sleep 1000"']
    header, first, second = columns(plugrun.out("container", "ls", "-as"))
    assert header[-1] == "SIZE"
    assert re.fullmatch(r"4B \(virtual \d.*B\)", first[-1])
    assert first[2] == '"sh -c \'echo \\"a b\\" >…"'
    assert second[-1].startswith("0B (virtual ")
    names = ("--format", "{{.Names}}")
    assert plugrun.out("ps", "-a", *names) == "down\nup"
    assert plugrun.out("ps", "-l", *names) == "down"
    assert plugrun.out("ps", "-n", "1", "-f", "name=up", *names) == "up"
    assert plugrun.out("ps", "-f", "status=exited", *names) == "down"
    assert plugrun.out("ps", "-f", "exited=3", *names) == ""
    assert plugrun.out("ps", "-a", "-f", "exited=3", *names) == "down"
    assert plugrun.out("ps", "-a", "-f", "before=down", *names) == "up"
    assert plugrun.out("ps", "-a", "-f", f"ancestor={image}", *names) == "down\nup"
    assert plugrun.out("ps", "--format", "{{.State}} {{.Label `a`}} {{.Networks}}") == (
        "running b none"
    )
    raw = plugrun.out("ps", "--format", "raw").splitlines()
    assert raw[0] == f"container_id: {id[:12]}"
    done = plugrun("ps", "-q", "--no-trunc", "--format", "{{.Names}}")
    assert done.stdout == f"{id}\n"
    assert done.stderr.startswith("WARNING: Ignoring custom format")
    assert "Invalid filter 'nonsense'" in plugrun("ps", "-f", "nonsense=1", code=1).stderr
    bad = plugrun("ps", "-f", "nonsense", code=125).stderr
    assert "bad format of filter (expected name=value)" in bad


def test_ps_says_the_id_where_the_name_has_gone(plugrun, image):
    plugrun("tag", image, "short/lived")
    id = plugrun.out("images", "-q", "short/lived")
    plugrun(*RUN, "-d", "--name", "up", "short/lived", "sleep", "1000")
    assert plugrun.out("ps", "--format", "{{.Image}}") == "short/lived"
    assert plugrun.out("rmi", "short/lived") == "Untagged: short/lived:latest"
    assert plugrun.out("ps", "--format", "{{.Image}}") == id


def test_ps_and_images_load_little(plugrun, image):
    """What they load is what they take: half of their time was modules they do not need."""
    heavy = {"re", "typing", "ctypes", "json", "dataclasses", "datetime", "enum", "inspect"}
    heavy |= {"importlib.metadata", "subprocess", "pathlib", "contextlib"}
    for command in ("ps", "images"):
        found = loaded(plugrun, command)
        assert f"plugrun.cli.verbs.{command}" in found
        assert found & heavy == set()


def test_images_in_all_its_forms(plugrun, image):
    plugrun("tag", image, "forms/one:1")
    plugrun("tag", image, "forms/one:2")
    assert plugrun.out("images", "forms/*", "--format", "{{.Tag}}") == "1\n2"
    assert plugrun.out("images", "-f", "reference=forms/one:2", "--format", "{{.Tag}}") == "2"
    assert plugrun.out("images", "-f", "dangling=true") == (
        "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE"
    )
    row = plugrun.out("images", "--format", "json", "forms/one:1")
    assert '"Repository":"forms/one"' in row
    assert '"Digest":"\\u003cnone\\u003e"' in row
    table = plugrun.out("images", "--digests", "--format", "table {{.Tag}}", "forms/one:1")
    assert columns(table) == [["TAG", "DIGEST"], ["1", "<none>"]]
    done = plugrun("images", "--format", "{{.Nope}}", code=1)
    assert done.stderr == (
        'template parsing error: template: :1:2: executing "" at <.Nope>: can\'t evaluate field '
        "Nope in type *formatter.imageContext\n"
    )
    id = plugrun.out("images", "-q", "forms/one:1")
    refused = plugrun("rmi", id, code=1).stderr
    assert "(must be forced) - image is referenced in multiple repositories" in refused
    assert plugrun.out("rmi", "forms/one:1", "forms/one:2").splitlines() == [
        "Untagged: forms/one:1",
        "Untagged: forms/one:2",
    ]


# -- prune and df -------------------------------------------------------------------------------


def layer_of(made) -> str:
    return json.loads(made.config.data)["rootfs"]["diff_ids"][0]


def test_container_prune(plugrun, image):
    up = plugrun.out(*RUN, "-d", image, "sleep", "1000")
    small = plugrun.out(*RUN, "-d", "-l", "keep=no", image, "true")
    plugrun("wait", small)
    plugrun(*RUN, "--name", "six", image, "sh", "-c", "echo hello >/tmp/f")
    asked = plugrun("container", "prune", input="n\n")
    assert asked.stdout == (
        "WARNING! This will remove all stopped containers.\n"
        "Are you sure you want to continue? [y/N] "
    )
    assert plugrun.out("container", "prune", "-f", "--filter", "until=1h") == (
        "Total reclaimed space: 0B"
    )
    assert plugrun.out("container", "prune", "-f", "--filter", "label=keep").splitlines() == [
        "Deleted Containers:",
        small,
        "",
        "Total reclaimed space: 0B",
    ]
    assert plugrun.out("system", "df").splitlines()[2].split() == [
        *("Containers", "2", "1", "6B", "6B", "(100%)")
    ]
    gone = plugrun("container", "prune", input="y\n").stdout
    assert gone.endswith("\n\nTotal reclaimed space: 6B\n")
    assert plugrun.out("ps", "-aq", "--no-trunc") == up


def test_image_prune_and_df(alone, registry):
    made = [
        make_image([BASE, tar_of({str(n): b"x" * n})], {"Labels": {"n": str(n)}}) for n in (7, 9)
    ]
    name = registry.push("e2e/prune", made[0])
    alone("pull", name)
    registry.push("e2e/prune", made[1])
    alone("pull", name)
    rows = [re.split(r"\s{2,}", line.rstrip()) for line in alone.out("system", "df").splitlines()]
    assert rows[0] == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert rows[1] == ["Images", "2", "0", "300kB", "300kB (100%)"]
    assert rows[3] == ["Local Volumes", "0", "0", "0B", "0B"]
    detailed = json.loads(alone.out("system", "df", "-v", "--format", "json"))
    assert {one["SharedSize"] for one in detailed["Images"]} == {"300kB"}
    assert {one["UniqueSize"] for one in detailed["Images"]} == {"7B", "9B"}
    assert alone.out("images", "-q", "-f", "dangling=true") == made[0].config.digest[7:19]
    assert "Total reclaimed space: 0B" in alone.out("image", "prune", "-f", "--filter", "label=n=9")
    lines = alone.out("image", "prune", "-f").splitlines()
    assert lines[:2] == ["Deleted Images:", f"deleted: {made[0].config.digest}"]
    assert lines[2].startswith("deleted: sha256:")
    assert lines[3:] == ["", "Total reclaimed space: 7B"]
    lines = alone.out("system", "prune", "-af").splitlines()
    digest = f"{name.rpartition(':')[0]}@{made[1].manifest.digest}"
    assert lines[:4] == [
        "Deleted Images:",
        f"untagged: {name}",
        f"untagged: {digest}",
        f"deleted: {made[1].config.digest}",
    ]
    assert lines[5] == f"deleted: {layer_of(made[1])}"
    assert lines[6:] == ["", "Total reclaimed space: 300kB"]


def test_what_system_prune_says_first(plugrun):
    asked = plugrun("system", "prune", "-a", "--volumes", "--filter", "label=x", input="")
    assert asked.stdout == (
        "WARNING! This will remove:\n"
        "  - all stopped containers\n"
        "  - all networks not used by at least one container\n"
        "  - all anonymous volumes not used by at least one container\n"
        "  - all images without at least one container associated to them\n"
        "  - all build cache\n"
        "\n"
        "  Items to be pruned will be filtered with:\n"
        "  - label=x\n"
        "\n"
        "Are you sure you want to continue? [y/N] "
    )
    done = plugrun("system", "prune", "--volumes", "--filter", "until=1h", code=1)
    assert done.stderr == 'ERROR: The "until" filter is not supported with "--volumes"\n'


def test_an_interrupted_pull_leaves_nothing_after_a_prune(alone, registry):
    """Layers that were committed before a pull was killed belong to no image."""
    made = make_image([BASE, tar_of({"two": b"2"})])
    name = registry.push("e2e/orphan", made)
    alone("pull", name)
    database = sqlite3.connect(f"{alone.root}/plugrun.db")
    database.execute("PRAGMA foreign_keys=ON")
    database.execute("DELETE FROM images")
    database.commit()
    database.close()
    assert alone.out("image", "prune", "-f") == "Total reclaimed space: 300kB"
    assert os.listdir(f"{alone.root}/blobs/sha256") == []
    assert os.listdir(f"{alone.root}/sizes") == []


# -- info, version, port, kill --------------------------------------------------------------------


def test_info_counts_containers(alone):
    alone(*RUN, "-d", "--name", "up", HOST_IMAGE, "sleep", "1000")
    alone(*RUN, "-d", "--name", "frozen", HOST_IMAGE, "sleep", "1000")
    alone("create", HOST_IMAGE, "true")
    alone("pause", "frozen")
    lines = alone.out("info").splitlines()
    first = lines.index(" Containers: 3")
    assert lines[first + 1 : first + 5] == [
        "  Running: 1",
        "  Paused: 1",
        "  Stopped: 1",
        " Images: 1",
    ]
    assert f" Docker Root Dir: {alone.root}" in lines
    assert alone.out("system", "info") != ""
    form = "{{.ContainersPaused}} {{.DockerRootDir}} {{.Backends.Storage.name}}"
    assert alone.out("info", "-f", form).startswith(f"1 {alone.root} ")
    first, second = (alone.out("info", "-f", "{{.ID}}") for _ in range(2))
    assert first == second != ""
    alone("unpause", "frozen")


def test_info_tells_what_scripts_ask_before_they_go_on(plugrun):
    form = "{{.Swarm.LocalNodeState}} {{.IndexServerAddress}} {{json .Swarm.RemoteManagers}}"
    assert plugrun.out("info", "-f", form) == "inactive https://index.docker.io/v1/ null"
    limits = ("MemoryLimit", "PidsLimit", "CpuCfsQuota", "CPUSet", "SwapLimit", "OomKillDisable")
    form = " ".join(f"{{{{.{name}}}}}" for name in (*limits, "IPv4Forwarding"))
    told = plugrun.out("info", "-f", form).split()
    assert set(told) <= {"true", "false"}
    assert told[:2] == ["true", "true"]
    proxied = {"HTTPS_PROXY": "http://me:secret@proxy:1", "NO_PROXY": "here"}
    shown = plugrun.out("info", "-f", "{{.HttpsProxy}} {{.NoProxy}}", env=proxied)
    assert shown == "http://xxxxx:xxxxx@proxy:1 here"


def test_version_by_format(plugrun):
    client, server = plugrun.out("version", "-f", "{{.Client.Version}} {{.Server.Version}}").split()
    assert client == server
    document = json.loads(plugrun.out("version", "-f", "json"))
    assert document["Server"]["Components"][0]["Name"] == "Engine"


def test_no_port_is_published(plugrun, image):
    plugrun("create", "--name", "quiet", image, "true")
    assert plugrun("port", "quiet").stdout == ""
    done = plugrun("container", "port", "quiet", "80/tcp", code=1)
    assert done.stderr == "Error: No public port '80/tcp' published for quiet\n"
    assert plugrun("port", "nothing", code=1).stderr == "Error: No such container: nothing\n"


def test_kill_says_what_it_could_not(plugrun, image):
    id = plugrun.out("create", "--name", "down", image, "true")
    plugrun(*RUN, "-d", "--name", "up", image, "sleep", "1000")
    done = plugrun("kill", "-s", "sigkill", "nothing", "up", "down", code=1)
    assert done.stdout == "up\n"
    assert done.stderr.splitlines() == [
        "Error: cannot kill container: nothing: No such container: nothing",
        f"Error: cannot kill container: down: container {id} is not running",
    ]
    assert plugrun("kill", "-s", "FOO", "down", code=1).stderr.startswith(
        "Error: Invalid signal: FOO\n"
    )


def test_an_id_that_several_containers_begin_with(plugrun, image):
    ids = [plugrun.out("create", image, "true") for _ in range(17)]
    first = next(id[0] for id in ids if sum(other[0] == id[0] for other in ids) > 1)
    done = plugrun("rm", first, code=1)
    assert f"Error: Multiple IDs found with provided prefix: {first}\n" in done.stderr
    assert plugrun.out("rm", ids[0][:20]) == ids[0][:20]


def completed(plugrun, *words: str) -> list[str]:
    """Return what a shell is offered for the last of the words."""
    line = [*plugrun.argv, *words]
    asked = {
        "_PLUGRUN_COMPLETE": "zsh_complete",
        "COMP_WORDS": shlex.join(line),
        "COMP_CWORD": str(len(line) - 1),
    }
    # Three lines for each: what it is, the word, its help.
    return plugrun.out(env=asked).splitlines()[1::3]


def test_completion_knows_what_is_here(plugrun, image):
    plugrun("volume", "create", "kept")
    plugrun(*RUN, "-d", "--name", "up", image, "sleep", "1000")
    plugrun("create", "--name", "down", image, "true")
    assert completed(plugrun, "stop", "") == ["up"]
    assert completed(plugrun, "start", "") == ["down"]
    assert completed(plugrun, "container", "rm", "d") == ["down"]
    assert image in completed(plugrun, "rmi", image[:6])
    assert completed(plugrun, "volume", "rm", "k") == ["kept"]
    plugrun("volume", "rm", "kept")

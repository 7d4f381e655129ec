"""What is listed, named and cleared away: in the words and columns of docker 28."""

from __future__ import annotations

import os
import re

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

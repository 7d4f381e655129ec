"""What is listed, named and cleared away: in the words and columns of docker 28."""

from __future__ import annotations

import os
import re

import pytest

from tests.e2e.conftest import HOST_IMAGE, Plugrun
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

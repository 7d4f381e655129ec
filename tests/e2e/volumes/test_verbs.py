"""The command ``volume``, and what is said of volumes."""

from __future__ import annotations

import json
import os

import pytest

from tests.e2e.conftest import HOST_IMAGE
from tests.e2e.volumes.conftest import HEX, RUN, names, sh


def test_create_list_inspect_remove(plugrun):
    assert plugrun.out("volume", "create", "one", "--label", "a=b", "--label", "c") == "one"
    assert plugrun.out("volume", "create", "one", "--label", "x=y") == "one"
    random = plugrun.out("volume", "create")
    assert len(random) == 64
    assert HEX.issuperset(random)
    assert plugrun.out("volume", "ls").splitlines()[0].split() == ["DRIVER", "VOLUME", "NAME"]
    assert names(plugrun) == {"one", random}
    assert names(plugrun, "--filter", "label=a=b") == {"one"}
    assert names(plugrun, "--filter", "name=^on") == {"one"}
    assert names(plugrun, "--filter", "driver=nfs") == set()
    (found,) = json.loads(plugrun.out("volume", "inspect", "one"))
    assert found["Labels"] == {"a": "b", "c": ""}
    assert found["Mountpoint"] == f"{plugrun.root}/volumes/one/_data"
    assert (found["Driver"], found["Scope"], found["Options"]) == ("local", "local", None)
    assert plugrun.out("inspect", "--type", "volume", "-f", "{{.Name}}", "one") == "one"
    row = json.loads(plugrun.out("volume", "ls", "--format", "json", "--filter", "name=one"))
    assert (row["Labels"], row["Links"], row["Mountpoint"]) == (
        "a=b,c=", "N/A", found["Mountpoint"],
    )  # fmt: skip
    assert plugrun.out("volume", "rm", "one", random).split() == ["one", random]
    assert not os.path.exists(f"{plugrun.root}/volumes/one")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("a",), "create a: volume name is too short, names should be at least two alphanumeric"),
        (("b c",), 'create b c: "b c" includes invalid characters for a local volume name'),
        (("../up",), "includes invalid characters"),
        ((".hidden",), "includes invalid characters"),
        (("n" * 256,), "file name too long"),
        (("ok", "-d", "nfs"), 'plugin "nfs" not found'),
        (("ok", "-o", "foo=1"), 'create ok: invalid option: "foo"'),
        (("ok", "-o", "type=tmpfs"), 'create ok: missing required option: "device"'),
        (("--name", "a1", "a2"), "conflicting options"),
    ],
)
def test_volumes_that_cannot_be(plugrun, args, message):
    done = plugrun("volume", "create", *args, code=1)
    assert message in done.stderr
    assert names(plugrun) == set()


def test_each_is_removed_and_each_failure_said(plugrun):
    plugrun("volume", "create", "v1")
    plugrun("create", "--name", "user", "-v", "v2:/x", HOST_IMAGE, "true")
    id = plugrun.inspect("user")["Id"]
    done = plugrun("volume", "rm", "no1", "v1", "v2", "no2", code=1)
    assert done.stdout == "v1\n"
    assert done.stderr.splitlines() == [
        "Error: get no1: no such volume",
        f"Error: remove v2: volume is in use - [{id}]",
        "Error: get no2: no such volume",
    ]
    assert plugrun.out("volume", "rm", "-f", "no1") == "no1"
    plugrun("volume", "rm", "-f", "v2", code=1)
    assert names(plugrun, "--filter", "dangling=true") == set()
    assert names(plugrun, "--filter", "dangling=0") == {"v2"}
    assert "invalid filter 'dangling=maybe'" in plugrun(
        "volume", "ls", "-f", "dangling=maybe", code=1
    ).stderr  # fmt: skip


def test_prune_asks_and_takes_anonymous_ones(plugrun):
    plugrun("volume", "create", "named")
    plugrun("volume", "create", "kept", "--label", "keep")
    anonymous = plugrun.out("volume", "create")
    with open(f"{plugrun.root}/volumes/{anonymous}/_data/file", "wb") as file:
        file.write(b"x" * 2048)
    asked = plugrun("volume", "prune", input="n\n")
    assert asked.stdout == (
        "WARNING! This will remove anonymous local volumes not used by at least one container.\n"
        "Are you sure you want to continue? [y/N] "
    )
    assert plugrun.out("volume", "prune", "-f").splitlines() == [
        "Deleted Volumes:", anonymous, "", "Total reclaimed space: 2.048kB",
    ]  # fmt: skip
    assert plugrun.out("volume", "prune", "-f") == "Total reclaimed space: 0B"
    plugrun("volume", "prune", "-a", "--filter", "label!=keep", input="y\n")
    assert names(plugrun) == {"kept"}


def test_system_df_and_prune_know_volumes(plugrun):
    plugrun("volume", "create", "named")
    anonymous = plugrun.out("volume", "create")
    with open(f"{plugrun.root}/volumes/{anonymous}/_data/file", "wb") as file:
        file.write(b"x" * 1500)
    plugrun("create", "--name", "user", "-v", "used:/v", HOST_IMAGE, "true")
    row = plugrun.out("system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}")
    assert "Local Volumes|3|1|1.5kB" in row.splitlines()
    details = plugrun.out("system", "df", "-v").partition("Local Volumes space usage:")[2]
    assert ["used", "1", "0B"] in [line.split() for line in details.splitlines()]
    out = plugrun.out("system", "prune", "-f", "--volumes").splitlines()
    assert out[out.index("Deleted Volumes:") + 1] == anonymous
    assert names(plugrun) == {"named", "used"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-v", "a b:/x"), "includes invalid characters for a local volume name"),
        (("-v", "rel/path:/x"), "If you intended to pass a host directory, use absolute path"),
        (("-v", "vol:/"), "destination can't be '/'"),
        (("-v", "v1:/x", "-v", "v2:/x/"), "Duplicate mount point: /x"),
        (("-v", "v1:/x", "--tmpfs", "/x"), "Duplicate mount point: /x"),
        (("-v", "v1:/x", "--mount", "type=tmpfs,dst=/x"), "Duplicate mount point: /x"),
        (("--tmpfs", "x"), "invalid mount path: 'x' mount path must be absolute"),
        (("--tmpfs", "/x:foo"), 'invalid tmpfs option ["foo"]'),
        (("--mount", "type=bind,dst=/x"), "field Source must not be empty"),
        (("--mount", "type=foo,dst=/x"), 'type "foo": mount type unknown'),
        (("--mount", "src=a"), 'invalid argument "src=a" for "--mount" flag: target is required'),
        (("--volume-driver", "nfs", "-v", "v1:/x"), 'plugin "nfs" not found'),
    ],
)
def test_refused_in_dockers_words(plugrun, options, message):
    done = plugrun("run", *options, HOST_IMAGE, "true", code=125)
    assert message in done.stderr
    assert plugrun.out("ps", "-aq") == ""


def test_a_lone_path_gives_way(plugrun):
    sh(plugrun, "touch /x/here", "-v", "/x", "-v", "vol:/x", "-v", "/x")
    assert os.listdir(f"{plugrun.root}/volumes/vol/_data") == ["here"]


def test_a_name_of_255_letters(plugrun):
    name = "n" * 255
    sh(plugrun, "echo long > /v/x", "-v", f"{name}:/v")
    assert sh(plugrun, "cat /v/x", "-v", f"{name}:/v") == "long"
    assert plugrun.out("volume", "rm", name) == name


def test_events(plugrun):
    since = plugrun.out(*RUN, HOST_IMAGE, "sh", "-c", "cat /proc/uptime >/dev/null")
    assert since == ""
    sh(plugrun, "true", "-v", "told:/v")
    plugrun("volume", "rm", "told")
    said = plugrun.out("events", "--since", "1h", "--until", "0s", "--filter", "volume=told",
                       "--format", "{{.Action}}")  # fmt: skip
    assert said.split() == ["create", "mount", "unmount", "destroy"]

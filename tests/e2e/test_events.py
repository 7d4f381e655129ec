"""``events``: what commands did, as the real Docker tells it."""

from __future__ import annotations

import json
import re
import time

from tests.e2e.conftest import HOST_IMAGE, Plugrun

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d)"


def happened(plugrun: Plugrun, since: float, *more: str) -> list[str]:
    text = plugrun.out("events", "--since", f"{since:.9f}", "--until", "0s", *more)
    return [re.sub(f"^{STAMP} ", "", line) for line in text.splitlines()]


def test_a_life(plugrun):
    begin = time.time()
    plugrun(
        "run", "-d", "--name", "ev", "-l", "a=b", "--network", "none", HOST_IMAGE, "sleep", "99"
    )
    id = plugrun.inspect("ev")["Id"]
    plugrun("exec", "ev", "sh", "-c", "exit 4", code=4)
    plugrun("stop", "-t", "0", "ev")
    plugrun("rm", "ev")
    lines = happened(plugrun, begin, "-f", "type=container")
    exec_id = re.search("execID=([0-9a-f]{64})", lines[2])[1]
    took = re.search("execDuration=([0-9]+)", lines[7])[1]
    assert int(took) <= time.time() - begin
    rest = f"image={HOST_IMAGE}, name=ev)"
    assert lines == [
        f"container create {id} (a=b, {rest}",
        f"container start {id} (a=b, {rest}",
        f"container exec_create: sh -c exit 4 {id} (a=b, execID={exec_id}, {rest}",
        f"container exec_start: sh -c exit 4 {id} (a=b, execID={exec_id}, {rest}",
        f"container exec_die {id} (a=b, execID={exec_id}, exitCode=4, {rest}",
        f"container kill {id} (a=b, {rest[:-1]}, signal=15)",
        f"container kill {id} (a=b, {rest[:-1]}, signal=9)",
        f"container die {id} (a=b, execDuration={took}, exitCode=137, {rest}",
        f"container stop {id} (a=b, {rest}",
        f"container destroy {id} (a=b, {rest}",
    ]


def test_forms_and_filters(plugrun):
    begin = time.time()
    plugrun("run", "--rm", "--name", "ev", "--network", "none", HOST_IMAGE, "true")
    only = ("-f", "event=die", "-f", "container=ev")
    assert happened(
        plugrun, begin, *only, "--format", "{{.Action}} {{.Actor.Attributes.name}}"
    ) == ["die ev"]
    [line] = happened(plugrun, begin, *only, "--format", "{{json .}}")
    found = json.loads(line)
    assert list(found) == [
        "status", "id", "from", "Type", "Action", "Actor", "scope", "time", "timeNano",
    ]  # fmt: skip
    assert found["Actor"]["Attributes"]["exitCode"] == "0"
    assert found["timeNano"] // 10**9 == found["time"]


def test_following(plugrun, ended_by_test):
    begin = f"{time.time():.9f}"
    run = ("run", "--rm", "--name", "ev", "--network", "none", HOST_IMAGE, "true")
    plugrun(*run)
    follower = plugrun.start("system", "events", "-f", "type=container", "--since", begin)
    ended_by_test.append(follower)
    wanted = ["create", "start", "die", "destroy"]
    assert actions_until_destroy(follower) == wanted
    plugrun(*run)
    assert actions_until_destroy(follower) == wanted


def actions_until_destroy(follower) -> list[str]:
    seen = [""]
    while seen[-1] != "destroy":
        seen.append(follower.stdout.readline().split()[2])
    return [action for action in seen[1:] if action != "attach"]


def test_until_a_time_to_come(plugrun):
    begin = time.time()
    plugrun("run", "--rm", "--name", "ev", "--network", "none", HOST_IMAGE, "true")
    until = time.time() + 1
    span = ("--since", f"{begin:.9f}", "--until", f"{until:.9f}")
    assert " destroy " in plugrun.out("events", *span)
    assert time.time() >= until


def test_images(alone):
    """As the real Docker tells it: what is removed is named by its ID."""
    begin = time.time()
    alone("pull", "host:true")
    id = alone.inspect("host/true")["Id"]
    alone("tag", "host/true", "other:1")
    alone("rmi", "other:1")
    alone("rmi", "host/true")
    assert happened(alone, begin) == [
        "image pull host/true:latest (name=host/true)",
        f"image tag {id} (name=other:1)",
        f"image untag {id} (name={id})",
        f"image untag {id} (name={id})",
        f"image delete {id} (name={id})",
    ]


def test_a_command_that_is_executed_detached(plugrun, ended_by_test):
    plugrun("run", "-d", "--name", "ev", "--network", "none", HOST_IMAGE, "sleep", "99")
    begin = f"{time.time():.9f}"
    plugrun("exec", "-d", "ev", "sh", "-c", "exit 7")
    form = "{{.Action}} {{.Actor.Attributes.exitCode}}"
    only = ("-f", "event=exec_die", "--since", begin, "--format", form)
    follower = plugrun.start("events", *only)
    ended_by_test.append(follower)
    assert follower.stdout.readline() == "exec_die 7\n"


def test_what_is_wrong(plugrun):
    done = plugrun("events", "--since", "abc", code=1)
    assert 'failed to parse value as time or duration: "abc"' in done.stderr
    done = plugrun("events", "--since", "10", "--until", "5", code=1)
    assert "`since` time (10.000000000) cannot be after `until` time (5.000000000)" in done.stderr
    begin = f"{time.time():.9f}"
    plugrun("run", "--rm", "--network", "none", HOST_IMAGE, "true")
    done = plugrun("events", "--since", begin, "--until", "0s", "--format", "{{.Foo}}", code=64)
    assert "Error parsing format: template: :1:2: executing" in done.stderr

"""Health checks from flag to effect. Nothing sleeps: what happens is told by ``events``."""

from __future__ import annotations

import time

import pytest

from tests.e2e.conftest import HOST_IMAGE, Plugrun, layer
from tests.registry import Registry, make_image

RUN = ("run", "-d", "--network", "none", "--name", "box")
QUICK = ("--health-interval", "50ms", "--health-timeout", "20s")


@pytest.fixture
def told(plugrun: Plugrun, ended_by_test):
    """Return the next event of a kind about the container, as Docker calls it."""
    followers = {}
    begin = f"{time.time():.9f}"

    def told(kind: str) -> str:
        if kind not in followers:
            only = ("-f", "container=box", "-f", f"event={kind}", "--since", begin)
            followers[kind] = plugrun.start("events", *only, "--format", "{{.Action}}")
            ended_by_test.append(followers[kind])
        return followers[kind].stdout.readline().rstrip("\n")

    return told


def status(plugrun: Plugrun) -> str:
    return plugrun.out("ps", "--format", "{{.Status}}").partition(" (")[2].removesuffix(")")


def test_from_starting_to_unhealthy_to_healthy(plugrun, told):
    command = "echo out; echo err >&2; [ -e /ok ]"
    options = ("--health-cmd", command, "--health-retries", "2", *QUICK)
    plugrun(*RUN, *options, HOST_IMAGE, "sleep", "1000")
    assert told("health_status") == "health_status: unhealthy"
    assert status(plugrun) == "unhealthy"
    health = plugrun.inspect("box")["State"]["Health"]
    assert health["Status"] == "unhealthy"
    assert health["FailingStreak"] >= 2
    plugrun("exec", "box", "touch", "/ok")
    assert told("health_status") == "health_status: healthy"
    assert status(plugrun) == "healthy"
    assert plugrun.out("ps", "-f", "health=healthy", "--format", "{{.Names}}") == "box"
    health = plugrun.inspect("box")["State"]["Health"]
    assert (health["Status"], health["FailingStreak"]) == ("healthy", 0)
    assert 1 <= len(health["Log"]) <= 5
    last = health["Log"][-1]
    assert (last["ExitCode"], last["Output"]) == (0, "out\nerr\n")
    assert last["Start"] < last["End"]
    plugrun("stop", "-t", "0", "box")
    assert plugrun.inspect("box")["State"]["Health"]["Status"] == "unhealthy"
    assert "health" not in plugrun.out("ps", "-a", "--format", "{{.Status}}")


def test_starting(plugrun, told):
    options = ("--health-cmd", "exit 1", "--health-interval", "1h", "--health-retries", "1")
    early = ("--health-start-period", "1h", "--health-start-interval", "50ms")
    plugrun(*RUN, *options, *early, HOST_IMAGE, "sleep", "1000")
    for _ in range(3):
        assert told("exec_die") == "exec_die"
    assert status(plugrun) == "health: starting"
    assert plugrun.inspect("box")["State"]["Health"]["FailingStreak"] == 0


def test_a_check_that_takes_too_long_is_killed(plugrun, told):
    options = ("--health-cmd", "echo begun; sleep 1000", "--health-retries", "1")
    times = ("--health-interval", "100ms", "--health-timeout", "300ms")
    plugrun(*RUN, *options, *times, HOST_IMAGE, "sleep", "1001")
    assert told("health_status") == "health_status: unhealthy"
    plugrun("pause", "box")
    first = plugrun.inspect("box")["State"]["Health"]["Log"][0]
    assert first["ExitCode"] == -1
    assert first["Output"] == "Health check exceeded timeout (300ms): begun\n"
    # At most the one that is under way is left of all those checks.
    assert plugrun.out("top", "box").count("sleep 1000") <= 2
    plugrun("unpause", "box")


def test_output_is_bounded(plugrun, told):
    noisy = "head -c 100000 /dev/zero | while read -r x; do :; done; head -c 100000 /dev/zero"
    plugrun(*RUN, "--health-cmd", noisy, *QUICK, HOST_IMAGE, "sleep", "1000")
    assert told("health_status") == "health_status: healthy"
    output = plugrun.inspect("box")["State"]["Health"]["Log"][0]["Output"]
    assert output == "\0" * 4096 + "..."


def test_a_command_that_is_not_there(plugrun, told):
    plugrun(*RUN, "--health-cmd", "no-such-command", "--health-retries", "1", *QUICK, HOST_IMAGE,
            "sleep", "1000")  # fmt: skip
    assert told("health_status") == "health_status: unhealthy"
    assert plugrun.inspect("box")["State"]["Health"]["Log"][0]["ExitCode"] == 127


def test_a_paused_container_is_not_checked(plugrun, told):
    plugrun(*RUN, "--health-cmd", "true", *QUICK, HOST_IMAGE, "sleep", "1000")
    assert told("health_status") == "health_status: healthy"
    plugrun("pause", "box")
    # One may have begun before it.
    begin = time.time() + 0.5
    window = ("--since", f"{begin:.9f}", "--until", f"{begin + 1:.9f}")
    assert plugrun.out("events", "-f", "event=exec_create", *window) == ""
    plugrun("unpause", "box")
    begin = f"{time.time():.9f}"
    follower = plugrun.start("events", "-f", "event=exec_die", "--since", begin)
    try:
        assert "exec_die" in follower.stdout.readline()
    finally:
        follower.kill()
        follower.communicate()
    assert status(plugrun) == "healthy"


@pytest.mark.parametrize("end", [("rm", "-f"), ("stop", "-t", "0"), ("kill",)])
def test_an_end_in_the_middle_of_a_check(alone, ended_by_test, end):
    """The root is looked through for what is left when the test has ended."""
    begin = f"{time.time():.9f}"
    options = ("--health-cmd", "sleep 1000", "--health-interval", "10ms")
    alone(*RUN, *options, HOST_IMAGE, "sleep", "1000")
    follower = alone.start("events", "-f", "event=exec_start", "--since", begin)
    ended_by_test.append(follower)
    assert "exec_start" in follower.stdout.readline()
    alone(*end, "box")
    if end[0] != "rm":
        assert alone.inspect("box")["State"]["Health"]["Log"] == []


def test_attached_and_started_again(plugrun, told):
    """An attached run's monitor checks, too; a second life begins anew."""
    options = ("--health-cmd", "true", *QUICK)
    attached = plugrun.start("run", "--network", "none", "--name", "box", *options, HOST_IMAGE,
                             "sleep", "1000")  # fmt: skip
    assert told("health_status") == "health_status: healthy"
    plugrun("stop", "-t", "0", "box")
    attached.communicate(timeout=60)
    plugrun("start", "box")
    assert told("health_status") == "health_status: healthy"


@pytest.fixture(scope="module")
def checked_image(registry: Registry) -> str:
    """An image with a health check of its own."""
    with open("/bin/busybox", "rb") as file:
        program = file.read()
    names = ("sleep", "test", "touch")
    tar = layer(("bin", None, 0o755), *((f"bin/{name}", program, 0o755) for name in names))
    check = {"Test": ["CMD", "test", "-e", "/ok"], "Interval": 50_000_000, "Retries": 1}
    made = make_image([tar], {"Env": ["PATH=/bin"], "Healthcheck": check})
    return registry.push("e2e/checked", made, "1")


def test_the_check_of_an_image(plugrun, told, checked_image):
    plugrun(*RUN, checked_image, "sleep", "1000")
    assert told("health_status") == "health_status: unhealthy"
    plugrun("exec", "box", "touch", "/ok")
    assert told("health_status") == "health_status: healthy"


def test_what_is_said_goes_over_the_image(plugrun, told, checked_image):
    """Field by field: the test and the interval stay the image's."""
    plugrun(*RUN, "--health-retries", "3", checked_image, "sleep", "1000")
    assert told("health_status") == "health_status: unhealthy"
    assert plugrun.inspect("box")["State"]["Health"]["FailingStreak"] >= 3
    plugrun("rm", "-f", "box")
    plugrun(*RUN, "--no-healthcheck", checked_image, "sleep", "1000")
    assert "Health" not in plugrun.inspect("box")["State"]


def test_without(plugrun):
    plugrun(*RUN, "--no-healthcheck", HOST_IMAGE, "sleep", "1000")
    assert "Health" not in plugrun.inspect("box")["State"]
    assert status(plugrun) == ""

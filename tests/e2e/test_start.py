"""create, start, restart: a stopped container is the same when it is started again."""

from __future__ import annotations

import os
import re
import subprocess

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, Plugrun, cgroups_of

NET = ("--network", "none")
FOREVER = "trap 'exit 0' TERM; echo up; while true; do sleep 0.05; done"


def create(plugrun: Plugrun, name: str, *command: str, options: tuple[str, ...] = ()) -> str:
    return plugrun.out("create", "--name", name, *NET, *options, HOST_IMAGE, *command)


def actions(plugrun: Plugrun, name: str) -> list[str]:
    """Return what events tell of a container, with the signal or exit code where there is one."""
    text = "{{.Action}} {{.Actor.Attributes.signal}} {{.Actor.Attributes.exitCode}}"
    found = plugrun.out(
        "events", "--since", "1h", "--until", "0s", "--filter", f"container={name}", "--format",
        text,
    )  # fmt: skip
    return [" ".join(line.replace("<no value>", "").split()) for line in found.splitlines()]


def wait_up(plugrun: Plugrun, name: str, lives: int = 1) -> None:
    """Wait until a container has written its first line, in as many lives."""
    with plugrun.start("logs", "-f", name) as process:
        assert [process.stdout.readline() for _ in range(lives)] == ["up\n"] * lives
        process.kill()


def test_create_starts_nothing(plugrun):
    id = create(plugrun, "made", "sh", "-c", "echo ran")
    assert re.fullmatch("[0-9a-f]{64}", id)
    state = plugrun.inspect("made")["State"]
    assert (state["Status"], state["Pid"], state["StartedAt"]) == (
        "created", 0, "0001-01-01T00:00:00Z",
    )  # fmt: skip
    assert cgroups_of({id}) == []
    assert plugrun.out("logs", "made") == ""
    assert plugrun.out("ps", "-q") == ""
    assert "Created" in plugrun.out("ps", "-a")
    plugrun("rm", "made")


def test_create_writes_the_cidfile(plugrun, tmp_path):
    path = tmp_path / "cid"
    id = create(plugrun, "made", "true", options=("--cidfile", str(path)))
    assert path.read_text() == id


def test_create_of_a_taken_name(plugrun):
    first = create(plugrun, "made", "true")
    done = plugrun("create", "--name", "made", HOST_IMAGE, "true", code=1)
    assert f'"/made" is already in use by container "{first}"' in done.stderr
    assert done.stderr.startswith("Error: Conflict.")


def test_a_started_container_is_the_same_again(plugrun):
    script = "echo again >> /kept; cat /kept; echo $WORD; exit 3"
    create(plugrun, "again", "sh", "-c", script, options=("-e", "WORD=hello"))
    for times in (1, 2, 3):
        assert plugrun.out("start", "again") == "again"
        assert plugrun.out("wait", "again") == "3"
        lines = plugrun.out("logs", "again").splitlines()
        assert lines.count("hello") == times
        assert lines[-times - 1 :] == ["again"] * times + ["hello"]
    state = plugrun.inspect("again")["State"]
    assert (state["Status"], state["ExitCode"], state["Error"]) == ("exited", 3, "")


def test_start_of_a_running_one_is_nothing(plugrun):
    create(plugrun, "runs", "sh", "-c", FOREVER)
    plugrun("start", "runs")
    pid = plugrun.inspect("runs")["State"]["Pid"]
    assert plugrun.out("start", "runs") == "runs"
    assert plugrun.inspect("runs")["State"]["Pid"] == pid


def test_start_of_a_paused_one(plugrun):
    create(plugrun, "cold", "sh", "-c", FOREVER)
    plugrun("start", "cold")
    plugrun("pause", "cold")
    done = plugrun("start", "cold", code=1)
    assert done.stderr == (
        "Error: cannot start a paused container, try unpause instead\n"
        "Error: failed to start containers: cold\n"
    )


def test_each_that_fails_is_reported(plugrun):
    create(plugrun, "fine", "true")
    done = plugrun("start", "nosuch", "fine", "neither", code=1)
    assert done.stdout == "fine\n"
    assert done.stderr == (
        "Error: No such container: nosuch\n"
        "Error: No such container: neither\n"
        "Error: failed to start containers: nosuch, neither\n"
    )


def test_a_command_that_cannot_start_leaves_it_created(plugrun):
    for name, command, code in (("missing", "/nosuch", 127), ("denied", "/etc", 126)):
        id = create(plugrun, name, command)
        plugrun("start", name, code=1)
        state = plugrun.inspect(name)["State"]
        assert (state["Status"], state["ExitCode"]) == ("created", code)
        assert command in state["Error"]
        assert cgroups_of({id}) == []


def test_a_start_that_the_bundle_forbids(plugrun):
    create(plugrun, "host", "sleep", "100")
    plugrun("start", "host")
    create(plugrun, "joins", "true", options=("--pid", "container:host"))
    plugrun("start", "-a", "joins")
    plugrun("stop", "-t", "0", "host")
    assert "host" in plugrun("start", "joins", code=1).stderr
    assert os.listdir(f"{plugrun.run_root_of_root}/containers") == []
    plugrun("start", "host")
    plugrun("start", "-a", "joins")


def test_racing_starts_make_one_monitor(plugrun):
    create(plugrun, "raced", "sh", "-c", "echo up; while true; do sleep 0.05; done")
    started = [plugrun.start("start", "raced") for _ in range(8)]
    for process in started:
        out, err = process.communicate(timeout=PATIENCE)
        assert (out, err, process.returncode) == ("raced\n", "", 0)
    assert plugrun.out("logs", "raced") == "up"


def test_start_and_removal_race(plugrun):
    for _ in range(5):
        create(plugrun, "short", "sleep", "100")
        starting, removing = plugrun.start("start", "short"), plugrun.start("rm", "-f", "short")
        for process in (starting, removing):
            process.communicate(timeout=PATIENCE)
        assert removing.returncode == 0
        assert plugrun.out("ps", "-aq") == ""


def test_an_end_and_a_start_at_once(plugrun):
    create(plugrun, "blinks", "true")
    for _ in range(20):
        plugrun("start", "blinks")
    plugrun("wait", "blinks")
    assert plugrun.inspect("blinks")["State"]["ExitCode"] == 0


def test_restart(plugrun):
    create(plugrun, "life", "sh", "-c", FOREVER)
    assert plugrun.out("restart", "life") == "life"
    first = plugrun.inspect("life")["State"]["Pid"]
    wait_up(plugrun, "life")
    plugrun("restart", "-t", "5", "life")
    second = plugrun.inspect("life")["State"]
    assert second["Running"] is True
    assert second["Pid"] != first
    wait_up(plugrun, "life", 2)
    plugrun("restart", "-s", "KILL", "life")
    wait_up(plugrun, "life", 3)
    assert actions(plugrun, "life") == [
        "create", "start", "restart",
        "kill 15", "die 0", "stop", "start", "restart",
        "kill 9", "die 137", "stop", "start", "restart",
    ]  # fmt: skip


def test_restart_keeps_what_its_end_would_remove(plugrun):
    create(plugrun, "passing", "sh", "-c", FOREVER, options=("--rm",))
    plugrun("start", "passing")
    plugrun("restart", "-t", "1", "passing")
    assert plugrun.inspect("passing")["State"]["Running"] is True
    plugrun("stop", "passing")
    assert plugrun.out("ps", "-aq") == ""


def test_restart_of_several(plugrun):
    for name in ("one", "two"):
        create(plugrun, name, "sh", "-c", FOREVER, options=("--rm",))
        plugrun("start", name)
        wait_up(plugrun, name)
    done = plugrun("restart", "one", "nosuch", "two", code=1)
    assert (done.stdout, done.stderr) == ("one\ntwo\n", "Error: No such container: nosuch\n")
    for name in ("one", "two"):
        assert plugrun.inspect(name)["State"]["Running"] is True
        ends = ["kill 15", "die 0", "stop", "start", "restart"]
        assert actions(plugrun, name)[-5:] == ends
        wait_up(plugrun, name, 2)
    assert plugrun.out("stop", "one", "two") == "one\ntwo"
    assert plugrun.out("ps", "-aq") == ""


def test_stop_with_a_signal(plugrun):
    script = "trap 'exit 7' HUP; echo up; while true; do sleep 0.05; done"
    create(plugrun, "told", "sh", "-c", script)
    plugrun("start", "told")
    wait_up(plugrun, "told")
    plugrun("stop", "--signal", "HUP", "told")
    assert plugrun.inspect("told")["State"]["ExitCode"] == 7
    assert "Invalid signal: NONE" in plugrun("stop", "-s", "NONE", "told", code=1).stderr


def test_stop_asks_all_before_it_waits_for_one(plugrun):
    # The first ends once the second has got its signal.
    first = "trap 'true' TERM; echo up; until [ -e /shared/go ]; do sleep 0.05; done; exit 3"
    second = "trap 'mkdir /shared/go; exit 4' TERM; echo up; while true; do sleep 0.05; done"
    plugrun("volume", "create", "shared")
    for name, script in (("first", first), ("second", second)):
        create(plugrun, name, "sh", "-c", script, options=("-v", "shared:/shared"))
        plugrun("start", name)
        wait_up(plugrun, name)
    assert plugrun("stop", "-t", "-1", "first", "nosuch", "second", code=1).stdout == (
        "first\nsecond\n"
    )
    codes = [plugrun.inspect(name)["State"]["ExitCode"] for name in ("first", "second")]
    assert codes == [3, 4]
    assert actions(plugrun, "first")[-3:] == ["kill 15", "die 3", "stop"]
    assert actions(plugrun, "second")[-3:] == ["kill 15", "die 4", "stop"]
    plugrun("rm", "first", "second")
    plugrun("volume", "rm", "shared")


def test_start_attached_sees_the_first_byte_and_the_exit_code(plugrun):
    create(plugrun, "first-byte", "sh", "-c", "echo out; echo err >&2; exit 3")
    for _ in range(5):
        done = plugrun("start", "-a", "first-byte", code=3)
        assert (done.stdout, done.stderr) == ("out\n", "err\n")
    assert actions(plugrun, "first-byte")[:4] == ["create", "attach", "start", "die 3"]


def test_start_attached_with_input(plugrun):
    create(plugrun, "fed", "cat", options=("-i",))
    for text in ("one\n", "two\n"):
        assert plugrun("start", "-ai", "fed", input=text).stdout == text
    assert plugrun.out("logs", "fed") == "one\ntwo"


def test_start_attached_of_one_that_removes_itself(plugrun):
    create(plugrun, "passing", "sh", "-c", "echo bye; exit 4", options=("--rm",))
    assert plugrun("start", "-a", "passing", code=4).stdout == "bye\n"
    assert plugrun.out("ps", "-aq") == ""


def test_start_attached_of_several(plugrun):
    done = plugrun("start", "-a", "one", "two", code=1)
    assert done.stderr == "you cannot start and attach multiple containers at once\n"


def test_start_attached_of_one_that_cannot_start(plugrun):
    create(plugrun, "missing", "/nosuch")
    assert "/nosuch" in plugrun("start", "-a", "missing", code=1).stderr


def test_much_output_reaches_a_slow_reader(plugrun):
    create(plugrun, "much", "sh", "-c", "dd if=/dev/zero bs=1000 count=2000 2>/dev/null")
    command = [*plugrun.argv, "start", "-a", "much"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        assert len(first + process.stdout.read()) == 2_000_000

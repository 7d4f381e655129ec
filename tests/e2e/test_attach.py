"""attach, on pipes and on real terminals; detach keys; several at once."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, Plugrun
from tests.e2e.terminal import Terminal

NET = ("--network", "none")
SHELL = "host:sh,cat,sleep,stty,tty,kill,ls,true"
LEAVE = "\x10\x11"


def detached(plugrun: Plugrun, name: str, *command: str, options: tuple[str, ...] = ()) -> str:
    return plugrun.out("run", "-d", "--name", name, *NET, *options, *command)


def shell(plugrun: Plugrun, name: str, *options: str) -> Terminal:
    """Return a terminal with a shell in a new container, at its prompt."""
    terminal = Terminal([*plugrun.argv, "run", "-it", "--name", name, *NET, *options, SHELL, "sh"])
    terminal.expect("# ")
    return terminal


@pytest.fixture(autouse=True, scope="module")
def image(shared: Plugrun) -> None:
    shared("run", "--rm", *NET, SHELL, "true")


def attached(plugrun: Plugrun, *args: str) -> Terminal:
    return Terminal([*plugrun.argv, "attach", *args])


def test_the_terminal_is_real(plugrun):
    with shell(plugrun, "seat") as terminal:
        terminal.send("stty size; tty\r")
        terminal.expect("24 80\r\n/dev/pts/0\r\n")
        terminal.resize(40, 120)
        # No other program: stopped between vfork(2) and execve(2), it would hold its parent up.
        terminal.send("sh -c 'echo go''ing; read word'\r")
        terminal.expect("going")
        terminal.send("\x1a")  # job control: Ctrl-Z stops it, fg lets it go on
        terminal.expect("Stopped")
        terminal.expect("# ")
        # Killed, it would be a stopped job until the shell has heard of it, and keep it from exit.
        terminal.send("fg\r")
        terminal.expect("sh -c")
        terminal.send("word\r")
        terminal.send("stty size\r")
        terminal.expect("40 120")
        terminal.send("exit 7\r")
        assert terminal.wait() == 7
        assert terminal.is_restored


def test_programs_hear_of_a_new_size(plugrun):
    script = "trap 'stty size' WINCH; echo ready; while true; do sleep 0.05; done"
    command = [*plugrun.argv, "run", "-it", "--name", "seat", *NET, SHELL, "sh", "-c", script]
    with Terminal(command) as terminal:
        terminal.expect("ready")
        terminal.resize(50, 100)
        terminal.expect("50 100")


def test_detach_and_attach_again(plugrun):
    with shell(plugrun, "seat") as terminal:
        terminal.send("WORD=kept\r")
        terminal.expect("# ")
        terminal.send(LEAVE)
        assert terminal.wait() == 0
        assert terminal.is_restored
        assert "escape" not in terminal.seen
    assert plugrun.inspect("seat")["State"]["Running"] is True
    with attached(plugrun, "seat") as terminal:
        terminal.send("echo $WORD\r")
        terminal.expect("kept")
        terminal.expect("# ")
        terminal.send(LEAVE)
        assert terminal.wait() == 1
        assert terminal.seen.endswith("read escape sequence\r\n")
    with attached(plugrun, "seat") as terminal:
        terminal.send("exit 5\r")
        assert terminal.wait() == 5


def test_whoever_detached_leaves_a_small_monitor(plugrun):
    with shell(plugrun, "seat") as terminal:
        terminal.send(LEAVE)
        terminal.wait()
    pid = plugrun.inspect("seat")["State"]["Pid"]
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        monitor = next(line.split()[1] for line in file if line.startswith("PPid"))
    with attached(plugrun, "seat") as terminal:  # answered by the one it has become
        terminal.send("echo $((6*7))\r")
        terminal.expect("42")
        terminal.send(LEAVE)
        terminal.wait()
    with open(f"/proc/{monitor}/cmdline", "rb") as file:
        assert b"plugrun.monitor.lean" in file.read()


def test_other_detach_keys(plugrun):
    with shell(plugrun, "seat", "--detach-keys", "ctrl-a,x") as terminal:
        terminal.send(f"echo {LEAVE}up\r")  # now keys like any other
        terminal.expect("up")
        terminal.send("\x01x")
        assert terminal.wait() == 0
    with attached(plugrun, "--detach-keys=q", "seat") as terminal:
        terminal.send("q")
        assert terminal.wait() == 1
    bad = plugrun("attach", "--detach-keys", "ctrl-foo", "seat", code=1)
    assert "Invalid escape keys (ctrl-foo) provided" in bad.stderr


def test_exec_and_start_detach_too(plugrun):
    detached(plugrun, "seat", SHELL, "sh", options=("-it",))
    with Terminal([*plugrun.argv, "exec", "-it", "seat", "sh"]) as terminal:
        terminal.expect("# ")
        terminal.send(LEAVE)
        assert terminal.wait() == 1
        assert "read escape sequence" in terminal.seen
    plugrun("stop", "-t", "0", "seat")
    with Terminal([*plugrun.argv, "start", "-ai", "seat"]) as terminal:
        terminal.expect("# ")
        terminal.send(LEAVE)
        assert terminal.wait() == 0
        assert terminal.is_restored


def test_several_at_once(plugrun):
    with shell(plugrun, "seat") as first, attached(plugrun, "seat") as second:
        second.send("echo $((6*7))\r")
        for terminal in (first, second):
            terminal.expect("42")
        first.send("echo $((7*7))\r")
        for terminal in (second, first):
            terminal.expect("49")
        second.send("exit 3\r")
        assert (first.wait(), second.wait()) == (3, 3)


def test_attach_to_pipes(plugrun):
    detached(plugrun, "piped", HOST_IMAGE, "cat", options=("-i",))
    with plugrun.start("attach", "piped", stdin=subprocess.PIPE) as process:
        process.stdin.write("one\n")
        process.stdin.close()
        assert process.stdout.readline() == "one\n"
        # Its input stays open: nobody was attached to it when it was made.
        assert plugrun.inspect("piped")["State"]["Running"] is True
        plugrun("kill", "piped")
        assert process.wait(PATIENCE) == 137


def test_input_of_one_made_with_create_ends_with_the_first(plugrun):
    plugrun("create", "-i", "--name", "once", *NET, HOST_IMAGE, "cat")
    plugrun("start", "once")
    assert plugrun("attach", "once", input="text\n").stdout == "text\n"
    assert plugrun.inspect("once")["State"]["Status"] == "exited"


def test_attach_without_input(plugrun):
    script = "(while true; do echo tick; sleep 0.05; done) & cat"
    detached(plugrun, "piped", HOST_IMAGE, "sh", "-c", script, options=("-i",))
    more = {"stdin": subprocess.PIPE}
    with plugrun.start("attach", "--no-stdin", "piped", **more) as process:
        process.stdin.write("not for it\n")
        process.stdin.close()
        assert [process.stdout.readline() for _ in range(5)] == ["tick\n"] * 5
        plugrun("kill", "piped")
        assert set(process.stdout) <= {"tick\n"}
        assert process.wait(PATIENCE) == 137


def test_attach_where_nobody_can(plugrun):
    plugrun("create", "--name", "made", *NET, HOST_IMAGE, "true")
    done = plugrun("attach", "made", code=1)
    assert done.stderr == "You cannot attach to a stopped container, start it first\n"
    detached(plugrun, "cold", HOST_IMAGE, "sleep", "100")
    plugrun("pause", "cold")
    done = plugrun("attach", "cold", code=1)
    assert done.stderr == "You cannot attach to a paused container, unpause it first\n"
    assert plugrun("attach", "nosuch", code=1).stderr == "Error: No such container: nosuch\n"
    detached(plugrun, "seat", SHELL, "sh", options=("-it",))
    assert plugrun("attach", "seat", code=1).stderr.startswith("the input device is not a TTY\n")


TICKS = "trap 'echo told; exit 9' TERM; while true; do echo tick; sleep 0.05; done"


def test_signals_are_passed_on(plugrun):
    detached(plugrun, "told", HOST_IMAGE, "sh", "-c", TICKS)
    with plugrun.start("attach", "told") as process:
        assert process.stdout.readline() == "tick\n"
        process.send_signal(signal.SIGTERM)
        assert list(process.stdout)[-1] == "told\n"
        assert process.wait(PATIENCE) == 9


@pytest.mark.parametrize("verb", ["attach", "run"])
def test_signals_are_not_passed_on(plugrun, verb):
    command = (HOST_IMAGE, "sh", "-c", TICKS)
    if verb == "attach":
        detached(plugrun, "told", *command)
        args: tuple[str, ...] = ("attach", "--sig-proxy=false", "told")
    else:
        args = ("run", "--sig-proxy=false", "--name", "told", *NET, *command)
    with plugrun.start(*args) as process:
        assert process.stdout.readline() == "tick\n"
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    assert plugrun.inspect("told")["State"]["Running"] is True


STARTED = ("--filter", "event=start", "--filter", "container=kept")


def test_a_killed_guest_disturbs_nobody(plugrun):
    script = "(while true; do echo tick; sleep 0.05; done) & cat; exit 6"
    plugrun("create", "-i", "--name", "kept", *NET, HOST_IMAGE, "sh", "-c", script)
    with (
        plugrun.start("start", "-ai", "kept", stdin=subprocess.PIPE) as process,
        plugrun.start("events", "--since", "1m", *STARTED) as events,
    ):
        assert events.stdout.readline() != ""
        events.kill()
        with plugrun.start("attach", "--no-stdin", "kept") as other:
            assert other.stdout.readline() == "tick\n"
            process.kill()
            # The first guest's end is the end of the input, as it was made with create -i.
            assert set(other.stdout) <= {"tick\n"}
            assert other.wait(PATIENCE) == 6


def test_a_guest_that_does_not_read(plugrun):
    script = "read x; while true; do echo $x; done"
    detached(plugrun, "loud", HOST_IMAGE, "sh", "-c", script, options=("-i",))
    with plugrun.start("attach", "loud", stdin=subprocess.PIPE) as process:
        process.stdin.write("word\n")
        process.stdin.flush()
        assert process.stdout.readline() == "word\n"
        # The container is held up by its full pipe now, or soon; its end is seen all the same.
        plugrun("kill", "loud")
        assert plugrun.inspect("loud")["State"]["ExitCode"] == 137
        assert {line.strip() for line in process.stdout} <= {"word", ""}
        assert process.wait(PATIENCE) == 137


def test_attach_to_streams_by_name(plugrun):
    script = "echo out; echo err >&2; cat"
    only = ("run", "--rm", *NET, "-a")
    done = plugrun(*only, "stdout", HOST_IMAGE, "sh", "-c", script)
    assert (done.stdout, done.stderr) == ("out\n", "")
    done = plugrun(*only, "stderr", HOST_IMAGE, "sh", "-c", script)
    assert (done.stdout, done.stderr) == ("", "err\n")
    done = plugrun(
        "run", "-i", "--name", "fed", *NET, "-a", "stdin", HOST_IMAGE, "cat", input="x\n"
    )
    assert done.stdout.strip() == plugrun.inspect("fed")["Id"]
    plugrun("wait", "fed")
    assert plugrun.out("logs", "fed") == "x"


def test_a_dead_monitor_is_said_so(plugrun):
    detached(plugrun, "orphan", HOST_IMAGE, "sh", "-c", TICKS)
    pid = plugrun.inspect("orphan")["State"]["Pid"]
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        monitor = next(int(line.split()[1]) for line in file if line.startswith("PPid"))
    with plugrun.start("attach", "orphan") as process:
        assert process.stdout.readline() == "tick\n"
        os.kill(monitor, signal.SIGKILL)
        assert "monitor" in process.stderr.read()
        assert process.wait(PATIENCE) == 1
    assert "monitor" in plugrun("attach", "orphan", code=1).stderr
    plugrun("restart", "-t", "0", "orphan")
    assert plugrun.inspect("orphan")["State"]["Running"] is True

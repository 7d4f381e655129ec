"""A container's life with -d: ps, logs, exec, stop, kill, wait, rm, inspect."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import pytest

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, Plugrun, cgroups_of

FOREVER = "trap 'exit 0' TERM; echo up; while true; do sleep 0.05; done"


def detach(plugrun: Plugrun, *command: str, options: tuple[str, ...] = ()) -> str:
    return plugrun.out("run", "-d", "--network", "none", *options, HOST_IMAGE, *command)


def forever(plugrun: Plugrun, *options: str) -> str:
    return detach(plugrun, "sh", "-c", FOREVER, options=options)


def test_run_d_prints_the_id_and_returns(plugrun):
    assert re.fullmatch("[0-9a-f]{64}", forever(plugrun))


def test_run_d_lets_go_of_a_pipe(plugrun):
    # `run -d | cat` hangs where the monitor keeps the pipe.
    with subprocess.Popen(
        [*plugrun.argv, "run", "-d", "--network", "none", HOST_IMAGE, "sleep", "1000"],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert len(process.stdout.read()) == 65


def test_the_monitor_has_no_descriptors_of_others(plugrun):
    with open("/etc/passwd", encoding="utf-8") as extra:
        os.set_inheritable(extra.fileno(), True)
        subprocess.run(
            [*plugrun.argv, "run", "-d", "--name", "fds", HOST_IMAGE, "sleep", "99"],
            pass_fds=[extra.fileno()], check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    pid = plugrun.inspect("fds")["State"]["Pid"]
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        monitor = next(line.split()[1] for line in file if line.startswith("PPid"))
    held = [os.readlink(f"/proc/{monitor}/fd/{fd}") for fd in os.listdir(f"/proc/{monitor}/fd")]
    assert "/etc/passwd" not in held
    assert not any(path.startswith("/dev/pts") for path in held)


def test_ps(plugrun):
    id = forever(plugrun, "--name", "shown")
    header, line = plugrun.out("ps").splitlines()
    assert header.split() == [
        "CONTAINER",
        "ID",
        "IMAGE",
        "COMMAND",
        "CREATED",
        "STATUS",
        "PORTS",
        "NAMES",
    ]
    assert line.startswith(id[:12])
    assert line.endswith("shown")
    assert " Up " in line
    plugrun("stop", "-t", "5", "shown")
    assert len(plugrun.out("ps").splitlines()) == 1
    assert "Exited (0)" in plugrun.out("ps", "-a")
    assert plugrun.out("ps", "-aq") == id[:12]


def test_logs(plugrun):
    id = detach(plugrun, "sh", "-c", "echo one; echo two >&2; printf three")
    plugrun("wait", id)
    done = plugrun("logs", id)
    assert done.stdout == "one\nthree"
    assert done.stderr == "two\n"
    assert plugrun("logs", "--tail", "1", id).stdout == "three"


def test_logs_follow_to_the_end(plugrun):
    id = detach(plugrun, "sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.05; done")
    assert plugrun("logs", "-f", id).stdout == "1\n2\n3\n4\n5\n"


def test_logs_keep_bytes_that_are_no_text(plugrun):
    id = detach(plugrun, "sh", "-c", r"printf '\377\376\n'")
    plugrun("wait", id)
    done = subprocess.run(
        [*plugrun.argv, "logs", id], capture_output=True, timeout=PATIENCE, check=True
    )
    assert done.stdout == b"\xff\xfe\n"


def test_stop_asks_first(plugrun):
    forever(plugrun, "--name", "polite")
    plugrun("logs", "polite")
    assert plugrun.out("stop", "polite") == "polite"
    state = plugrun.inspect("polite")["State"]
    assert (state["Status"], state["ExitCode"], state["Pid"]) == ("exited", 0, 0)


def test_stop_kills_what_does_not_listen(plugrun):
    id = detach(plugrun, "sh", "-c", "trap '' TERM; while true; do sleep 0.05; done")
    plugrun("stop", "-t", "0", id)
    assert plugrun.inspect(id)["State"]["ExitCode"] == 137


def test_stop_of_a_stopped_one_is_nothing(plugrun):
    id = detach(plugrun, "true")
    plugrun("wait", id)
    plugrun("stop", id)


def test_kill(plugrun):
    id = forever(plugrun)
    plugrun("kill", id)
    assert plugrun.out("wait", id) == "137"
    done = plugrun("kill", id, code=1)
    assert "is not running" in done.stderr


def test_kill_with_a_signal(plugrun):
    id = detach(plugrun, "sh", "-c", "trap 'exit 9' USR1; echo up; while true; do sleep 0.05; done")
    process = plugrun.start("logs", "-f", id)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    plugrun("kill", "-s", "USR1", id)
    assert plugrun.out("wait", id) == "9"
    process.communicate(timeout=PATIENCE)
    plugrun("kill", "-s", "NOSUCH", id, code=1)


def test_wait_for_one_that_is_removed_by_its_end(plugrun):
    id = detach(
        plugrun, "sh", "-c", "read x < /proc/self/stat; sleep 0.3; exit 11", options=("--rm",)
    )
    assert plugrun.out("wait", id) == "11"


@pytest.mark.cgroups
def test_rm_frees_everything(plugrun):
    id = forever(plugrun, "--name", "gone")
    done = plugrun("rm", "gone", code=1)
    assert "running" in done.stderr
    assert plugrun.out("rm", "-f", "gone") == "gone"
    assert plugrun.out("ps", "-aq") == ""
    assert cgroups_of({id}) == []
    assert id not in str(list(os.walk(plugrun.root)))
    assert id not in str(list(os.walk(plugrun.run_root)))
    forever(plugrun, "--name", "gone")


def test_rm_goes_on_after_one_that_is_missing(plugrun):
    id = detach(plugrun, "true")
    plugrun("wait", id)
    done = plugrun("rm", "nosuch", id, code=1)
    assert done.stdout.split() == [id]
    assert "No such container: nosuch" in done.stderr


def test_names_are_taken_once(plugrun):
    id = forever(plugrun, "--name", "taken")
    done = plugrun("run", "-d", "--name", "taken", HOST_IMAGE, "true", code=125)
    assert "already in use" in done.stderr
    assert id in done.stderr
    assert len(plugrun.out("ps", "-aq").split()) == 1


def test_a_name_that_races_has_one_winner(plugrun):
    args = ("run", "-d", "--name", "race", "--network", "none", HOST_IMAGE, "sleep", "100")
    started = [plugrun.start(*args) for _ in range(8)]
    for process in started:
        process.communicate(timeout=PATIENCE)
    assert sorted(process.returncode for process in started) == [0] + [125] * 7


def test_exec(plugrun):
    id = forever(plugrun, "-e", "X=1")
    assert plugrun.out("exec", id, "cat", "/proc/1/comm") == "sh"
    assert plugrun.out("exec", "-i", id, "cat", input="in\n") == "in"
    assert plugrun.out("exec", "-e", "Y=2", "-w", "/etc", id, "sh", "-c", "echo $X$Y $PWD") == (
        "12 /etc"
    )
    assert plugrun.out("exec", "-u", "nobody", id, "id", "-u") == "65534"
    plugrun("exec", id, "sh", "-c", "exit 17", code=17)
    plugrun("exec", id, "no-such", code=127)
    plugrun("exec", id, "/etc/passwd", code=126)
    status = plugrun.out("exec", id, "cat", "/proc/self/status")
    assert re.search(r"CapEff:\s+00000000a80425fb", status)
    assert re.search(r"Seccomp:\s+2", status)
    assert plugrun.out("exec", id, "ls", "/proc/self/fd").split() == ["0", "1", "2", "3"]


def test_exec_is_in_the_cgroup(plugrun):
    id = forever(plugrun)
    inside = plugrun.out("exec", id, "cat", "/proc/self/cgroup")
    assert plugrun.out("exec", id, "cat", "/proc/1/cgroup") == inside


def test_exec_needs_a_running_container(plugrun):
    id = detach(plugrun, "true")
    plugrun("wait", id)
    assert "is not running" in plugrun("exec", id, "true", code=1).stderr
    assert "No such container" in plugrun("exec", "nosuch", "true", code=1).stderr


def test_inspect(plugrun):
    id = forever(plugrun, "--name", "looked-at", "--memory", "64m", "-e", "K=v")
    found = plugrun.inspect("looked-at")
    assert found["Id"] == id
    assert found["Name"] == "/looked-at"
    assert found["State"]["Status"] == "running"
    assert found["HostConfig"]["Memory"] == 64 << 20
    assert "K=v" in found["Config"]["Env"]
    assert (
        plugrun.out("inspect", "--format", "{{.State.Running}} {{.Name}}", id) == "true /looked-at"
    )
    assert plugrun.out("inspect", "-f", "{{json .Config.Cmd}}", id).startswith('["sh"')
    done = plugrun("inspect", "nosuch", code=1)
    assert done.stdout == "[]\n"


def test_ids_can_be_shortened(plugrun):
    id = forever(plugrun)
    assert plugrun.inspect(id[:6])["Id"] == id


def test_the_record_says_who_made_it_and_why(plugrun):
    made = plugrun.inspect(forever(plugrun))["Plugrun"]
    assert made["Storage"]["Name"]
    assert "profile" in made["Storage"]["Why"]


@pytest.mark.parametrize("verb", ["stop", "kill", "rm", "wait", "logs", "inspect"])
def test_missing_containers_are_1(plugrun, verb):
    done = plugrun(verb, "nosuch", code=1)
    assert "nosuch" in done.stderr
    assert "Traceback" not in done.stderr


def test_terminal_signals_do_not_reach_a_detached_container(plugrun):
    id = forever(plugrun)
    pid = plugrun.inspect(id)["State"]["Pid"]
    assert os.getsid(pid) != os.getsid(0)
    os.kill(pid, signal.SIGWINCH)
    assert plugrun.inspect(id)["State"]["Running"] is True


def test_only_root_reads_what_is_kept(alone):
    subprocess.run(
        ["sh", "-c", 'umask 0; exec "$@"', "sh", *alone.argv, "run", HOST_IMAGE, "true"],
        check=True,
        timeout=PATIENCE,
        capture_output=True,
    )
    for folder in (alone.root, alone.run_root, alone.run_root_of_root):
        assert os.stat(folder).st_mode & 0o777 == 0o700, folder
    own = [f"{alone.root}/{name}" for name in os.listdir(alone.root)]
    assert [path for path in own if os.stat(path).st_mode & 0o077] == []


def test_rm_f_of_many(plugrun):
    ids = [forever(plugrun) for _ in range(4)]
    done = plugrun("rm", "-f", ids[0], "nosuch", *ids[1:])
    assert done.stdout.split() == ids
    assert plugrun.out("ps", "-aq") == ""
    assert cgroups_of(set(ids)) == []


def test_rm_f_of_many_that_remove_themselves(plugrun):
    names = [f"passing{number}" for number in range(6)]
    for name in names:
        forever(plugrun, "--rm", "--name", name)
    done = plugrun("rm", "-f", *names)
    assert (done.stdout.split(), done.stderr) == (names, "")
    assert plugrun.out("ps", "-aq") == ""

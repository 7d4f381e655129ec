"""The whole engine over an installed OCI runtime: what is particular to it, and a bit of all."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugrun.linux import mounting

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, Plugrun, cgroups_of, fresh_root
from tests.e2e.terminal import Terminal

NET = ("--network", "none")
IMAGE = f"{HOST_IMAGE},stty,tty"
PROFILE = """
profile: overlay-oci
profiles:
  overlay-oci:
    storage: overlay
    isolation: oci
    transport: [registry, archive, host]
    network: none
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugrun]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    config = tmp_path_factory.mktemp("oci") / "plugrun.yaml"
    config.write_text(PROFILE)
    with fresh_root(str(config)) as tool:
        tool("run", "--rm", *NET, IMAGE, "true")
        yield tool


@pytest.fixture
def oci(made: Plugrun) -> Iterator[Plugrun]:
    yield made
    made.remove_all()


def shell(oci: Plugrun, script: str, *options: str, code: int | None = 0) -> str:
    return oci.out("run", "--rm", *NET, *options, IMAGE, "sh", "-c", script, code=code)


def detached(oci: Plugrun, script: str, *options: str) -> str:
    return oci.out("run", "-d", *NET, *options, IMAGE, "sh", "-c", script)


def wait_gone(pid: int) -> None:
    fd = os.pidfd_open(pid)
    assert select.select([fd], [], [], PATIENCE)[0]
    os.close(fd)


# commands


def test_output_and_exit_codes(oci):
    done = oci("run", "--rm", *NET, IMAGE, "sh", "-c", "echo out; echo err >&2; exit 3", code=3)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("nothing-here", 127, r'exec: "nothing-here": executable file not found in \$PATH'),
        ("/no/such", 127, "no such file or directory"),
        ("/tmp", 126, "permission denied|is a directory"),
        ("/made/garbage", 126, "exec format error"),
        ("/made/lost", 127, "no such file or directory"),
    ],
)
def test_commands_that_cannot_run(oci, tmp_path, command, code, words):
    for name, content in {"garbage": "\1\2\3", "lost": "#!/no/sh\n"}.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    args = ("run", "--name", "fails", *NET, "-v", f"{tmp_path}:/made:ro", IMAGE, command)
    done = oci(*args, code=code)
    assert re.search(words, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    id = oci.inspect("fails")["Id"]
    assert cgroups_of({id}) == []


def test_what_a_container_sees(oci, tmp_path):
    (tmp_path / "file").write_text("content\n")
    script = "cat /a/file; touch /a/new; id -u; cat /etc/hostname; echo $$"
    options = ("-v", f"{tmp_path}:/a", "--hostname", "box", "--user", "12:34")
    tmp_path.chmod(0o777)
    assert shell(oci, script, *options).split() == ["content", "12", "box", "1"]
    assert (tmp_path / "new").exists()
    assert (
        "Read-only" in oci("run", "--rm", "--read-only", *NET, IMAGE, "touch", "/x", code=1).stderr
    )


def test_input(oci):
    done = oci("run", "-i", "--rm", *NET, IMAGE, "cat", input="one\ntwo\n")
    assert done.stdout == "one\ntwo\n"


# one that runs


def test_a_life(oci):
    script = "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done"
    id = detached(oci, script, "--name", "life")
    assert oci("exec", "life", "sh", "-c", "echo inside; exit 5", code=5).stdout == "inside\n"
    assert "not found in $PATH" in oci("exec", "life", "nothing-here", code=127).stderr
    assert oci("exec", "-i", "life", "cat", input="given").stdout == "given"
    oci("stop", "life")
    state = oci.inspect("life")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 7)
    assert oci.out("logs", "life") == "up\nbye"
    assert cgroups_of({id}) == []
    oci("start", "life")
    oci("kill", "life")
    assert oci.out("wait", "life") == "137"
    assert "is not running" in oci("exec", "life", "true", code=1).stderr


def test_paused_changed_and_counted(oci):
    detached(oci, "sleep 600 & wait", "--name", "living", "--memory", "64m", "--pids-limit", "9")
    oci("pause", "living")
    assert oci.inspect("living")["State"]["Status"] == "paused"
    assert "paused" in oci("exec", "living", "true", code=1).stderr
    oci("unpause", "living")
    row = oci.out("stats", "--no-stream", "--format", "{{.PIDs}} {{.MemUsage}}", "living")
    assert row.split()[0] == "2"
    assert row.endswith("/ 64MiB")
    assert oci.out("top", "living").count("sleep 600") == 2
    oci("update", "--memory", "96m", "--memory-swap", "96m", "living")
    row = oci.out("stats", "--no-stream", "--format", "{{.MemUsage}}", "living")
    assert row.endswith("/ 96MiB")
    oci("pause", "living")
    oci("rm", "-f", "living")


def test_memory_that_ran_out(oci):
    args = ("--name", "oom", "--memory", "16m", "--memory-swap", "16m", *NET, IMAGE)
    oci("run", *args, "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", code=137)
    assert oci.inspect("oom")["State"]["OOMKilled"] is True


def test_the_fence(oci):
    status = shell(oci, "cat /proc/self/status")
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(found["CapEff"], 16) == 0xA80425FB
    assert found["Seccomp"] == "2"
    done = oci("run", "--rm", *NET, IMAGE, "mount", "-t", "tmpfs", "t", "/tmp", code=None)
    assert "denied" in done.stderr or "not permitted" in done.stderr
    assert shell(oci, "mount -t tmpfs t /tmp && echo mounted", "--privileged") == "mounted"


def test_root_is_another_outside(oci, tmp_path):
    (tmp_path / "secret").write_text("the host's")
    (tmp_path / "secret").chmod(0o600)
    script = "id -u; cat /b/secret; stat -c %u /v /b /dev/null; echo mine > /v/file; sleep 600"
    options = ("--userns=remap", "-v", f"{tmp_path}:/b", "-v", "data:/v", "--name", "mapped")
    detached(oci, script, *options)
    pid = oci.inspect("mapped")["State"]["Pid"]
    uid = os.stat(f"/proc/{pid}").st_uid
    assert uid > 65535
    assert oci("exec", "mapped", "cat", "/proc/self/uid_map").stdout.split()[:2] == ["0", str(uid)]
    assert oci("exec", "--user", "7", "mapped", "id", "-u").stdout == "7\n"
    while "mine" not in shell(oci, "cat /v/file || true", "-v", "data:/v"):
        assert oci.inspect("mapped")["State"]["Running"]
    done = oci("logs", "mapped")
    assert done.stdout.split() == ["0", "0", "65534", "0"]
    assert "ermission denied" in done.stderr


def test_what_is_mounted_inside_reaches_the_host(oci, tmp_path):
    mounting.mount("tmpfs", str(tmp_path), "tmpfs", 0, "")
    try:
        mounting.mount("", str(tmp_path), "", mounting.MS_SHARED)
        (tmp_path / "inner").mkdir()
        script = "mount -t tmpfs t /v/inner && echo deep > /v/inner/file"
        options = ("--cap-add", "SYS_ADMIN", "-v", f"{tmp_path}:/v:rshared")
        shell(oci, script, *options)
        assert (tmp_path / "inner/file").read_text() == "deep\n"
        mounting.umount(str(tmp_path / "inner"))
    finally:
        mounting.umount(str(tmp_path), mounting.MNT_DETACH)


def test_namespaces_are_shared(oci):
    detached(oci, "sleep 600", "--name", "first")
    assert shell(oci, "cat /proc/1/cmdline", "--pid", "container:first").startswith("sh")
    listed = shell(oci, "ls -l /proc/self/ns/uts", "--uts", "host")
    assert listed.endswith(os.readlink("/proc/self/ns/uts"))


# terminals


def test_a_terminal(oci):
    script = "tty; test -c /dev/console && stty size; read line; echo got $line; stty size"
    with Terminal(
        [*oci.argv, "run", "-it", "--rm", *NET, IMAGE, "sh", "-c", script], 33, 99
    ) as terminal:
        terminal.send("early\r")
        terminal.expect("/dev/pts/0")
        terminal.expect("33 99")
        terminal.expect("got early")
        assert terminal.wait() == 0
        assert terminal.is_restored


def test_keys_are_signals_and_sizes_follow(oci):
    script = "trap 'echo size $(stty size)' WINCH; echo up; while :; do sleep 0.05; done"
    args = ("run", "-it", "--name", "keys", *NET, IMAGE, "sh", "-c", script)
    with Terminal([*oci.argv, *args]) as terminal:
        terminal.expect("up")
        terminal.resize(40, 120)
        terminal.expect("size 40 120")
        terminal.send("\x03")
        assert terminal.wait() == 130
    assert "size 40 120" in oci.out("logs", "keys")


def test_a_terminal_of_exec(oci):
    detached(oci, "sleep 600", "--name", "one")
    words = ("exec", "-it", "one", "sh", "-c", "tty; read line; echo got $line; exit 6")
    with Terminal([*oci.argv, *words]) as terminal:
        terminal.expect("/dev/pts/")
        terminal.send("this\r")
        terminal.expect("got this")
        assert terminal.wait() == 6


def test_all_of_a_terminal_s_last_words_arrive(oci):
    script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo last"
    assert oci.out("run", "-t", "--rm", *NET, IMAGE, "sh", "-c", script).endswith("last")
    detached(oci, "sleep 600", "--name", "one")
    assert oci.out("exec", "-t", "one", "sh", "-c", script).endswith("last")


def test_detached_with_a_terminal(oci):
    detached(oci, "tty; echo done", "-t", "--name", "quiet")
    oci("wait", "quiet")
    assert oci.out("logs", "quiet").split() == ["/dev/pts/0", "done"]


# ends that nobody planned


def test_a_restart_policy(oci):
    detached(oci, "echo run; exit 2", "--name", "again", "--restart", "on-failure:2")
    end = time.monotonic() + PATIENCE
    while oci.inspect("again")["State"]["Status"] != "exited" and time.monotonic() < end:
        pass  # its own delays are the longest part
    assert oci.out("logs", "again") == "run\nrun\nrun"


def test_a_killed_monitor(oci):
    id = detached(oci, "sleep 600", "--name", "kept")
    pid = oci.inspect("kept")["State"]["Pid"]
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        monitor = next(int(line.split()[1]) for line in file if line.startswith("PPid"))
    os.kill(monitor, signal.SIGKILL)
    wait_gone(monitor)
    assert oci.inspect("kept")["State"]["Running"] is True
    assert oci.out("exec", "kept", "sh", "-c", "echo on") == "on"
    oci("stop", "-t", "0", "kept")
    assert oci.inspect("kept")["State"]["Status"] == "exited"
    assert cgroups_of({id}) == []


def test_a_command_killed_while_it_starts_one(oci, ended_by_test):
    for delay in (0.02, 0.05, 0.08, 0.11, 0.14):
        process = oci.start("run", "--rm", *NET, IMAGE, "sleep", "600", start_new_session=True)
        ended_by_test.append(process)
        time.sleep(delay)  # no event: the moment is what is varied
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in (process.pid, *map(int, children)):
            os.kill(pid, signal.SIGKILL)
        process.wait(PATIENCE)
        for id in oci.out("ps", "-aq", "--no-trunc").split():
            oci("rm", "-f", id)
    root = f"{oci.run_root_of_root}/isolation/oci"
    assert os.listdir(root) == [".runtime"]
    assert os.listdir(f"{root}/.runtime") == []


# other runtimes


def test_our_own_runtime_behind_it(tmp_path):
    config = tmp_path / "plugrun.yaml"
    program = os.path.join(os.path.dirname(sys.executable), "plugrun-oci")
    config.write_text(PROFILE + f"    options: {{isolation: {{oci: {{runtime: {program}}}}}}}\n")
    with fresh_root(str(config)) as tool:
        words = (*NET, IMAGE, "sh", "-c", "tty; exit 3")
        assert tool.out("run", "-t", "--rm", *words, code=3).endswith("/dev/pts/0")
        detached(tool, "sleep 600", "--name", "one")
        assert tool("exec", "-i", "one", "cat", input="given").stdout == "given"
        assert "not found in $PATH" in tool("exec", "one", "nothing-here", code=127).stderr
        tool("stop", "-t", "0", "one")
        assert tool.inspect("one")["State"]["ExitCode"] == 137


# what is not there


def test_a_runtime_that_is_not_installed(tmp_path):
    config = tmp_path / "plugrun.yaml"
    own = "    options: {isolation: {oci: {runtime: no-such-runtime}}}\n"
    config.write_text(PROFILE + own)
    with fresh_root(str(config)) as tool:
        done = tool("run", "--rm", *NET, IMAGE, "true", code=125)
        assert "the OCI runtime no-such-runtime is not installed" in done.stderr
        assert "options.isolation.oci.runtime" in done.stderr

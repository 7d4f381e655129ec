"""``run``: what a container sees, what it may, and what comes back."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess

import pytest

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, Plugrun

RUN = ("run", "--rm", "--network", "none")


def sh(plugrun: Plugrun, script: str, *options: str, **more) -> str:
    return plugrun.out(*RUN, *options, HOST_IMAGE, "sh", "-c", script, **more)


def test_output_and_exit_code_pass_through(plugrun):
    done = plugrun(*RUN, HOST_IMAGE, "sh", "-c", "echo out; echo err >&2; exit 7", code=7)
    assert done.stdout == "out\n"
    assert done.stderr.endswith("err\n")


def test_nothing_but_the_output_is_printed_when_the_image_is_here(plugrun):
    plugrun(*RUN, HOST_IMAGE, "true")
    done = plugrun(*RUN, HOST_IMAGE, "true")
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["no-such-command"], 127, "executable file not found in $PATH"),
        (["/no/such/file"], 127, "no such file or directory"),
        (["/etc"], 126, ""),
        (["/etc/passwd"], 126, "permission denied"),
    ],
)
def test_commands_that_cannot_run(plugrun, command, code, words):
    done = plugrun(*RUN, HOST_IMAGE, *command, code=code)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert command[0] in done.stderr


def test_a_script_without_interpreter_cannot_run(plugrun, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    done = plugrun(*RUN, "-v", f"{script}:/script", HOST_IMAGE, "/script", code=127)
    assert "/script" in done.stderr


def test_a_file_of_another_format_cannot_run(plugrun, tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELFnonsense")
    program.chmod(0o755)
    done = plugrun(*RUN, "-v", f"{program}:/program", HOST_IMAGE, "/program", code=126)
    assert "exec format error" in done.stderr


def test_a_signal_is_128_and_its_number(plugrun):
    plugrun(*RUN, HOST_IMAGE, "sh", "-c", "sh -c 'kill -9 $$'; exit $?", code=137)


def test_pid_1_and_own_processes(plugrun):
    assert sh(plugrun, "echo $$; ls -d /proc/[0-9]*").splitlines()[0] == "1"


def test_hostname(plugrun):
    assert sh(plugrun, "cat /etc/hostname /proc/sys/kernel/hostname", "--hostname", "box") == (
        "box\nbox"
    )
    name = sh(plugrun, "cat /proc/sys/kernel/hostname")
    assert re.fullmatch("[0-9a-f]{12}", name)


@pytest.mark.cgroups
def test_every_namespace_is_its_own(plugrun):
    kinds = ["mnt", "pid", "ipc", "uts", "net"]
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):  # on v1 Docker's default is the host's
        kinds.append("cgroup")
    script = "; ".join(f"ls -l /proc/self/ns/{kind}" for kind in kinds)
    inside = dict(re.findall(r"(\w+):\[(\d+)\]", sh(plugrun, script)))
    for kind in kinds:
        host = re.search(r"\d+", os.readlink(f"/proc/self/ns/{kind}"))
        assert host is not None
        assert inside[kind] != host[0], kind


def test_network_none_is_loopback_alone_and_up(plugrun):
    lines = sh(plugrun, "cat /proc/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in lines] == ["lo"]
    assert "127.0.0.1" in sh(plugrun, "cat /proc/net/fib_trie")


def test_network_host_is_the_hosts(plugrun):
    inside = plugrun.out(
        "run", "--rm", "--network", "host", HOST_IMAGE, "ls", "-l", "/proc/self/ns/net"
    )
    assert os.readlink("/proc/self/ns/net") in inside


def test_environment(plugrun, tmp_path):
    file = tmp_path / "env"
    file.write_text("# comment\nFROM_FILE=1\nTAKEN\n")
    lines = plugrun.out(
        *RUN, "-e", "A=b c", "-e", "TAKEN2", "--env-file", str(file), HOST_IMAGE, "env",
        env={"TAKEN": "x", "TAKEN2": "y"},
    ).splitlines()  # fmt: skip
    for wanted in ("A=b c", "FROM_FILE=1", "TAKEN=x", "TAKEN2=y", "HOME=/root"):
        assert wanted in lines
    assert any(line.startswith("PATH=") for line in lines)
    assert any(line.startswith("HOSTNAME=") for line in lines)


def test_working_directory_is_made(plugrun):
    assert sh(plugrun, "pwd", "-w", "/some/new/place") == "/some/new/place"


def test_user(plugrun):
    assert sh(plugrun, "id -u; id -g", "-u", "1234:5678") == "1234\n5678"
    assert sh(plugrun, "id -u; cat /proc/self/status", "-u", "nobody").splitlines()[0] == "65534"
    done = plugrun(*RUN, "-u", "nosuchuser", HOST_IMAGE, "true", code=125)
    assert "unable to find user nosuchuser" in done.stderr


def test_an_ordinary_user_has_no_capabilities(plugrun):
    status = sh(plugrun, "cat /proc/self/status", "-u", "1234")
    assert re.search(r"CapEff:\s+0000000000000000", status)


def test_docker_s_fence(plugrun):
    status = sh(plugrun, "cat /proc/self/status")
    assert re.search(r"CapEff:\s+00000000a80425fb", status)
    assert re.search(r"CapBnd:\s+00000000a80425fb", status)
    assert re.search(r"CapInh:\s+0000000000000000", status)
    assert re.search(r"CapAmb:\s+0000000000000000", status)
    assert re.search(r"Seccomp:\s+2", status)
    assert sh(plugrun, "umask") == "0022"
    assert sh(plugrun, "cat /proc/keys /proc/timer_list | head -c 10") == ""
    done = plugrun(*RUN, HOST_IMAGE, "sh", "-c", "echo 1 > /proc/sys/kernel/sysrq", code=None)
    assert done.returncode != 0
    done = plugrun(*RUN, HOST_IMAGE, "mount", "-t", "tmpfs", "none", "/tmp", code=None)
    assert done.returncode != 0


def test_a_made_device_cannot_be_opened(plugrun):
    done = plugrun(*RUN, HOST_IMAGE, "sh", "-c", "mknod /d b 7 0 && cat /d", code=None)
    assert done.returncode != 0
    assert "not permitted" in done.stderr


def test_only_three_descriptors(plugrun):
    with open("/etc/passwd", encoding="utf-8") as extra:
        fd = extra.fileno()
        os.set_inheritable(fd, True)
        done = subprocess.run(
            [*plugrun.argv, *RUN, HOST_IMAGE, "ls", "/proc/self/fd"],
            pass_fds=[fd], capture_output=True, text=True, timeout=PATIENCE, check=True,
        )  # fmt: skip
    # ls has opened the folder it lists as descriptor 3.
    assert done.stdout.split() == ["0", "1", "2", "3"]


def test_host_files_are_out_of_reach(plugrun):
    assert "plugrun" not in sh(plugrun, "cat /proc/self/mountinfo | head -c 20; ls /")
    inside = sh(plugrun, "ls -l /proc/1/exe")
    assert "python" not in inside


def test_read_only_root(plugrun):
    done = plugrun(*RUN, "--read-only", HOST_IMAGE, "touch", "/x", code=None)
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr


def test_writes_stay_in_the_container(plugrun):
    sh(plugrun, "echo changed > /etc/passwd; touch /new")
    assert "changed" not in sh(plugrun, "cat /etc/passwd; ls /")
    assert "new" not in sh(plugrun, "ls /").split()


def test_entrypoint(plugrun):
    out = plugrun.out(*RUN, "--entrypoint", "cat", HOST_IMAGE, "/etc/hostname")
    assert re.fullmatch("[0-9a-f]{12}", out)
    # The image's CMD is dropped with it, as Docker has it.
    assert plugrun.out(*RUN, "--entrypoint", "id", HOST_IMAGE).startswith("uid=0")


def test_binds(plugrun, tmp_path):
    (tmp_path / "file").write_text("from the host")
    assert sh(plugrun, "cat /data/file; touch /data/made", "-v", f"{tmp_path}:/data") == (
        "from the host"
    )
    assert (tmp_path / "made").exists()
    done = plugrun(*RUN, "-v", f"{tmp_path}:/data:ro", HOST_IMAGE, "touch", "/data/x", code=None)
    assert "Read-only" in done.stderr
    sh(plugrun, "cat /one", "-v", f"{tmp_path}/file:/one:ro")


def test_init_is_pid_1_and_passes_the_exit_code_on(plugrun):
    out = plugrun.out(
        *RUN, "--init", HOST_IMAGE, "sh", "-c", "echo $$; cat /proc/1/comm; exit 3", code=3
    )
    pid, comm = out.splitlines()
    assert pid != "1"
    assert "init" in comm or "tini" in comm or "catatonit" in comm


def test_standard_input(plugrun):
    assert plugrun.out(*RUN, "-i", HOST_IMAGE, "cat", input="one\ntwo\n") == "one\ntwo"
    assert plugrun.out(*RUN, HOST_IMAGE, "cat", input="unseen") == ""


def test_much_output_arrives_whole(plugrun):
    script = "dd if=/dev/zero bs=65536 count=512 2>/dev/null"
    done = subprocess.run(
        [*plugrun.argv, *RUN, HOST_IMAGE, "sh", "-c", script],
        capture_output=True, timeout=PATIENCE, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert len(done.stdout) == 512 * 65536


def test_input_of_any_size_comes_back(plugrun):
    data = os.urandom(3 << 20)
    done = subprocess.run(
        [*plugrun.argv, *RUN, "-i", HOST_IMAGE, "cat"],
        input=data, capture_output=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    assert done.stdout == data


@pytest.mark.cgroups
def test_memory_limit_kills_and_says_so(plugrun):
    script = "x=x; while true; do x=$x$x; done"
    plugrun("run", "--name", "oom", "--memory", "16m", "--network", "none", HOST_IMAGE,
            "sh", "-c", script, code=137)  # fmt: skip
    assert plugrun.inspect("oom")["State"]["OOMKilled"] is True


def test_pids_limit(plugrun):
    script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 100 & done; echo all"
    done = plugrun(*RUN, "--pids-limit", "5", HOST_IMAGE, "sh", "-c", script, code=None)
    assert "all" not in done.stdout


@pytest.mark.cgroups
def test_cpus_limit_is_in_the_cgroup(plugrun):
    name = plugrun.out(
        "run", "-d", "--cpus", "0.5", "--network", "none", HOST_IMAGE, "sleep", "100"
    )
    pid = plugrun.inspect(name)["State"]["Pid"]
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
        groups = {line.split(":")[1]: line.rstrip("\n").split(":", 2)[2] for line in file}
    if "cpu" in groups:
        with open(f"/sys/fs/cgroup/cpu{groups['cpu']}/cpu.cfs_quota_us", encoding="utf-8") as file:
            assert file.read() == "50000\n"
    else:
        with open(f"/sys/fs/cgroup{groups['']}/cpu.max", encoding="utf-8") as file:
            assert file.read() == "50000 100000\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--memory", "1m"), "6MB"),
        (("--cpus", "9999"), "CPUs"),
        (("--memory", "much"), "much"),
        (("--no-such-option",), "no-such-option"),
        (("--network", "nowhere"), "nowhere"),
        (("--platform", "not/a/real/platform"), "platform"),
        (("-w", "relative"), "absolute path"),
    ],
)
def test_wrong_options_are_125(plugrun, options, words):
    done = plugrun("run", "--rm", *options, HOST_IMAGE, "true", code=125)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_reaches_the_container(plugrun, ended_by_test):
    script = "trap 'echo caught; exit 5' INT; echo ready; while true; do sleep 0.05; done"
    process = plugrun.start(*RUN, HOST_IMAGE, "sh", "-c", script)
    ended_by_test.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE)
    assert (out, process.returncode) == ("caught\n", 5)


def test_the_third_ctrl_c_ends_the_command_and_not_the_container(plugrun, ended_by_test):
    script = "trap 'echo no' INT; echo ready; while true; do sleep 0.05; done"
    process = plugrun.start(*RUN, "--name", "deaf", HOST_IMAGE, "sh", "-c", script)
    ended_by_test.append(process)
    assert process.stdout is not None
    for word in ("ready\n", "no\n", "no\n"):
        assert process.stdout.readline() == word
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert (err, process.returncode) == ("\ngot 3 SIGTERM/SIGINTs, forcefully exiting\n", 1)
    assert plugrun.inspect("deaf")["State"]["Running"] is True
    plugrun("kill", "deaf")
    plugrun("wait", "deaf", code=None)


def run_on_terminal(plugrun: Plugrun, *args: str, type_in: bytes = b"") -> tuple[bytes, int]:
    """Run with a pty as the terminal; return what it shows and the exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(plugrun.argv[0], [*plugrun.argv, *args])
    shown = b""
    while select.select([fd], [], [], PATIENCE)[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
        if type_in and b"READY" in shown:
            os.write(fd, type_in)
            type_in = b""
    os.close(fd)
    return shown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_terminal(plugrun):
    script = "test -t 0 && test -t 1 && echo READY; read x; echo got:$x; exit 4"
    options = ("run", "--rm", "-it", "--network", "none")
    shown, code = run_on_terminal(
        plugrun, *options, HOST_IMAGE, "sh", "-c", script, type_in=b"hey\r"
    )
    assert b"got:hey" in shown
    assert code == 4


def test_ctrl_c_on_a_terminal_is_a_key(plugrun):
    script = "trap 'echo caught; exit 6' INT; echo READY; while true; do sleep 0.05; done"
    options = ("run", "--rm", "-it", "--network", "none")
    shown, code = run_on_terminal(
        plugrun, *options, HOST_IMAGE, "sh", "-c", script, type_in=b"\x03"
    )
    assert b"caught" in shown
    assert code == 6


def test_detach_keys_leave_it_running(plugrun):
    options = ("run", "-it", "--name", "left", "--network", "none")
    _, code = run_on_terminal(
        plugrun, *options, HOST_IMAGE, "sh", "-c", "echo READY; sleep 1000", type_in=b"\x10\x11"
    )
    assert code == 0
    assert plugrun.inspect("left")["State"]["Running"] is True


def test_a_terminal_is_asked_for_where_there_is_none(plugrun):
    done = plugrun("run", "--rm", "-it", HOST_IMAGE, "true", code=1, input="")
    assert "not a TTY" in done.stderr


def test_a_reader_that_goes_does_not_stop_the_container(plugrun):
    script = "n=0; while [ $n -lt 20000 ]; do n=$((n+1)); echo $n; done 2>/dev/null; true"
    with subprocess.Popen(
        [*plugrun.argv, "run", "--name", "piped", HOST_IMAGE, "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        process.stdout.close()
    assert plugrun.out("wait", "piped") == "0"


def test_cidfile(plugrun, tmp_path):
    path = tmp_path / "cid"
    id = plugrun.out("run", "-d", "--cidfile", str(path), "--network", "none", HOST_IMAGE, "true")
    assert path.read_text() == id
    plugrun("run", "--rm", "--cidfile", str(path), HOST_IMAGE, "true", code=125)


def test_a_cidfile_that_cannot_be_made_leaves_no_container(plugrun, tmp_path):
    before = plugrun.out("ps", "-aq")
    for place in ("/dev/null/cid", str(tmp_path / "nowhere" / "cid")):
        done = plugrun("run", "-d", "--cidfile", place, HOST_IMAGE, "true", code=125)
        assert f"failed to create the container ID file: {place}: " in done.stderr
    assert plugrun.out("ps", "-aq") == before


def test_explain_runs_nothing(plugrun):
    before = plugrun.out("ps", "-aq")
    plan = plugrun.out("run", "--explain", "--memory", "64m", HOST_IMAGE, "true")
    for word in ("storage", "isolation", "namespaces", "cgroup", "/proc", "67108864"):
        assert word in plan
    assert plugrun.out("ps", "-aq") == before


def test_explain_of_an_image_that_is_not_here_pulls_nothing(plugrun):
    plan = plugrun.out("run", "--explain", "localhost:1/not/here", "true")
    for word in ("storage:", "isolation:", "network:", "pulled from docker:localhost:1/not/here"):
        assert word in plan
    refused = plugrun.out("run", "--explain", "--pull", "never", "localhost:1/not/here", "true")
    assert "would be refused" in refused
    assert "not/here" not in plugrun.out("images")


def test_who_attaches_to_an_input_that_is_closed_does_not_wait(plugrun):
    plugrun(*RUN, "-a", "stdin", "--name", "shut", HOST_IMAGE, "sleep", "1000")
    assert plugrun.inspect("shut")["State"]["Running"] is True
    plugrun("rm", "-f", "shut")


def test_timings(plugrun):
    done = plugrun(*RUN, "--timings", HOST_IMAGE, "true")
    assert re.search(r"start\s+[\d.]+", done.stderr)

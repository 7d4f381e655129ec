"""``plugrun-oci`` on bundles, as a shim or conmon calls it."""

from __future__ import annotations

import array
import contextlib
import glob
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from plugrun.linux.process import PR_SET_CHILD_SUBREAPER, prctl
from plugrun.testing.isolation import default_spec
from plugrun.testing.isolation.bundle import make_rootfs

PROGRAM = os.path.join(os.path.dirname(sys.executable), "plugrun-oci")
PATIENCE = 60


@dataclass(frozen=True)
class Runtime:
    """The command on a root and a bundle of its own."""

    root: str
    bundle: str
    parent: str

    def __call__(self, *words: str, code: int | None = 0, **more) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [PROGRAM, "--root", self.root, *words],
            **{"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, **more},
            timeout=PATIENCE,
            check=False,
        )
        if code is not None:
            assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done

    def write(self, *args: str, **more) -> dict:
        """Write the bundle's config.json; ``more`` replaces whole rooms of the spec."""
        spec = {**default_spec(list(args)), **more}
        spec["linux"]["cgroupsPath"] = f"/{self.parent}/one"
        with open(f"{self.bundle}/config.json", "w", encoding="utf-8") as file:
            json.dump(spec, file)
        return spec

    def create(self, *options: str, **more) -> None:
        # Its output is the container's too, which lives on: a pipe would never end.
        self("create", "--bundle", self.bundle, *options, "one", capture_output=False, **more)

    def state(self) -> dict:
        return json.loads(self("state", "one").stdout)


def wait(pid: int) -> int:
    """Wait for a container's process, which the test adopted as its subreaper."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    bundle = tmp_path / "bundle"
    make_rootfs(str(bundle / "rootfs"))
    made = Runtime(str(tmp_path / "state"), str(bundle), f"plugrun-oci-test-{os.getpid()}")
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield made
        made("delete", "--force", "one")
        left = glob.glob(f"/sys/fs/cgroup/**/{made.parent}/*/", recursive=True)
        assert left == []
        assert made("list", "-q").stdout == ""
    finally:
        _reap_all()
        prctl(PR_SET_CHILD_SUBREAPER, 0)
        for folder in glob.glob(f"/sys/fs/cgroup/**/{made.parent}", recursive=True):
            os.rmdir(folder)


def _reap_all() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            continue


def test_a_life(runtime, tmp_path):
    runtime.write("sh", "-c", "echo begun; exec sleep 1000")
    runtime.create("--pid-file", str(tmp_path / "pid"))
    state = runtime.state()
    assert {name: state[name] for name in ("id", "status", "bundle")} == {
        "id": "one",
        "status": "created",
        "bundle": runtime.bundle,
    }
    assert (tmp_path / "pid").read_text() == str(state["pid"])
    runtime("start", "one")
    assert runtime.state()["status"] == "running"
    assert json.loads(runtime("ps", "-f", "json", "one").stdout) == [state["pid"]]
    assert "sleep 1000" in runtime("ps", "one").stdout
    runtime("kill", "one", "KILL")
    assert wait(state["pid"]) == -signal.SIGKILL
    assert runtime.state()["status"] == "stopped"
    runtime("delete", "one")
    runtime("state", "one", code=1)


def test_run_returns_the_code_and_leaves_nothing(runtime):
    runtime.write("sh", "-c", "echo out; echo err >&2; exit 7")
    done = runtime("run", "--bundle", runtime.bundle, "one", code=7)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    assert runtime("list", "-q").stdout == ""


def test_run_passes_signals_on(runtime):
    runtime.write("sh", "-c", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done")
    words = [PROGRAM, "--root", runtime.root, "run", "--bundle", runtime.bundle, "one"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGUSR1)
        assert running.wait(PATIENCE) == 9


def test_hooks_come_in_the_specs_order_with_the_state(runtime, tmp_path):
    """runtime-spec config.md: each at its point of the life cycle, the state on its input."""
    order = tmp_path / "order"

    def hook(name: str) -> list[dict]:
        script = f'read -r state; echo "{name} $state" >>{order}'
        args = ["sh", "-c", script]
        return [{"path": "/bin/sh", "args": args, "env": ["PATH=/bin"]}]

    names = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
    hooks = {name: hook(name) for name in names}
    inside = ["sh", "-c", "read -r state; echo inside $state >/tmp/started; id -u >>/tmp/started"]
    hooks["startContainer"] = [{"path": "/bin/sh", "args": inside, "env": ["PATH=/bin"]}]
    runtime.write("cat", "/tmp/started", hooks=hooks, annotations={"a.b": "c"})
    done = runtime("run", "--bundle", runtime.bundle, "one")
    told, user = done.stdout.splitlines()
    assert json.loads(told.removeprefix("inside "))["status"] == "created"
    assert user == "0"
    lines = [line.split(" ", 1) for line in order.read_text().splitlines()]
    assert [name for name, _ in lines] == names
    states = {name: json.loads(text) for name, text in lines}
    assert [states[name]["status"] for name in names] == [
        *("creating", "creating", "creating"),
        *("running", "stopped"),
    ]
    assert len({states[name]["pid"] for name in names[:4]}) == 1
    assert all(state["annotations"] == {"a.b": "c"} for state in states.values())


@pytest.mark.parametrize(
    "kind", ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"]
)
def test_a_hook_that_fails_ends_the_container(runtime, kind):
    args = ["sh", "-c", "echo because >&2; exit 3"]
    runtime.write("sleep", "1000", hooks={kind: [{"path": "/bin/sh", "args": args}]})
    done = runtime("run", "--bundle", runtime.bundle, "one", code=1)
    assert f"{kind} hook /bin/sh: exit code 3: because" in done.stderr
    assert runtime("list", "-q").stdout == ""


def test_a_hook_of_the_image_never_gets_the_interpreter(runtime):
    """CVE-2019-5736: what leads to /proc/self/exe leads to the trampoline, as for the command."""
    os.symlink("/proc/self/exe", f"{runtime.bundle}/rootfs/hook")
    hook = {"path": "/hook", "args": ["hook", "-c", "open('/reached', 'w')"]}
    runtime.write("true", hooks={"startContainer": [hook]})
    done = runtime("run", "--bundle", runtime.bundle, "one", code=1)
    # What the trampoline says of itself without its descriptor; Python has other codes.
    assert "startContainer hook /hook: exit code 126" in done.stderr


def test_a_start_hook_that_is_not_there_is_told(runtime):
    runtime.write("true", hooks={"startContainer": [{"path": "/no/such"}]})
    done = runtime("run", "--bundle", runtime.bundle, "one", code=1)
    assert "startContainer hook /no/such: no such file or directory" in done.stderr


@pytest.mark.parametrize("no_new_privileges", [False, True])
def test_a_start_hook_has_the_fence_of_the_command(runtime, no_new_privileges):
    """It is the image's, as the command is: the same filter, the same capabilities."""
    shown = ["sh", "-c", "grep -E 'Cap|Seccomp:|NoNewPrivs' /proc/self/status >>/tmp/seen"]
    spec = runtime.write(*shown, hooks={"startContainer": [{"path": "/bin/sh", "args": shown}]})
    spec["hooks"]["startContainer"][0]["env"] = ["PATH=/bin"]
    spec["process"]["noNewPrivileges"] = no_new_privileges
    runtime.write(**spec)
    runtime("run", "--bundle", runtime.bundle, "one")
    seen = Path(f"{runtime.bundle}/rootfs/tmp/seen").read_text().splitlines()
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]
    assert "Seccomp:\t2" in seen


def test_options_of_a_file_system_say_nothing_to_a_bind_mount(runtime, tmp_path):
    """mount(2): data is ignored; runtime-tools' validation gives bind mounts a size."""
    mount = {"destination": "/here", "type": "bind", "source": str(tmp_path)}
    spec = default_spec(["sh", "-c", "echo in >/here/file"])
    spec["mounts"].append({**mount, "options": ["bind", "nosuid", "mode=755", "size=1k"]})
    runtime.write("sh", "-c", "echo in >/here/file", mounts=spec["mounts"])
    runtime("run", "--bundle", runtime.bundle, "one")
    assert (tmp_path / "file").read_text() == "in\n"


def test_start_hooks_beside_preserved_descriptors(runtime, tmp_path):
    script = ["sh", "-c", "echo /proc/self/fd/* >/tmp/hook"]
    hook = {"path": "/bin/sh", "args": script, "env": ["PATH=/bin", "A=b=c"]}
    runtime.write("sh", "-c", "cat /tmp/hook; cat <&4", hooks={"startContainer": [hook]})
    (tmp_path / "kept").write_text("kept\n")
    opening = ["sh", "-c", 'exec 3</dev/null 4<"$0"; exec "$@"', str(tmp_path / "kept")]
    words = [PROGRAM, "--root", runtime.root, "run", "--preserve-fds", "2"]
    done = subprocess.run(
        [*opening, *words, "--bundle", runtime.bundle, "one"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    inside, kept = done.stdout.splitlines()
    assert kept == "kept"
    # The shell's own of the folder it lists is one more.
    assert len(inside.split()) <= 4, inside


def test_a_second_creation_takes_nothing_from_the_first(runtime):
    runtime.write("true")
    runtime.create()
    os.unlink(f"{runtime.root}/.created/one")  # as while the first is about to write it
    done = runtime("create", "--bundle", runtime.bundle, "one", code=1)
    assert "container one exists already" in done.stderr
    assert runtime.state()["status"] == "created"


def test_a_bundle_whose_config_is_no_object(runtime):
    Path(f"{runtime.bundle}/config.json").write_text("[]")
    done = runtime("create", "--bundle", runtime.bundle, "one", code=1)
    assert "config.json does not hold a JSON object" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        "no object",
        {"path": "relative"},
        {"path": "/bin/true", "timeout": "5"},
        {"path": "/bin/true", "args": [1]},
        {"path": "/bin/true", "env": ["=value"]},
    ],
)
def test_a_hook_that_is_none_is_refused_before_anything_is_made(runtime, wrong):
    runtime.write("true", hooks={"poststop": [wrong]})
    done = runtime("run", "--bundle", runtime.bundle, "one", code=1)
    assert done.stderr.startswith("plugrun-oci: poststop hook")
    assert runtime("list", "-q").stdout == ""


def test_exec_where_processes_may_look_at_others(runtime):
    """CVE-2019-5736: this program is executed anew, from where nobody can write it."""
    spec = runtime.write("sleep", "1000")
    spec["process"]["capabilities"]["bounding"].append("CAP_SYS_PTRACE")
    runtime.write(**spec)
    runtime.create()
    runtime("start", "one")
    words = ["bash", "-c", 'exec "$@" 3</etc/hostname', "bash", PROGRAM, "--root", runtime.root]
    words += ["exec", "--preserve-fds", "1", "one", "sh", "-c", "cat <&3; exit 7"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (7, Path("/etc/hostname").read_text()), done.stderr


def test_exec_wants_a_container_that_runs(runtime):
    runtime.write("true")
    runtime.create()
    assert "is created, not running" in runtime("exec", "one", "true", code=1).stderr


def test_a_hook_that_takes_too_long_is_killed(runtime):
    hooks = {"prestart": [{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]}
    runtime.write("true", hooks=hooks)
    done = runtime("run", "--bundle", runtime.bundle, "one", code=1)
    assert "prestart hook /bin/sleep: still running after 1 s" in done.stderr


def test_poststop_hooks_all_run_whatever_they_return(runtime, tmp_path):
    hooks = [
        {"path": "/bin/sh", "args": ["sh", "-c", f"echo {n} >>{tmp_path}/ran; exit {n}"]}
        for n in (1, 0)
    ]
    runtime.write("true", hooks={"poststop": hooks})
    done = runtime("run", "--bundle", runtime.bundle, "one")
    assert (tmp_path / "ran").read_text() == "1\n0\n"
    assert "warning: poststop hook /bin/sh: exit code 1" in done.stderr


def test_a_console_is_handed_over(runtime, tmp_path):
    spec = runtime.write("sh", "-c", "tty; stty size; read x; echo got $x")
    spec["process"]["terminal"] = True
    spec["process"]["consoleSize"] = {"height": 40, "width": 123}
    Path(f"{runtime.bundle}/config.json").write_text(json.dumps(spec))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "console"))
        listening.listen()
        runtime.create("--console-socket", str(tmp_path / "console"))
        with listening.accept()[0] as connection:
            master = _received(connection)
    pid = runtime.state()["pid"]
    runtime("start", "one")
    shown = b""
    while b"123" not in shown:
        shown += os.read(master, 4096)
    os.write(master, b"word\n")
    with contextlib.suppress(OSError):
        while part := os.read(master, 4096):
            shown += part
    os.close(master)
    assert shown.decode().split() == ["/dev/pts/0", "40", "123", "word", "got", "word"]
    assert wait(pid) == 0


def _received(connection: socket.socket) -> int:
    size = socket.CMSG_SPACE(4)
    _, messages, _, _ = connection.recvmsg(64, size)
    (_, kind, data) = messages[0]
    assert kind == socket.SCM_RIGHTS
    return array.array("i", data)[0]


def test_descriptors_are_kept_when_asked(runtime):
    script = "ls /proc/self/fd; cat <&3; cat <&4"
    runtime.write("sh", "-c", script)
    ends = []
    for text in (b"three\n", b"four\n"):
        reader, writer = os.pipe()
        os.write(writer, text)
        os.close(writer)
        ends.append(reader)

    # They have to be 3 and 4 in the runtime, wherever they are here.
    words = ["bash", "-c", f'exec "$@" 3<&{ends[0]} 4<&{ends[1]}', "bash", PROGRAM]
    words += ["--root", runtime.root, "run", "--bundle", runtime.bundle, "--preserve-fds", "2"]
    done = subprocess.run(
        [*words, "one"],
        pass_fds=ends,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    for end in ends:
        os.close(end)
    assert done.returncode == 0, done.stderr
    listed = done.stdout.split()
    assert listed[:5] == ["0", "1", "2", "3", "4"]
    assert listed[-2:] == ["three", "four"]
    runtime.write("true")
    done = runtime("run", "--bundle", runtime.bundle, "--preserve-fds", "9", "one", code=1)
    assert "descriptor" in done.stderr


@pytest.mark.parametrize("more", [[], ["ro"]])
def test_a_tmpfs_may_begin_with_what_it_covers(runtime, more):
    """podman asks for it by itself: tmpcopyup."""
    os.makedirs(f"{runtime.bundle}/rootfs/etc/deep")
    Path(f"{runtime.bundle}/rootfs/etc/deep/file").write_text("kept")
    os.chmod(f"{runtime.bundle}/rootfs/etc/deep/file", 0o4711)
    script = "stat -c %a /etc/deep/file; cat /etc/deep/file; echo new >/etc/deep/file && echo wrote"
    spec = runtime.write("sh", "-c", script)
    options = ["nosuid", "nodev", "tmpcopyup", "size=1m", *more]
    spec["mounts"].append({"destination": "/etc", "type": "tmpfs", "options": options})
    Path(f"{runtime.bundle}/config.json").write_text(json.dumps(spec))
    done = runtime("run", "--bundle", runtime.bundle, "one", code=1 if more else 0)
    assert done.stdout == "4711\nkept" + ("" if more else "wrote\n")
    assert Path(f"{runtime.bundle}/rootfs/etc/deep/file").read_text() == "kept"


@pytest.fixture
def sleeping(runtime):
    runtime.write("sleep", "1000")
    runtime.create()
    runtime("start", "one")
    return runtime


def test_exec(sleeping, tmp_path):
    done = sleeping("exec", "--cwd", "/tmp", "-e", "A=b", "-u", "7:8", "one", "sh", "-c", "pwd; id")
    assert done.stdout == "/tmp\nuid=7 gid=8\n"
    assert sleeping("exec", "-e", "A=b", "one", "sh", "-c", "echo $A").stdout == "b\n"
    sleeping("exec", "one", "sh", "-c", "exit 5", code=5)
    assert "executable file not found" in sleeping("exec", "one", "nosuch", code=1).stderr
    document = {
        "args": ["id", "-u"],
        "cwd": "/",
        "user": {"uid": 9, "gid": 9},
        "env": ["PATH=/bin"],
    }
    (tmp_path / "process").write_text(json.dumps(document))
    pid_file = str(tmp_path / "pid")
    given = ["--process", str(tmp_path / "process"), "--pid-file", pid_file]
    assert sleeping("exec", *given, "one").stdout == "9\n"
    # The output is not ours: a detached process holds it as long as it lives.
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "capture_output": False}
    sleeping("exec", "--detach", "--pid-file", pid_file, "one", "sleep", "999", **quiet)
    pid = int(Path(pid_file).read_text())
    assert b"999" in Path(f"/proc/{pid}/cmdline").read_bytes()
    sleeping("kill", "--all", "one", "KILL")
    assert wait(pid) == -signal.SIGKILL


def test_pause_update_and_events(sleeping):
    sleeping("pause", "one")
    assert sleeping.state()["status"] == "paused"
    sleeping("exec", "one", "true", code=1)
    sleeping("resume", "one")
    assert sleeping.state()["status"] == "running"
    sleeping("update", "--memory", str(64 << 20), "--pids-limit", "33", "one")
    sleeping("update", "--resources", "-", "one", input='{"cpu": {"shares": 99}}', stdin=None)
    used = json.loads(sleeping("events", "--stats", "one").stdout)
    assert used["type"] == "stats"
    assert used["data"]["memory"]["usage"]["limit"] == 64 << 20
    assert used["data"]["pids"] == {"current": 1, "limit": 33}
    assert "nothing to change" in sleeping("update", "one", code=1).stderr


def test_delete_wants_force_for_one_that_runs(sleeping):
    assert "running" in sleeping("delete", "one", code=1).stderr
    sleeping("delete", "--force", "one")
    sleeping("delete", "--force", "one")  # gone already: no error, as runc has it


def test_a_created_one_goes_without_force(runtime):
    runtime.write("true")
    runtime.create()
    runtime("delete", "one")
    assert "does not exist" in runtime("state", "one", code=1).stderr


def test_what_is_wrong_is_told_on_both_ways(runtime, tmp_path):
    log = tmp_path / "log"
    runtime.write("nosuch")
    words = ["--log", str(log), "--log-format", "json", "create", "--bundle", runtime.bundle]
    done = runtime(*words, "one", code=1)
    entry = json.loads(log.read_text())
    assert entry["level"] == "error"
    assert 'exec: "nosuch": executable file not found in $PATH' in entry["msg"]
    assert entry["msg"] in done.stderr
    for wrong in (["fly"], ["create"], ["create", "a", "b"], ["start", "--fast", "one"], ["kill"]):
        assert runtime(*wrong, code=1).stderr.startswith("plugrun-oci: ")


def test_the_command_line_tells_of_itself(runtime):
    assert runtime("--version").stdout.startswith("plugrun-oci version ")
    assert "create" in runtime("--help").stdout
    assert "--console-socket" in runtime("create", "--help").stdout
    document = json.loads(runtime("features").stdout)
    assert document["ociVersionMin"] == "1.0.0"
    assert "startContainer" in document["hooks"]
    assert "CAP_CHOWN" in document["linux"]["capabilities"]


def test_a_creator_that_is_killed_leaves_nothing_that_delete_does_not_take(runtime, tmp_path):
    """Stopped in a hook, the middle of create, and killed there."""
    held = tmp_path / "held"
    os.mkfifo(held)
    hooks = {
        "prestart": [{"path": "/bin/sh", "args": ["sh", "-c", f"echo $$ >{held}; exec sleep 999"]}]
    }
    runtime.write("sleep", "1000", hooks=hooks)
    words = [PROGRAM, "--root", runtime.root, "create", "--bundle", runtime.bundle, "one"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as creating:
        with open(held, encoding="utf-8") as pipe:
            hook = int(pipe.read())
        pid = runtime.state()["pid"]
        creating.kill()
    wait(pid)  # it goes with its creator
    os.kill(hook, signal.SIGKILL)
    wait(hook)
    assert runtime.state()["status"] == "stopped"
    runtime("delete", "one")

"""Containers whose files a program serves: it lives as long as their mounts, and may be killed."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.e2e.changing import run_killed
from tests.e2e.conftest import HOST_IMAGE, PATIENCE, PROGRAM, TOP, Plugrun, fresh_root, traces
from tests.e2e.terminal import Terminal
from tests.e2e.test_crash import wait_gone

NET = ("--network", "none")
LOOP = "echo up; echo yes > /happiness.txt; while true; do sleep 0.05; done"


@pytest.fixture(scope="module")
def module_root() -> Iterator[Plugrun]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with fresh_root(f"{TOP}/config/profiles/fuse-ns.yaml") as tool:
        tool("run", "--rm", *NET, HOST_IMAGE, "true")
        yield tool


@pytest.fixture
def plugrun(module_root: Plugrun) -> Iterator[Plugrun]:
    yield module_root
    module_root.remove_all()
    assert_none_serves(module_root)


def servers(plugrun: Plugrun) -> list[int]:
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(word.startswith(f"upperdir={plugrun.root}/".encode()) for word in words):
            found.append(int(path.split("/")[2]))
    return found


def assert_none_serves(plugrun: Plugrun) -> None:
    for pid in servers(plugrun):
        wait_gone(pid)
    assert servers(plugrun) == []


def up(plugrun: Plugrun, *options: str) -> tuple[str, int]:
    """Start a container; return its ID and its server's PID, once it has written its file."""
    id = plugrun.out("run", "-d", "--name", "box", *NET, *options, HOST_IMAGE, "sh", "-c", LOOP)
    plugrun("exec", "box", "sh", "-c", "until test -s /happiness.txt; do sleep 0.01; done")
    [pid] = servers(plugrun)
    return id, pid


def test_what_a_container_wrote_is_found_on_the_host(plugrun):
    up(plugrun)
    plugrun("stop", "-t", "0", "box")
    assert_none_serves(plugrun)
    command = ["find", plugrun.root, "-name", "happiness.txt"]
    [path] = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    with open(path) as file:
        assert file.read() == "yes\n"


def test_a_killed_server_gives_errors_and_no_hang(plugrun):
    id, pid = up(plugrun)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    failed = plugrun("exec", "box", "ls", "/", code=126)
    assert "not connected" in failed.stderr
    assert "restart the container" in failed.stderr
    for words in (("cp", "box:/happiness.txt", "-"), ("export", "box")):
        failed = plugrun(*words, code=1)
        assert "the program that serves this file system has ended" in failed.stderr
    assert plugrun.inspect("box")["State"]["Running"] is True
    assert id[:12] in plugrun.out("ps")
    assert plugrun.out("logs", "box").splitlines()[0] == "up"
    assert "sh -c" in plugrun.out("top", "box")
    assert "/happiness.txt" in plugrun.out("diff", "box")
    told = plugrun.out("system", "check", "--quick", code=1)
    assert "container: box: what serves its files for storage fuse is gone" in told
    assert "to do: plugrun restart box; what it wrote is kept" in told
    plugrun("stop", "-t", "0", "box")
    assert servers(plugrun) == []


@pytest.mark.parametrize("verb", ["restart", "stop and start"])
def test_after_it_was_killed_the_container_starts_again_with_all_it_wrote(plugrun, verb):
    _, pid = up(plugrun)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    if verb == "restart":
        plugrun("restart", "-t", "0", "box")
    else:
        plugrun("stop", "-t", "0", "box")
        assert plugrun("cp", "box:/happiness.txt", "-").stdout.count("yes\n") == 1
        plugrun("start", "box")
    assert plugrun.out("exec", "box", "cat", "/happiness.txt") == "yes"
    [another] = servers(plugrun)
    assert another != pid


def test_rm_f_after_it_was_killed(plugrun):
    _, pid = up(plugrun)
    os.kill(pid, signal.SIGKILL)
    plugrun("rm", "-f", "box")
    assert plugrun.out("ps", "-aq") == ""
    assert os.listdir(f"{plugrun.root}/storage/fuse/a") == []


def test_it_outlives_the_command_that_started_it_and_its_monitor(plugrun):
    _, pid = up(plugrun)
    container = plugrun.inspect("box")["State"]["Pid"]
    with open(f"/proc/{container}/status") as file:
        monitor = next(int(line.split()[1]) for line in file if line.startswith("PPid"))
    os.kill(monitor, signal.SIGKILL)
    wait_gone(monitor)
    assert plugrun.out("exec", "box", "cat", "/happiness.txt") == "yes"
    os.kill(container, signal.SIGKILL)
    wait_gone(container)
    wait_gone(pid)


def test_ctrl_c_reaches_the_container_alone(plugrun):
    script = "trap 'echo bye > /last; cat /last; exit 3' INT; echo up; while :; do sleep 0.05; done"
    with Terminal([*plugrun.argv, "run", "--rm", *NET, HOST_IMAGE, "sh", "-c", script]) as terminal:
        terminal.expect("up")
        terminal.send("\x03")
        terminal.expect("bye")
        assert terminal.wait() == 3
    assert_none_serves(plugrun)


def test_a_stopped_container_s_files_are_served_for_cp(plugrun, tmp_path):
    up(plugrun)
    plugrun("stop", "-t", "0", "box")
    (tmp_path / "in").write_text("from the host\n")
    plugrun("cp", str(tmp_path / "in"), "box:/etc/in")
    plugrun("cp", "box:/etc/in", str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "from the host\n"
    assert "A /etc/in" in plugrun.out("diff", "box").splitlines()
    assert_none_serves(plugrun)
    plugrun("start", "box")
    assert plugrun.out("exec", "box", "cat", "/etc/in") == "from the host"


def test_a_check_leaves_alone_what_serves_another_command(plugrun):
    up(plugrun)
    plugrun("stop", "-t", "0", "box")
    # More than a pipe takes: it waits for its reader, and its server with it.
    with plugrun.start("export", "box", errors="surrogateescape") as export:
        assert export.stdout is not None
        begun = export.stdout.read(1)
        assert len(servers(plugrun)) == 1
        assert plugrun.out("system", "check", "--repair") == "Nothing is wrong."
        assert len(begun + export.stdout.read()) > 1 << 20
    assert export.returncode == 0


def test_a_check_leaves_alone_what_serves_a_root_whose_path_ends_the_same(plugrun, tmp_path):
    other = replace(plugrun, root=f"{tmp_path}{plugrun.root}")
    os.makedirs(other.root)
    try:
        up(other)
        assert plugrun.out("system", "check", "--repair") == "Nothing is wrong."
        assert other.out("exec", "box", "cat", "/happiness.txt") == "yes"
    finally:
        other.remove_all()
    assert_none_serves(other)


def test_run_killed_at_every_change_leaves_no_server(module_root):
    args = ("run", "--rm", "--name", "victim", *NET, HOST_IMAGE, "true")
    limit = 1
    while run_killed(module_root, limit, *args):
        assert_none_serves(module_root)
        assert [line for line in traces(module_root.root) if "fuse" in line] == [], limit
        assert module_root.out("ps", "-aq") == "", limit  # clears away the rest
        limit += 1
    assert limit > 20


def test_a_missing_layer_is_named(module_root):
    """Damaged by hand: the program says what it misses, and the command passes it on."""
    plugrun = module_root
    plugrun("create", "--name", "box", *NET, HOST_IMAGE, "true")
    [path] = glob.glob(f"{plugrun.root}/storage/fuse/c/*")
    with open(path) as file:
        layer = f"{plugrun.root}/storage/fuse/l/{file.read().split()[1]}"
    os.rename(layer, f"{layer}-away")
    try:
        failed = plugrun("run", "--rm", *NET, HOST_IMAGE, "true", code=125)
        assert layer in failed.stderr
        failed = plugrun("start", "-a", "box", code=1)
        assert layer in failed.stderr
        assert servers(plugrun) == []
    finally:
        os.rename(f"{layer}-away", layer)
    plugrun("start", "-a", "box")
    plugrun("rm", "box")


def test_without_the_device(module_root, tmp_path):
    """In a mount namespace in which there is no /dev/fuse."""
    hidden = f"mount -t tmpfs none {tmp_path} && mknod {tmp_path}/null c 1 3 &&"
    hidden = f'{hidden} mount --bind {tmp_path} /dev && exec "$0" "$@"'
    words = [*module_root.argv[1:], "run", "--rm", *NET, HOST_IMAGE, "true"]
    command = ["unshare", "-m", "sh", "-c", hidden, PROGRAM, *words]
    index = f"{module_root.run_root_of_root}/index"
    shutil.rmtree(index, ignore_errors=True)  # what was found to work is remembered there
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 125
    assert "there is no /dev/fuse" in done.stderr
    assert "modprobe fuse" in done.stderr
    shutil.rmtree(index, ignore_errors=True)

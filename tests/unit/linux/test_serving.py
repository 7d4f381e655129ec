"""File systems that a program serves: connected here, attached anywhere, gone with the mount."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from plugrun.errors import BackendUnavailable, CannotMount, Corrupt, NoSpace, PlugrunError
from plugrun.linux import mounting, process, serving
from plugrun.linux.attach import ReadyMounts
from plugrun.linux.othermounts import in_new_mounts
from plugrun.linux.serving import connect
from plugrun.model.mount import Mount
from plugrun.testing.forked import in_child, mounted
from plugrun.testing.onefile import await_end, one_file, servers

pytestmark = pytest.mark.root


@pytest.fixture
def word():
    said = f"said-{os.urandom(8).hex()}"
    yield said
    assert all(await_end(pid) for pid in servers(said))


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "place"
    path.mkdir()
    return str(path)


def read(path):
    with open(path) as file:
        return file.read()


def test_the_mount_is_there_where_it_is_attached_and_the_program_ends_with_it(word, place):
    def look(root):
        [pid] = servers(word)
        return os.listdir(root), read(f"{root}/said"), pid

    names, said, pid = mounted((one_file(word),), place, look)
    assert (names, said) == (["said"], word)
    assert await_end(pid)
    assert os.listdir(place) == []


def test_closed_before_it_is_attached(word):
    connection = connect(one_file(word))
    # It is cloned when connect returns, and bears its name once it has been executed.
    while not (found := servers(word)):
        os.sched_yield()
    connection.close()
    assert all(map(await_end, found))


def test_it_answers_once_it_is_waited_for(word):
    connection = connect(one_file(word))
    connection.wait()
    assert connection.fault() is None
    connection.close()


def test_a_starter_killed_before_it_has_attached_leaves_no_program(word):
    reader, writer = os.pipe()
    starter = os.fork()
    if starter == 0:
        try:
            connect(one_file(word)).wait()
            os.write(writer, b"up")
            signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    assert os.read(reader, 2) == b"up"
    os.close(reader)
    [pid] = servers(word)
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    assert await_end(pid)


def test_killed_the_mount_gives_errors(word, place):
    def look(root):
        assert read(f"{root}/said") == word
        [pid] = servers(word)
        os.kill(pid, signal.SIGKILL)
        assert await_end(pid)
        with pytest.raises(OSError, match="not connected"):
            read(f"{root}/said")
        return True

    assert mounted((one_file(word),), place, look)


def test_it_is_nobody_s_child_and_a_subreaper_stays_one(word):
    def act():
        process.prctl(process.PR_SET_CHILD_SUBREAPER, 1)
        connection = connect(one_file(word))
        connection.wait()
        [pid] = servers(word)
        os.kill(pid, signal.SIGKILL)
        assert await_end(pid)
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        if os.fork() == 0:
            if os.fork() == 0:
                os._exit(7)
            os._exit(0)
        codes = sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(2))
        return codes, connection.fault() is not None

    assert in_child(act) == ([0, 7], True)


def test_no_descriptor_is_left(word):
    connect(one_file(word)).close()
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        connect(one_file(word)).close()
        with pytest.raises(PlugrunError):
            connect(one_file(word, "--die")).wait()
        with pytest.raises(PlugrunError):
            connect(Mount("fuse", "none", helper=("/no/such",)))
        with pytest.raises(PlugrunError):
            connect(Mount("fuse", "none", ("max_read=x",), helper=("/no/such",)))
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_it_inherits_nothing_but_the_connection(word, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    extra = os.open("/", os.O_RDONLY)
    os.set_inheritable(extra, True)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        connection = connect(one_file(word))
        connection.wait()
        [pid] = servers(word)
        links = [
            os.readlink(f"/proc/{pid}/fd/{fd}") for fd in sorted(os.listdir(f"/proc/{pid}/fd"))
        ]
        assert links == ["/dev/fuse", *["/memfd:plugrun-helper (deleted)"] * 2]
        assert read(f"/proc/{pid}/environ").rstrip("\0").startswith("PATH=")
        assert "SECRET" not in read(f"/proc/{pid}/environ")
        ignored = next(
            line for line in read(f"/proc/{pid}/status").splitlines() if "SigIgn" in line
        )
        assert int(ignored.split()[1], 16) & 1 << signal.SIGUSR1 - 1 == 0
        connection.close()
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        os.close(extra)


def test_what_it_complains_of_is_limited(word, place):
    """It may run for years; what it says is kept in memory."""
    program = "import os\nfor _ in range(40): os.write(2, b'x' * 1000)"
    connection = connect(Mount("fuse", "loud", helper=(sys.executable, "-I", "-S", "-c", program)))
    with pytest.raises(PlugrunError) as caught:
        connection.wait()
    assert len(caught.value.message) < 20000
    assert "x" * 10000 in caught.value.message


@pytest.mark.parametrize(
    ("said", "error", "message", "hint"),
    [
        ("Corrupt: layer a is gone\nhint: look there", Corrupt, "layer a is gone", "look there"),
        ("one\nNoSpace: /x: is full", NoSpace, "/x: is full", ""),
        ("CannotMount: no\n\n", CannotMount, "no", ""),
        (
            "ValueError: bad: worse",
            PlugrunError,
            "the loud file system ended: ValueError: bad: w",
            "",
        ),
        ("hint: only", PlugrunError, "ended: it said nothing", ""),
        ("", PlugrunError, "ended: it said nothing", "it was /bin/sh -c"),
    ],
)
def test_the_program_says_why_it_cannot(said, error, message, hint):
    argv = ("/bin/sh", "-c", 'printf "%s" "$1" >&2', "sh", said)
    connection = connect(Mount("fuse", "loud", helper=argv))
    with pytest.raises(PlugrunError) as caught:
        connection.wait()
    assert type(caught.value) is error
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_without_the_device(monkeypatch, tmp_path, word):
    monkeypatch.setattr(serving, "DEVICE", str(tmp_path / "fuse"))
    with pytest.raises(BackendUnavailable, match="there is no ") as caught:
        connect(one_file(word))
    assert "modprobe fuse" in caught.value.hint
    assert "--device /dev/fuse" in caught.value.hint


def test_with_a_device_that_is_not_for_us(word):
    def act():
        process.unshare(process.CLONE_NEWNS)
        mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
        os.seteuid(65534)
        try:
            connect(one_file(word))
        except BackendUnavailable as error:
            return error.message, error.hint
        return "", ""

    message, hint = in_child(act)
    assert message == "/dev/fuse cannot be opened: Permission denied"
    assert "--device /dev/fuse" in hint


def test_with_a_device_that_is_none(monkeypatch, word):
    """As where the kernel has no FUSE: the mount is refused, not the opening."""
    monkeypatch.setattr(serving, "DEVICE", "/dev/null")
    with pytest.raises(CannotMount, match=r"refuses the FUSE file system: .+"):
        connect(one_file(word))
    assert servers(word) == []


def test_read_only(word, place):
    def look(root):
        assert os.statvfs(root).f_flag & os.ST_RDONLY
        return read(f"{root}/said")

    assert mounted((one_file(word, options=("ro",)),), place, look) == word


def test_ready_mounts_in_a_thread_s_own_namespace(word, place):
    with ReadyMounts((Mount("tmpfs", "tmpfs"), one_file(word))) as ready:

        def work():
            ready.perform(place)
            return os.open(place, os.O_RDONLY)

        root, namespace = in_new_mounts(work)
    [pid] = servers(word)
    assert os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    assert os.listdir(root) == ["said"]
    assert os.listdir(place) == []
    os.close(root)
    os.close(namespace)
    assert await_end(pid)


def test_ready_mounts_of_which_one_fails_leave_none(word):
    with pytest.raises(PlugrunError, match="there is nothing to serve"):
        ReadyMounts((one_file(word), one_file(word, "--die")))

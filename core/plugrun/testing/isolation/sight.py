"""What a container's process sees."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import select
import shutil
from typing import Any

import pytest

from plugrun.errors import (
    CommandNotFound,
    IsolationError,
)
from plugrun.interfaces.isolation import (
    Stdio,
)
from plugrun.model.mount import Mount
from plugrun.testing.isolation.bundle import (
    ID,
    Bundle,
    default_spec,
    read_all,
    reap,
)
from plugrun.testing.isolation.fixtures import IsolationFixtures

_PATIENCE = 20  # seconds


class SightContract(IsolationFixtures):
    """What a container's process sees."""

    def test_namespaces(self, bundle: Bundle) -> None:
        code, output = bundle.shell("hostname; echo $$; ls /proc | grep -c '^[0-9]'; ip -o link")
        lines = output.splitlines()
        assert code == 0
        assert lines[:2] == ["box", "1"]
        assert int(lines[2]) <= 3
        assert len(lines) == 4
        assert "lo" in lines[3]
        assert "UP" in lines[3]

    def test_the_root_is_the_bundles(self, bundle: Bundle) -> None:
        code, output = bundle.shell("ls /; echo mine > /tmp/file; mount | wc -l")
        assert code == 0
        assert "rootfs" not in output
        with open(os.path.join(bundle.root, "tmp/file"), encoding="utf-8") as stream:
            assert stream.read() == "mine\n"
        with open("/proc/self/mountinfo", encoding="utf-8") as stream:
            assert bundle.root not in stream.read()

    def test_a_readonly_root(self, bundle: Bundle) -> None:
        spec = default_spec(["sh", "-c", "touch /tmp/file; touch /dev/shm/file && echo shm"])
        spec["root"]["readonly"] = True
        output = bundle.run(spec)[1]
        assert "Read-only file system" in output
        assert "shm" in output

    def test_rootfs_mounts_are_performed_inside(self, bundle: Bundle, tmp_path: Any) -> None:
        layers = [str(tmp_path / name) for name in ("lower", "upper", "work", "empty")]
        for layer in layers:
            os.mkdir(layer)
        shutil.copytree(bundle.root, layers[0], dirs_exist_ok=True, symlinks=True)
        shutil.rmtree(bundle.root)
        os.mkdir(bundle.root)
        options = (f"lowerdir={layers[0]}", f"upperdir={layers[1]}", f"workdir={layers[2]}")
        bundle.write(default_spec(["sh", "-c", "echo up > /tmp/new"]))
        mounts = (Mount("overlay", "overlay", options),)
        task = bundle.isolation.create(ID, bundle.path, Stdio(0, 1, 2), mounts)
        bundle.made[ID] = task.pid
        bundle.isolation.start(ID)
        assert reap(task.pid) == 0
        assert os.listdir(bundle.root) == []
        assert os.path.exists(os.path.join(layers[1], "tmp/new"))

    def test_bind_mounts(self, bundle: Bundle, tmp_path: Any) -> None:
        folder, file = tmp_path / "folder", tmp_path / "file"
        folder.mkdir()
        file.write_text("content\n")
        spec = default_spec(["sh", "-c", "cat /new/file; touch /made/x; touch /new/file"])
        spec["mounts"] += [
            {"destination": "/made", "type": "bind", "source": str(folder), "options": ["rbind"]},
            {
                "destination": "/new/file",
                "type": "bind",
                "source": str(file),
                "options": ["bind", "ro"],
            },
        ]
        code, output = bundle.run(spec)
        assert output.startswith("content\n")
        assert "Read-only file system" in output
        assert code != 0
        assert (folder / "x").exists()

    def test_a_missing_bind_source_is_named(self, bundle: Bundle) -> None:
        spec = default_spec(["true"])
        spec["mounts"].append({"destination": "/x", "type": "bind", "source": "/no/such"})
        with pytest.raises(IsolationError, match="/no/such"):
            bundle.create(spec)
        assert list(bundle.isolation.tasks()) == []

    def test_masked_and_readonly_paths(self, bundle: Bundle) -> None:
        script = "cat /proc/timer_list | wc -c; ls /sys/firmware | wc -l; echo 1 > /proc/sys/vm/x"
        output = bundle.shell(script)[1].splitlines()
        assert output[:2] == ["0", "0"]
        assert "nonexistent" in output[2] or "Read-only" in output[2] or "create" in output[2]
        output = bundle.shell("echo 1 > /proc/sys/kernel/panic")[1].splitlines()
        assert "Read-only file system" in output[0]

    def test_devices(self, bundle: Bundle) -> None:
        script = (
            "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done;"
            "test -e /dev/ptmx && readlink /dev/fd && echo x > /dev/null; stat -c %a /dev/null"
        )
        assert bundle.shell(script) == (0, "/proc/self/fd\n666\n")

    def test_descriptors(self, bundle: Bundle) -> None:
        extra = os.open("/", os.O_RDONLY)
        os.set_inheritable(extra, True)
        try:
            code, output = bundle.shell("exec ls /proc/self/fd")
        finally:
            os.close(extra)
        # The last is ls's own, of the folder it lists.
        assert (code, output.split()) == (0, ["0", "1", "2", "3"])

    def test_the_caller_keeps_its_descriptors(self, bundle: Bundle) -> None:
        bundle.shell("true")
        before = len(os.listdir("/proc/self/fd"))
        bundle.shell("true")
        with pytest.raises(CommandNotFound):
            bundle.create(default_spec(["no-such-command"]))
        assert len(os.listdir("/proc/self/fd")) == before

    def test_standard_streams_in_any_order(self, bundle: Bundle) -> None:
        bundle.write(default_spec(["sh", "-c", "cat; echo err >&2"]))
        inside, out, err = os.pipe(), os.pipe(), os.pipe()
        os.write(inside[1], b"in\n")
        os.close(inside[1])
        task = bundle.isolation.create(ID, bundle.path, Stdio(inside[0], out[1], err[1]))
        bundle.made[ID] = task.pid
        for fd in (inside[0], out[1], err[1]):
            os.close(fd)
        bundle.isolation.start(ID)
        assert (read_all(out[0]), read_all(err[0])) == ("in\n", "err\n")

    def test_a_terminal(self, bundle: Bundle) -> None:
        script = "tty; test -c /dev/console && echo console; echo there > /dev/tty"
        bundle.write(default_spec(["sh", "-c", script]))
        master, replica = os.openpty()
        stdio = Stdio(replica, replica, replica, terminal=True)
        task = bundle.isolation.create(ID, bundle.path, stdio)
        bundle.made[ID] = task.pid
        os.close(replica)
        bundle.isolation.start(ID)
        assert reap(task.pid) == 0
        output = ""
        # It may be passed on by a process of its own, and come in pieces.
        while "there" not in output and select.select([master], [], [], _PATIENCE)[0]:
            output += os.read(master, 4096).decode()
        os.close(master)
        assert "console" in output
        assert "there" in output


def _reap_any() -> bool:
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        return False
    return True

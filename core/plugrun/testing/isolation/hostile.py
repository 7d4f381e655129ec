"""Images that mean harm."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
from typing import Any

import pytest

from plugrun.errors import (
    IsolationError,
)
from plugrun.testing.isolation.bundle import (
    Bundle,
    default_spec,
)
from plugrun.testing.isolation.fixtures import IsolationFixtures


class HostileContract(IsolationFixtures):
    """Images that mean harm."""

    @pytest.mark.parametrize("name", ["proc", "dev", "sys"])
    @pytest.mark.parametrize("relative", [False, True])
    def test_hostile_links(
        self, bundle: Bundle, tmp_path: Any, name: str, *, relative: bool
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        target = "../" * 30 + str(outside) if relative else str(outside)
        os.rmdir(os.path.join(bundle.root, name))
        os.symlink(target, os.path.join(bundle.root, name))
        before = set(os.listdir("/dev"))
        try:
            bundle.shell("true")
        except IsolationError:
            assert list(bundle.isolation.tasks()) == []
        assert list(outside.iterdir()) == []
        assert set(os.listdir("/dev")) == before

    @pytest.mark.parametrize("place", ["dev/null", "dev/console", "dev/pts", "etc/hosts"])
    def test_hostile_mount_points(self, bundle: Bundle, tmp_path: Any, place: str) -> None:
        outside = tmp_path / "outside"
        outside.write_text("untouched")
        spec = default_spec(["true"])
        spec["mounts"] = [mount for mount in spec["mounts"] if mount["destination"] != "/dev"]
        file = tmp_path / "hosts"
        file.write_text("hosts")
        spec["mounts"].append({"destination": "/etc/hosts", "type": "bind", "source": str(file)})
        os.symlink(str(outside), os.path.join(bundle.root, place))
        try:
            bundle.run(spec)
        except IsolationError:
            assert list(bundle.isolation.tasks()) == []
        assert outside.read_text() == "untouched"

    def test_the_hosts_interpreter_is_out_of_reach(self, bundle: Bundle) -> None:
        task, reader = bundle.launch(default_spec(["sleep", "60"]))
        own = os.readlink("/proc/self/exe")
        assert os.readlink(f"/proc/{task.pid}/exe") != own
        os.close(reader)


def _reap_any() -> bool:
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        return False
    return True

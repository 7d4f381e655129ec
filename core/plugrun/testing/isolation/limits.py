"""Limits, by what they do."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from plugrun.errors import (
    BackendUnavailable,
)
from plugrun.interfaces.isolation import (
    DEVICE_FENCE,
    LIMIT_CPU,
    LIMIT_MEMORY,
    LIMIT_PIDS,
)
from plugrun.testing.isolation.bundle import (
    ID,
    Bundle,
    default_spec,
    read_all,
    reap,
)
from plugrun.testing.isolation.fixtures import IsolationFixtures


class LimitContract(IsolationFixtures):
    """Limits, by what they do."""

    def _limited(self, bundle: Bundle, word: str, script: str, **resources: Any) -> dict[str, Any]:
        if word not in bundle.isolation.capabilities:
            pytest.skip(f"has no {word} here")
        spec = default_spec(["sh", "-c", script])
        spec["linux"]["resources"].update(resources)
        return spec

    def test_memory_limit_and_its_count(self, bundle: Bundle) -> None:
        size = 16 << 20
        script = "dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; echo $?"
        memory = {"limit": size, "swap": size}
        task, reader = bundle.launch(self._limited(bundle, LIMIT_MEMORY, script, memory=memory))
        assert read_all(reader).strip() == "137"
        reap(task.pid)
        counter = bundle.isolation.state(ID).oom_counter
        with open(counter, encoding="utf-8") as stream:
            counts = dict(line.split() for line in stream)
        assert int(counts["oom_kill"]) >= 1

    def test_pids_limit(self, bundle: Bundle) -> None:
        # So many that a runtime's own threads, as it begins, have room.
        script = "for i in $(seq 40); do sleep 60 & done"
        spec = self._limited(bundle, LIMIT_PIDS, script, pids={"limit": 32})
        assert "can't fork" in bundle.run(spec)[1]

    def test_cpu_limit(self, bundle: Bundle) -> None:
        limits = {"quota": 20000, "period": 100000}
        spec = self._limited(bundle, LIMIT_CPU, "echo up; while :; do :; done", cpu=limits)
        task, reader = bundle.launch(spec)
        assert os.read(reader, 3) == b"up\n"
        begin, before, used = time.monotonic(), _cpu_time(task.pid), 0.0
        while used < 0.1:  # a busy machine may give it less than it is allowed
            time.sleep(1)  # no event: it is time that is limited
            used = _cpu_time(task.pid) - before
        assert used < 0.5 * (time.monotonic() - begin)
        os.close(reader)

    def test_an_impossible_limit_is_refused(self, bundle: Bundle) -> None:
        spec = default_spec(["true"])
        spec["linux"]["resources"]["hugepageLimits"] = [{"pageSize": "3KB", "limit": 1}]
        with pytest.raises(BackendUnavailable) as caught:
            bundle.create(spec)
        assert caught.value.hint
        assert list(bundle.isolation.tasks()) == []

    def test_denied_devices(self, bundle: Bundle) -> None:
        # Not /dev/net/tun, which runc allows whatever the spec says.
        script = "mknod /dev/x c 10 229 && exec 3< /dev/x"
        spec = self._limited(bundle, DEVICE_FENCE, script)
        assert "Operation not permitted" in bundle.run(spec)[1]


def _cpu_time(pid: int) -> float:
    """Return the seconds of CPU that a process has used: proc_pid_stat(5)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
        fields = stream.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

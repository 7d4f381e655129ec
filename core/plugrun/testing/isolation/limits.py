"""Limits, by what they do."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    pass

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
        script = "for i in 1 2 3 4 5 6 7 8; do sleep 0.1 & done; wait"
        spec = self._limited(bundle, LIMIT_PIDS, script, pids={"limit": 4})
        assert "can't fork" in bundle.run(spec)[1]

    def test_cpu_limit(self, bundle: Bundle) -> None:
        script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; cat /proc/self/stat"
        limits = {"quota": 5000, "period": 100000}
        spec = self._limited(bundle, LIMIT_CPU, script, cpu=limits)
        before = time.monotonic()
        fields = bundle.run(spec)[1].split()
        used = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        assert time.monotonic() - before > 4 * used - 0.2

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


def _reap_any() -> bool:
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        return False
    return True

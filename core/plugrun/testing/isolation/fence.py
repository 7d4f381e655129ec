"""What a container's process may do."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import errno
import os

import pytest

from plugrun.errors import (
    IsolationError,
)
from plugrun.testing.isolation.bundle import (
    _PATH,
    Bundle,
    default_spec,
    syscall_program,
)
from plugrun.testing.isolation.fixtures import IsolationFixtures


class FenceContract(IsolationFixtures):
    """What a container's process may do."""

    def test_capabilities(self, bundle: Bundle) -> None:
        output = bundle.shell("grep Cap /proc/self/status")[1].split()
        sets = dict(zip(output[::2], output[1::2], strict=True))
        for name in ("CapPrm:", "CapEff:", "CapBnd:"):
            assert int(sets[name], 16) == 0xA80425FB
        assert int(sets["CapInh:"], 16) == int(sets["CapAmb:"], 16) == 0

    def test_an_ordinary_user(self, bundle: Bundle) -> None:
        user = {"uid": 1000, "gid": 1001, "additionalGids": [7, 8]}
        code, output = bundle.shell("id; umask; grep CapEff /proc/self/status", user=user)
        assert code == 0
        assert "uid=1000 gid=1001 groups=" in output.replace(",1001", "")
        assert "7" in output
        assert "0022" in output
        assert output.split()[-1] == "0" * 16

    def test_ambient_capabilities(self, bundle: Bundle) -> None:
        names = ["CAP_NET_BIND_SERVICE"]
        sets = dict.fromkeys(
            ("bounding", "effective", "permitted", "inheritable", "ambient"), names
        )
        user = {"uid": 1000, "gid": 1000}
        output = bundle.shell("grep CapEff /proc/self/status", user=user, capabilities=sets)[1]
        assert int(output.split()[1], 16) == 1 << 10

    def test_no_new_privileges(self, bundle: Bundle) -> None:
        output = bundle.shell("grep NoNewPrivs /proc/self/status", noNewPrivileges=True)[1]
        assert output.split() == ["NoNewPrivs:", "1"]

    def test_rlimits(self, bundle: Bundle) -> None:
        limits = [{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128}]
        assert bundle.shell("ulimit -n; ulimit -Hn", rlimits=limits) == (0, "64\n128\n")

    def test_environment_and_folder(self, bundle: Bundle) -> None:
        output = bundle.shell("pwd; env", cwd="/etc", env=[_PATH, "A=b=c"])[1]
        assert output.splitlines()[0] == "/etc"
        assert "A=b=c" in output

    def test_a_bad_working_directory_is_named(self, bundle: Bundle) -> None:
        spec = default_spec(["true"])
        spec["process"]["cwd"] = "/bin/busybox"
        with pytest.raises(IsolationError, match="/bin/busybox"):
            bundle.create(spec)

    def test_denied_system_calls(self, bundle: Bundle) -> None:
        code, output = bundle.shell("unshare -m true")
        assert code != 0
        assert "Operation not permitted" in output

    @pytest.mark.parametrize(("number", "expected"), [(1000, errno.ENOSYS), (435, errno.ENOSYS)])
    def test_unknown_system_calls(self, bundle: Bundle, number: int, expected: int) -> None:
        program = os.path.join(bundle.root, "bin/probe")
        with open(program, "wb") as stream:
            stream.write(syscall_program(number))
        os.chmod(program, 0o755)
        assert bundle.run(default_spec(["/bin/probe"]))[0] == expected

    def test_sysctls(self, bundle: Bundle) -> None:
        spec = default_spec(["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"])
        spec["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "77"}
        assert bundle.run(spec) == (0, "77\n")


def _reap_any() -> bool:
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        return False
    return True

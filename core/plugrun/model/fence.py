"""What a container may use and do: limits, security, namespaces; Docker's HostConfig."""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


@record
class Ulimit:
    """One ``--ulimit``; -1 is unlimited."""

    name: str
    soft: int
    hard: int


@record
class DeviceRate:
    """A limit for one block device of the host's, by its path.

    ``kind`` is ``weight`` (10 to 1000), ``read_bps``, ``write_bps`` (bytes a second),
    ``read_iops`` or ``write_iops`` (operations a second).
    """

    kind: str
    path: str
    value: int


@record
class Limits:
    """Resource limits; 0 or empty is none.

    Bytes, billionths of a CPU, microseconds, processes. ``memory_swap`` is memory and swap
    together, -1 without limit. ``swappiness`` -1 is not said.
    """

    memory: int = 0
    memory_swap: int = 0
    nano_cpus: int = 0
    pids: int = 0
    memory_reservation: int = 0
    swappiness: int = -1
    oom_kill_disable: bool = False
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    blkio_weight: int = 0
    ulimits: tuple[Ulimit, ...] = ()
    cpu_rt_period: int = 0
    cpu_rt_runtime: int = 0
    device_rates: tuple[DeviceRate, ...] = ()
    NESTED: ClassVar = {"ulimits": Ulimit, "device_rates": DeviceRate}


@record
class DeviceMapping:
    """One ``--device``: a node of the host's, where it appears, and ``r``, ``w``, ``m``."""

    source: str
    target: str
    access: str = "rwm"


@record
class Security:
    """What a container is allowed beyond or short of Docker's defaults.

    ``seccomp`` is empty for the default profile, ``unconfined``, or a profile as JSON text.
    ``writable_cgroups`` is None where the privileges decide. ``options`` are the
    ``--security-opt`` as they were given, for ``inspect``.
    """

    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    no_new_privileges: bool = False
    seccomp: str = ""
    unmasked: bool = False
    writable_cgroups: bool | None = None
    options: tuple[str, ...] = ()
    devices: tuple[DeviceMapping, ...] = ()
    device_rules: tuple[str, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    oom_score_adj: int = 0
    NESTED: ClassVar = {"devices": DeviceMapping}


@record
class Namespaces:
    """Namespaces as Docker names them: empty for its default, ``host``, ``container:ID`` …"""

    pid: str = ""
    ipc: str = ""
    uts: str = ""
    user: str = ""
    cgroup: str = ""

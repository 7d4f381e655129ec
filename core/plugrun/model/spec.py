"""The OCI runtime spec's config.json, as types.

The document itself passes between the rooms, so that fields this project does not know are
kept. The types exist for type checkers only: TypedDict would import ``typing`` on the hot path.
Source: opencontainers/runtime-spec 1.2, config.md and config-linux.md.
"""

from __future__ import annotations

SPEC_VERSION = "1.2.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NotRequired, TypedDict

    class User(TypedDict):
        """``process.user``."""

        uid: int
        gid: int
        umask: NotRequired[int]
        additionalGids: NotRequired[list[int]]

    class Capabilities(TypedDict):
        """``process.capabilities``."""

        bounding: list[str]
        effective: list[str]
        permitted: list[str]
        inheritable: list[str]
        ambient: list[str]

    class Rlimit(TypedDict):
        """One of ``process.rlimits``."""

        type: str
        hard: int
        soft: int

    class Process(TypedDict):
        """``process``: what runs, as whom, with what."""

        terminal: NotRequired[bool]
        consoleSize: NotRequired[dict[str, int]]
        user: User
        args: list[str]
        env: list[str]
        cwd: str
        capabilities: NotRequired[Capabilities]
        rlimits: NotRequired[list[Rlimit]]
        noNewPrivileges: NotRequired[bool]
        apparmorProfile: NotRequired[str]
        oomScoreAdj: NotRequired[int]

    class SpecMount(TypedDict):
        """One of ``mounts``."""

        destination: str
        type: NotRequired[str]
        source: NotRequired[str]
        options: NotRequired[list[str]]
        uidMappings: NotRequired[list[IdMapping]]
        gidMappings: NotRequired[list[IdMapping]]

    class Namespace(TypedDict):
        """One of ``linux.namespaces``; a path means: join that one."""

        type: str
        path: NotRequired[str]

    class DeviceRule(TypedDict):
        """One of ``linux.resources.devices``."""

        allow: bool
        type: NotRequired[str]
        major: NotRequired[int]
        minor: NotRequired[int]
        access: NotRequired[str]

    class Memory(TypedDict, total=False):
        """``linux.resources.memory``, bytes; -1 is no limit."""

        limit: int
        reservation: int
        swap: int
        swappiness: int
        disableOOMKiller: bool

    class Cpu(TypedDict, total=False):
        """``linux.resources.cpu``; quota and period in microseconds."""

        shares: int
        quota: int
        period: int
        cpus: str
        mems: str
        realtimeRuntime: int
        realtimePeriod: int

    class Pids(TypedDict):
        """``linux.resources.pids``."""

        limit: int

    class WeightDevice(TypedDict):
        """One of ``linux.resources.blockIO.weightDevice``."""

        major: int
        minor: int
        weight: int

    class ThrottleDevice(TypedDict):
        """One of ``linux.resources.blockIO.throttle…Device``: bytes or operations a second."""

        major: int
        minor: int
        rate: int

    class BlockIO(TypedDict, total=False):
        """``linux.resources.blockIO``; weights from 10 to 1000."""

        weight: int
        weightDevice: list[WeightDevice]
        throttleReadBpsDevice: list[ThrottleDevice]
        throttleWriteBpsDevice: list[ThrottleDevice]
        throttleReadIOPSDevice: list[ThrottleDevice]
        throttleWriteIOPSDevice: list[ThrottleDevice]

    class HugepageLimit(TypedDict):
        """One of ``linux.resources.hugepageLimits``: a size as ``2MB``, bytes."""

        pageSize: str
        limit: int

    class Resources(TypedDict, total=False):
        """``linux.resources``."""

        devices: list[DeviceRule]
        memory: Memory
        cpu: Cpu
        pids: Pids
        blockIO: BlockIO
        hugepageLimits: list[HugepageLimit]
        unified: dict[str, str]

    class Device(TypedDict):
        """One of ``linux.devices``."""

        type: str
        path: str
        major: int
        minor: int
        fileMode: NotRequired[int]
        uid: NotRequired[int]
        gid: NotRequired[int]

    class IdMapping(TypedDict):
        """One of ``linux.uidMappings`` and ``linux.gidMappings``."""

        containerID: int
        hostID: int
        size: int

    class Linux(TypedDict, total=False):
        """``linux``."""

        namespaces: list[Namespace]
        resources: Resources
        cgroupsPath: str
        devices: list[Device]
        maskedPaths: list[str]
        readonlyPaths: list[str]
        rootfsPropagation: str
        seccomp: dict[str, Any]
        sysctl: dict[str, str]
        uidMappings: list[IdMapping]
        gidMappings: list[IdMapping]

    class Root(TypedDict):
        """``root``: the root file system; a relative path starts at the bundle."""

        path: str
        readonly: NotRequired[bool]

    class RuntimeSpec(TypedDict):
        """The whole of config.json."""

        ociVersion: str
        process: Process
        root: Root
        hostname: NotRequired[str]
        domainname: NotRequired[str]
        mounts: list[SpecMount]
        linux: Linux
        annotations: NotRequired[dict[str, str]]

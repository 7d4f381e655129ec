"""Options of ``run`` and ``create`` that few command lines have; loaded only for those that do.

``REFUSED`` are Docker's that this engine does not do: each is known, so that it is refused with
its reason rather than as unknown, and none is ever left out in silence.
"""

from __future__ import annotations

from plugrun.cli.options import (
    ATTACH,
    BPS,
    BYTES,
    DEVICE_RULE,
    DNS,
    DOMAIN,
    DURATION,
    FLAG,
    HOST,
    INT,
    IOPS,
    LABEL,
    LINK,
    LIST,
    MOUNT,
    STRING,
    SWAP,
    SYSCTL,
    UINT16,
    ULIMIT,
    WEIGHT,
    Option,
)

_LIMITS = (
    Option("blkio-weight", UINT16, "Share of block I/O, 10 to 1000 (0: not said)", default=0),
    Option("blkio-weight-device", WEIGHT, "Share of one device's I/O: PATH:WEIGHT"),
    Option("cgroup-parent", STRING, "Cgroup to make the container's own in", default=""),
    Option("cpu-period", INT, "Length of a CPU quota's period in microseconds", default=0),
    Option("cpu-quota", INT, "CPU time in each period in microseconds", default=0),
    Option("cpu-rt-period", INT, "Length of a real-time period in microseconds", default=0),
    Option("cpu-rt-runtime", INT, "Real-time CPU time in each in microseconds", default=0),
    Option("cpu-shares", INT, "Share of CPU time, relative to others", "c", 0),
    Option("cpuset-cpus", STRING, "CPUs to run on (0-3, 0,1)", default=""),
    Option("cpuset-mems", STRING, "Memory nodes to use (0-3, 0,1)", default=""),
    Option("device-read-bps", BPS, "Limit reading from a device: PATH:BYTES a second"),
    Option("device-read-iops", IOPS, "Limit reads from a device: PATH:NUMBER a second"),
    Option("device-write-bps", BPS, "Limit writing to a device: PATH:BYTES a second"),
    Option("device-write-iops", IOPS, "Limit writes to a device: PATH:NUMBER a second"),
    Option("memory-reservation", BYTES, "Memory to be kept to when it is scarce", default=0),
    Option(
        "memory-swap",
        SWAP,
        "Limit memory and swap together (-1 for no limit)",
        default=0,
        metavar="bytes",
    ),
    Option("memory-swappiness", INT, "How readily memory is swapped out, 0 to 100", default=-1),
    Option("oom-kill-disable", FLAG, "Let processes wait rather than die for lack of memory"),
    Option("oom-score-adj", INT, "How likely the kernel kills it, -1000 to 1000", default=0),
    Option("shm-size", BYTES, "Size of /dev/shm", default=0),
    Option("ulimit", ULIMIT, "Set a limit of setrlimit(2): NAME=SOFT[:HARD]", metavar="ulimit"),
)

_SECURITY = (
    Option("cap-add", LIST, "Add a capability, or ALL"),
    Option("cap-drop", LIST, "Drop a capability, or ALL"),
    Option("cgroupns", STRING, "Cgroup namespace: host or private", default=""),
    Option("device", LIST, "Add a device of this machine: PATH[:PATH][:rwm]"),
    Option("device-cgroup-rule", DEVICE_RULE, "Allow devices, as 'c 1:3 rwm'"),
    Option("group-add", LIST, "Join one more group"),
    Option("ipc", STRING, "IPC namespace: private, none, shareable, host, container:NAME"),
    Option("pid", STRING, "PID namespace: host or container:NAME", default=""),
    Option("privileged", FLAG, "Give it all capabilities and devices, and no masks"),
    Option("security-opt", LIST, "Set a security option, as seccomp=FILE"),
    Option("sysctl", SYSCTL, "Set a kernel parameter of its namespaces", metavar="map"),
    Option("userns", STRING, "User namespace: host, remap[:USER[:GROUP]], auto", default=""),
    Option("uts", STRING, "UTS namespace: host", default=""),
)

_NAMES = (
    Option("add-host", HOST, "Add a line to /etc/hosts: NAME:ADDRESS"),
    Option("dns", DNS, "Use this name server"),
    Option("dns-option", LIST, "Set an option of resolv.conf", aliases=("dns-opt",)),
    Option("dns-search", DOMAIN, "Search this domain"),
    Option("domainname", STRING, "The container's NIS domain name", default=""),
    Option("expose", LIST, "Say that a port is listened on, as 80/tcp"),
)

_NETWORK = (
    Option("ip", STRING, "IPv4 address it is to have (172.30.100.104)", default=""),
    Option("ip6", STRING, "IPv6 address it is to have (2001:db8::33)", default=""),
    Option("link", LINK, "Know another container by a name of its own: NAME[:ALIAS]"),
    Option("mac-address", STRING, "Hardware address it is to have", default=""),
    Option(
        "network-alias",
        LIST,
        "Name that others on the network may call it by",
        aliases=("net-alias",),
    ),
)

_UPKEEP = (
    Option("annotation", LABEL, "Add an annotation to the runtime spec (KEY=VALUE)"),
    Option("attach", ATTACH, "Attach to stdin, stdout or stderr only", "a"),
    Option("health-cmd", STRING, "Command that tells whether the container is healthy", default=""),
    Option("health-interval", DURATION, "Time between two checks", default=0),
    Option("health-retries", INT, "Failures in a row that make it unhealthy", default=0),
    Option("health-start-interval", DURATION, "Time between checks while it starts", default=0),
    Option("health-start-period", DURATION, "Time it may take to start", default=0),
    Option("health-timeout", DURATION, "Time that one check may take", default=0),
    Option("isolation", STRING, "Isolation technology: default", default=""),
    Option("label-file", LIST, "Read labels from a file"),
    Option("log-driver", STRING, "Where output is kept", default=""),
    Option("log-opt", LIST, "Set an option of the log driver"),
    Option("no-healthcheck", FLAG, "Do without the image's health check"),
    Option("restart", STRING, "When to start it again after its end", default="no"),
    Option("runtime", STRING, "Runtime: the isolation of the profile", default=""),
)

_MOUNTS = (
    Option("mount", MOUNT, "Mount a path, volume or tmpfs: type=,src=,dst=", metavar="mount"),
    Option("tmpfs", LIST, "Mount a tmpfs: PATH[:OPTIONS]"),
    Option("volume-driver", STRING, "Who keeps the volumes: local", default=""),
    Option("volumes-from", LIST, "Mount what another container has mounted: NAME[:ro]"),
)

# Name, short form, kind and why not, or what to do instead.
_REFUSALS = (
    ("gpus", "", STRING, "name the devices of this machine with --device"),
    ("kernel-memory", "", STRING, "the kernel has no such limit any more; use --memory"),
    ("link-local-ip", "", LIST, "the kernel gives link-local addresses by itself"),
    (
        "storage-opt",
        "",
        LIST,
        "no storage limits a container's disk: use --read-only with --tmpfs PATH:size=1g, or a "
        "--root on a file system of that size",
    ),
    ("use-api-socket", "", FLAG, "plugrun has no socket to pass on"),
)
REFUSED = {
    name.replace("-", "_"): Option(
        name,
        kind,
        reason,
        short,
        default=None if kind != FLAG else False,
        hidden=True,
    )
    for name, short, kind, reason in _REFUSALS
}
_TRUST = Option(
    "disable-content-trust", FLAG, "Accepted; no image is signed", default=True, hidden=True
)

OPTIONS = (*_LIMITS, *_SECURITY, *_NAMES, *_NETWORK, *_UPKEEP, *_MOUNTS, *REFUSED.values(), _TRUST)

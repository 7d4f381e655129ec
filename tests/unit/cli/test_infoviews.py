"""``info``, ``version`` and ``port`` in Docker's layout and words."""

import pytest
from plugrun.cli.failure import SaidError
from plugrun.cli.infoviews import binary_size, info_text, version_text
from plugrun.cli.verbs.port import check_port
from plugrun.engine.info import version

BACKEND = {"name": "one", "version": "1", "why": "because"}
INFO = {
    "ID": "an-id",
    "Containers": 6,
    "ContainersRunning": 1,
    "ContainersPaused": 2,
    "ContainersStopped": 3,
    "Images": 4,
    "ServerVersion": "9",
    "Driver": "overlay",
    "DriverStatus": [["Backing Filesystem", "ext4"]],
    "LoggingDriver": "json-file",
    "CgroupDriver": "cgroupfs",
    "CgroupVersion": "2",
    "Plugins": {"Volume": ["local"], "Network": ["none", "host"], "Log": ["json-file"]},
    "Runtimes": {"ns": {"path": "ns"}},
    "DefaultRuntime": "ns",
    "SecurityOptions": ["name=seccomp,profile=default"],
    "KernelVersion": "6.1",
    "OperatingSystem": "Debian",
    "OSType": "linux",
    "Architecture": "x86_64",
    "NCPU": 4,
    "MemTotal": 25276076032,
    "Name": "vm",
    "DockerRootDir": "/r",
    "Debug": False,
    "ExperimentalBuild": False,
    "LiveRestoreEnabled": True,
    "RunRoot": "/rr",
    "Profile": "default",
    "Backends": {
        "Storage": BACKEND,
        "Isolation": BACKEND,
        "Network": BACKEND,
        "Transport": ["registry", "host"],
    },
    "ClientInfo": {"Version": "9", "Context": "default", "Debug": False},
}


def test_info_has_the_lines_that_scripts_look_for():
    lines = info_text(INFO).splitlines()
    assert lines[:10] == [
        "Client:",
        " Version:    9",
        " Context:    default",
        " Debug Mode: false",
        "",
        "Server:",
        " Containers: 6",
        "  Running: 1",
        "  Paused: 2",
        "  Stopped: 3",
    ]
    assert {
        *(" Images: 4", " Storage Driver: overlay", "  Backing Filesystem: ext4"),
        *(" Logging Driver: json-file", " Cgroup Driver: cgroupfs", " Cgroup Version: 2"),
        *("  Network: none host", "  seccomp", "   Profile: default", " Kernel Version: 6.1"),
        *(" CPUs: 4", " Total Memory: 23.54GiB", " Docker Root Dir: /r", " ID: an-id"),
        *("  Storage: one 1 (because)", "  Transport: registry host"),
    } <= set(lines)


def test_version_has_its_values_in_one_column():
    lines = version_text(version()).splitlines()
    assert lines[0] == "Client:"
    assert lines[lines.index("Server:") + 1] == " Engine:"
    valued = [line for line in lines if ":" in line[:-1]]
    assert len(valued) == 11
    assert all(line[19] == " " and line[20] != " " for line in valued)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (1023, "1023B"), (1024, "1KiB"), (25276076032, "23.54GiB"), (5 << 60, "5120PiB")],
)
def test_binary_sizes(size, text):
    assert binary_size(size) == text


@pytest.mark.parametrize("text", ["80", "80/tcp", "0", "65535/udp"])
def test_ports(text):
    check_port(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", 'invalid port (x): strconv.ParseUint: parsing "x": invalid syntax'),
        ("/tcp", 'invalid port (): strconv.ParseUint: parsing "": invalid syntax'),
        ("70000", 'invalid port (70000): strconv.ParseUint: parsing "70000": value out of range'),
    ],
)
def test_what_is_no_port(text, why):
    with pytest.raises(SaidError) as raised:
        check_port(text)
    assert raised.value.message == f"Error: {why}"

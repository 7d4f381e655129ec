"""Values of rare options, what goes together and what does not: in Docker's words."""

import json

import pytest
from plugrun.cli import rarevalues
from plugrun.cli.failure import SaidError
from plugrun.cli.fastparse import FlagError, parse
from plugrun.cli.options import CREATE, RUN
from plugrun.cli.requests import run_request
from plugrun.errors import InvalidArgument, PlugrunError, UsageError
from plugrun.model.fence import DeviceMapping, DeviceRate, Ulimit
from plugrun.model.upkeep import HealthCheck, LogConfig, RestartPolicy

MS, S = 10**6, 10**9


def asked(*words, table=CREATE):
    return run_request(parse(table, [*words, "image"]))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0), ("1s", S), ("1m30s", 90 * S), ("1.5h", 5400 * S), ("500ms", 500 * MS),
        ("-2s", -2 * S), ("+2s", 2 * S), ("1us", 1000), ("1µs", 1000), (".5s", 500 * MS),
        ("1h2m3s4ms", 3723 * S + 4 * MS),
    ],
)  # fmt: skip
def test_durations(text, ns):
    assert rarevalues.parse_duration(text) == ns


# Docker's client 28.2 says so after `invalid argument "…" for "--…" flag: `.
@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("attach", "foo", "valid streams are STDIN, STDOUT and STDERR"),
        ("add-host", "foo", 'bad format for add-host: "foo"'),
        ("add-host", "foo:bar", 'invalid IP address in add-host: "bar"'),
        ("add-host", "=1.2.3.4", 'bad format for add-host: "=1.2.3.4"'),
        ("blkio-weight", "70000", 'strconv.ParseUint: parsing "70000": value out of range'),
        ("blkio-weight", "-1", 'strconv.ParseUint: parsing "-1": invalid syntax'),
        ("memory-swap", "-2", "invalid size: '-2'"),
        ("ulimit", "foo=1", "invalid ulimit type: foo"),
        ("ulimit", "nofile", "invalid ulimit argument: nofile"),
        ("ulimit", "nofile=x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("ulimit", "nofile=1:2:3", "too many limit value arguments - 1:2:3, "
         "can only have up to two, `soft[:hard]`"),
        ("ulimit", "nofile=20:10",
         "ulimit soft limit must be less than or equal to hard limit: 20 > 10"),
        ("ulimit", "nofile=-1:10", "ulimit soft limit must be less than or equal to hard limit: "
         "soft: -1 (unlimited), hard: 10"),
        ("shm-size", "-1", "invalid size: '-1'"),
        ("sysctl", "foo=1", "sysctl 'foo=1' is not allowed"),
        ("sysctl", "net.x", "sysctl 'net.x' is not allowed"),
        ("sysctl", "kernel.domainname=x", "sysctl 'kernel.domainname=x' is not allowed"),
        ("device-read-bps", "foo", "bad format: foo"),
        ("device-read-bps", "sda:1", "bad format for device path: sda:1"),
        ("device-read-bps", "/dev/sda:x", "invalid rate for device: /dev/sda:x. The correct "
         "format is <device-path>:<number>[<unit>]. Number must be a positive integer. "
         "Unit is optional and can be kb, mb, or gb"),
        ("device-write-iops", "/dev/sda:-1", "invalid rate for device: /dev/sda:-1. The correct "
         "format is <device-path>:<number>. Number must be a positive integer"),
        ("blkio-weight-device", "/dev/sda:5", "invalid weight for device: /dev/sda:5"),
        ("device-cgroup-rule", "foo", "invalid device cgroup format 'foo'"),
        ("device-cgroup-rule", "b 1:3 x", "invalid device cgroup format 'b 1:3 x'"),
        ("device-cgroup-rule", "c 1 rwm", "invalid device cgroup format 'c 1 rwm'"),
        ("health-interval", "1", 'time: missing unit in duration "1"'),
        ("health-interval", "x", 'time: invalid duration "x"'),
        ("health-interval", "", 'time: invalid duration ""'),
        ("health-interval", "1y", 'time: unknown unit "y" in duration "1y"'),
        ("dns", "foo", "IP address is not correctly formatted: foo"),
        ("dns", "1.2.3.256", "IP address is not correctly formatted: 1.2.3.256"),
        ("dns-search", "foo..", "foo.. is not a valid domain"),
        ("dns-search", "-", "- is not a valid domain"),
        ("dns-search", "-a.b", "-a.b is not a valid domain"),
    ],
)  # fmt: skip
def test_values_that_are_none(option, value, why):
    with pytest.raises(FlagError) as raised:
        asked(f"--{option}={value}")
    assert raised.value.message.partition(" flag: ")[2] == why
    assert raised.value.exit_code == 125


# What Docker's client refuses is a UsageError (125), what its daemon does an InvalidArgument (1).
@pytest.mark.parametrize(
    ("words", "kind", "why"),
    [
        ("--cap-add foo", InvalidArgument, 'invalid CapAdd: unknown capability: "CAP_FOO"'),
        ("--cap-drop foo", InvalidArgument, 'invalid CapDrop: unknown capability: "CAP_FOO"'),
        ("--cgroupns foo", UsageError, "--cgroupns: invalid CGROUP mode"),
        ("--pid foo", UsageError, "--pid: invalid PID mode"),
        ("--pid container:", UsageError, "--pid: invalid PID mode"),
        ("--uts foo", UsageError, "--uts: invalid UTS mode"),
        ("--userns 1000", UsageError, "--userns: invalid USER mode"),
        ("--ipc foo", InvalidArgument, "Invalid IPC mode: foo"),
        ("--uts host --hostname x", InvalidArgument,
         "conflicting options: hostname and the UTS mode"),
        ("--cpu-period 10", InvalidArgument, "CPU cfs period can not be less than 1ms (i.e. 1000) "
         "or larger than 1s (i.e. 1000000)"),
        ("--cpu-quota 10", InvalidArgument,
         "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        ("--cpu-quota 5000 --cpus 1", InvalidArgument,
         "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
        ("--cpu-period 5000 --cpus 1", InvalidArgument,
         "Conflicting options: Nano CPUs and CPU Period cannot both be set"),
        ("--cpuset-cpus abc", InvalidArgument,
         "Invalid value abc for cpuset cpus: invalid format: abc"),
        ("--cpuset-mems 2-1", InvalidArgument,
         "Invalid value 2-1 for cpuset mems: invalid format: 2-1"),
        ("-m 10m --memory-swap 7m", InvalidArgument,
         "Minimum memoryswap limit should be larger than memory limit, see usage"),
        ("--memory-swap 7m", InvalidArgument,
         "You should always set the Memory limit when using Memoryswap limit, see usage"),
        ("--memory-reservation 1m", InvalidArgument,
         "Minimum memory reservation allowed is 6MB"),
        ("-m 10m --memory-reservation 20m", InvalidArgument,
         "Minimum memory limit can not be less than memory reservation limit, see usage"),
        ("--memory-swappiness 101", UsageError,
         "invalid value: 101. Valid memory swappiness range is 0-100"),
        ("--blkio-weight 5", InvalidArgument, "Range of blkio weight is from 10 to 1000"),
        ("--oom-score-adj 2000", InvalidArgument,
         "Invalid value 2000, range for oom score adj is [-1000, 1000]"),
        ("--device foo", UsageError, "foo is not an absolute path"),
        ("--device /dev/null:x", UsageError, "x is not an absolute path"),
        ("--device /dev/null:/dev/x:rwx", UsageError, "bad mode specified: rwx"),
        ("--device a:b:c:d", UsageError, "bad format for path: a:b:c:d"),
        ("--security-opt foo", UsageError, 'Invalid --security-opt: "foo"'),
        ("--security-opt foo=bar", InvalidArgument, 'invalid --security-opt 2: "foo=bar"'),
        ("--security-opt no-new-privileges=x", InvalidArgument,
         'invalid --security-opt 2: "no-new-privileges=x"'),
        ("--security-opt writable-cgroups=x", InvalidArgument,
         'invalid --security-opt 2: "writable-cgroups=x"'),
        ("--security-opt systempaths=foo", InvalidArgument,
         'invalid --security-opt 2: "systempaths=foo"'),
        ("--security-opt apparmor=foo", InvalidArgument,
         "AppArmor profiles are not supported: foo"),
        ("--security-opt label=type:x", InvalidArgument,
         "SELinux labels are not supported: type:x"),
        ("--security-opt seccomp=/nope", UsageError,
         "opening seccomp profile (/nope) failed: open /nope: no such file or directory"),
        ("--restart foo", InvalidArgument, "invalid restart policy 'foo'"),
        ("--restart on-failure:x", UsageError,
         "invalid restart policy format: maximum retry count must be an integer"),
        ("--restart :", UsageError,
         "invalid restart policy format: no policy provided before colon"),
        ("--restart on-failure:-1", InvalidArgument,
         "maximum retry count cannot be negative"),
        ("--restart always:3", InvalidArgument,
         "maximum retry count cannot be used with restart policy 'always'"),
        ("--restart always --rm", UsageError,
         "conflicting options: cannot specify both --restart and --rm"),
        ("--health-cmd x --no-healthcheck", UsageError,
         "--no-healthcheck conflicts with --health-* options"),
        ("--health-interval -5s", UsageError, "--health-interval cannot be negative"),
        ("--health-start-period -5s", UsageError, "--health-start-period cannot be negative"),
        ("--health-retries -1", UsageError, "--health-retries cannot be negative"),
        ("--health-interval 500us", InvalidArgument,
         "Interval in Healthcheck cannot be less than 1ms"),
        ("--health-start-period 1ns", InvalidArgument,
         "StartPeriod in Healthcheck cannot be less than 1ms"),
        ("--expose foo", UsageError, "invalid range format for --expose: foo, error: "
         'strconv.ParseUint: parsing "foo": invalid syntax'),
        ("--expose 90-80", UsageError, "invalid range format for --expose: 90-80, error: "
         "invalid range specified for port: 90-80"),
        ("--expose 70000", UsageError, "invalid range format for --expose: 70000, error: "
         'strconv.ParseUint: parsing "70000": value out of range'),
        ("--expose 80:80", UsageError, "invalid port format for --expose: 80:80"),
        ("--isolation hyperv", InvalidArgument,
         "Invalid isolation: \"hyperv\" - linux only supports 'default'"),
        ("--log-driver none --log-opt a=b", UsageError, "invalid logging opts for driver none"),
        ("--env-file /nope", UsageError, "open /nope: no such file or directory"),
        ("--label-file /nope", UsageError, "open /nope: no such file or directory"),
        ("--disable-content-trust=false", UsageError,
         "--disable-content-trust=false is not supported"),
    ],
)  # fmt: skip
def test_refusals(words, kind, why):
    with pytest.raises(PlugrunError) as raised:
        asked(*words.split(" "))
    assert (type(raised.value), raised.value.message) == (kind, why)


def test_attached_and_detached_do_not_go_together():
    with pytest.raises(SaidError, match="cannot specify both --attach and --detach"):
        asked("-d", "-a", "stdout", table=RUN)


def test_requested_cpus_must_be_there():
    with pytest.raises(InvalidArgument) as raised:
        asked("--cpuset-cpus", "0,4000")
    with open("/sys/devices/system/cpu/online", encoding="ascii") as file:
        online = file.read().strip()
    said = f"Requested CPUs are not available - requested 0,4000, available: {online}"
    assert raised.value.message == said


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("/dev/a", DeviceMapping("/dev/a", "/dev/a", "rwm")),
        ("/dev/a:r", DeviceMapping("/dev/a", "/dev/a", "r")),
        ("/dev/a:/dev/b", DeviceMapping("/dev/a", "/dev/b", "rwm")),
        ("/dev/a:/dev/b:mw", DeviceMapping("/dev/a", "/dev/b", "mw")),
    ],
)
def test_devices(text, device):
    assert asked("--device", text).security.devices == (device,)


def test_rates_of_devices():
    found = asked(
        "--device-read-bps", "/dev/a:1mb", "--device-read-bps", "/dev/b:5",
        "--device-write-iops", "/dev/a:7", "--blkio-weight-device", "/dev/a:100",
    )  # fmt: skip
    assert found.limits.device_rates == (
        DeviceRate("weight", "/dev/a", 100),
        DeviceRate("read_bps", "/dev/a", 1 << 20),
        DeviceRate("read_bps", "/dev/b", 5),
        DeviceRate("write_iops", "/dev/a", 7),
    )


def test_ports_and_ranges():
    found = asked("--expose", "80-82/udp", "--expose", "443", "--expose", "443")
    assert found.exposed_ports == ("80/udp", "81/udp", "82/udp", "443/tcp")


def test_labels_of_a_file_come_before_those_given(tmp_path):
    path = tmp_path / "labels"
    path.write_text("# no\na=1\n b=x y\nalone\n")
    found = asked("--label-file", str(path), "-l", "a=2")
    assert found.labels == (("a", "1"), ("b", "x y"), ("a", "2"))


def test_health_log_restart_ulimits():
    found = asked(
        "--health-cmd", "a b", "--health-interval", "1m30s", "--health-retries", "2",
        "--log-opt", "max-size=1m", "--restart", "on-failure:3",
        "--ulimit", "nofile=1", "--ulimit", "nofile=2:4", "--ulimit", "core=-1",
    )  # fmt: skip
    assert found.health == HealthCheck(("CMD-SHELL", "a b"), interval_ns=90 * S, retries=2)
    assert found.log == LogConfig("json-file", (("max-size", "1m"),))
    assert found.restart == RestartPolicy("on-failure", 3)
    assert found.limits.ulimits == (Ulimit("nofile", 2, 4), Ulimit("core", -1, -1))
    assert asked("--no-healthcheck").health.test == ("NONE",)


def test_capabilities_are_named_as_the_kernel_does_in_order():
    found = asked("--cap-add", "sys_time", "--cap-add", "CAP_NET_ADMIN", "--cap-drop", "all")
    assert found.security.cap_add == ("CAP_NET_ADMIN", "CAP_SYS_TIME")
    assert found.security.cap_drop == ("ALL",)


def test_security_options(tmp_path):
    path = tmp_path / "profile.json"
    path.write_text('{ "defaultAction": "SCMP_ACT_ALLOW" }')
    words = ["no-new-privileges", f"seccomp={path}", "systempaths=unconfined", "label:disable"]
    found = asked(*(f"--security-opt={word}" for word in words)).security
    assert (found.no_new_privileges, found.unmasked) == (True, True)
    assert json.loads(found.seccomp) == {"defaultAction": "SCMP_ACT_ALLOW"}
    profile = 'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'
    assert found.options == ("no-new-privileges", profile, "label:disable")
    assert asked("--security-opt", "no-new-privileges=false").security.no_new_privileges is False
    assert asked("--security-opt", "writable-cgroups=true").security.writable_cgroups is True


def test_a_seccomp_profile_that_is_no_json(tmp_path):
    path = tmp_path / "profile.json"
    path.write_text("A=b")
    with pytest.raises(UsageError, match="compacting json for seccomp profile") as raised:
        asked("--security-opt", f"seccomp={path}")
    assert str(path) in raised.value.message


def test_warnings(capsys):
    asked("--oom-kill-disable", "--dns", "127.0.0.1")
    assert capsys.readouterr().err == (
        "WARNING: Localhost DNS (127.0.0.1) may fail in containers.\n"
        "WARNING: OOM killer is disabled for the container, but no memory limit is set, "
        "this can result in the system running out of resources.\n"
    )


def test_addresses_in_their_usual_form():
    found = asked("--dns", "0:0::1", "--add-host", "a=[::1]", "--add-host", "b:host-gateway")
    assert found.dns == ("::1",)
    assert found.extra_hosts == ("a:::1", "b:host-gateway")

"""Every option that Docker's ``run`` and ``create`` have is taken, or refused with its reason."""

import pytest
from plugrun.cli.fastparse import parse
from plugrun.cli.options import CREATE, FLAG, RUN
from plugrun.cli.rareoptions import REFUSED
from plugrun.cli.requests import run_request
from plugrun.engine.request import RunRequest
from plugrun.errors import UsageError

# The options of `docker run --help` and `docker create --help` (28.2, with those that its newest
# API adds), each with a value that is fine.
BOTH = {
    "add-host": "a:1.2.3.4", "annotation": "a=b", "attach": "stdout", "blkio-weight": "100",
    "blkio-weight-device": "/dev/sda:100", "cap-add": "NET_ADMIN", "cap-drop": "ALL",
    "cgroup-parent": "/x", "cgroupns": "host", "cidfile": "/nowhere/cid", "cpu-period": "2000",
    "cpu-quota": "2000", "cpu-rt-period": "1", "cpu-rt-runtime": "1", "cpu-shares": "7",
    "cpus": "0.5", "cpuset-cpus": "0", "cpuset-mems": "0", "device": "/dev/null",
    "device-cgroup-rule": "c 1:3 rwm", "device-read-bps": "/dev/sda:1",
    "device-read-iops": "/dev/sda:1", "device-write-bps": "/dev/sda:1",
    "device-write-iops": "/dev/sda:1", "disable-content-trust": "true", "dns": "1.2.3.4",
    "dns-option": "ndots:1", "dns-search": "a.b", "domainname": "d", "entrypoint": "e",
    "env": "A=b", "env-file": "/dev/null", "expose": "80", "gpus": "all", "group-add": "5",
    "health-cmd": "x", "health-interval": "1s", "health-retries": "1",
    "health-start-interval": "1s", "health-start-period": "1s", "health-timeout": "1s",
    "hostname": "h", "init": "true", "interactive": "true", "ip": "1.2.3.4", "ip6": "::1",
    "ipc": "none", "isolation": "default", "kernel-memory": "10m", "label": "a=b",
    "label-file": "/dev/null", "link": "x", "link-local-ip": "1.2.3.4", "log-driver": "none",
    "log-opt": "max-size=1m", "mac-address": "92:d0:c6:0a:29:33", "memory": "10m",
    "memory-reservation": "8m", "memory-swap": "-1", "memory-swappiness": "5",
    "mount": "type=tmpfs,target=/m", "name": "n4", "network": "none", "network-alias": "x",
    "no-healthcheck": "true", "oom-kill-disable": "true", "oom-score-adj": "5",
    "pid": "host", "pids-limit": "5", "platform": "linux/amd64", "privileged": "true",
    "publish": "80", "publish-all": "true", "pull": "never", "quiet": "true",
    "read-only": "true", "restart": "always", "rm": "true", "runtime": "r",
    "security-opt": "no-new-privileges", "shm-size": "1m", "stop-signal": "INT",
    "stop-timeout": "5", "storage-opt": "size=1G", "sysctl": "net.x=1", "tmpfs": "/t",
    "tty": "true", "ulimit": "nofile=1", "use-api-socket": "true", "user": "1",
    "userns": "host", "uts": "host", "volume": "/a:/b", "volume-driver": "local",
    "volumes-from": "other", "workdir": "/w",
}  # fmt: skip
RUN_ONLY = {"detach": "true", "detach-keys": "ctrl-a", "sig-proxy": "false"}
SHORT = {
    "a": "attach", "c": "cpu-shares", "d": "detach", "e": "env", "h": "hostname",
    "i": "interactive", "l": "label", "m": "memory", "p": "publish", "P": "publish-all",
    "q": "quiet", "t": "tty", "u": "user", "v": "volume", "w": "workdir",
}  # fmt: skip
REFUSED_HERE = {
    "gpus", "kernel-memory", "link-local-ip", "storage-opt", "use-api-socket",
}  # fmt: skip
# What is refused without others.
WITH = {"network-alias": ["--network=mine"]}
# What changes nothing that was not so before.
SAME = {"disable-content-trust", "env-file", "label-file", "volume-driver", "pull", "log-opt"}


def asked(table, *words):
    return run_request(parse(table, [*words, "image"]))


def taken():
    both = [(CREATE, name, BOTH[name]) for name in sorted(BOTH.keys() - REFUSED_HERE)]
    both += [(RUN, name, {**BOTH, **RUN_ONLY}[name])
             for name in sorted((BOTH | RUN_ONLY).keys() - REFUSED_HERE)]  # fmt: skip
    return [pytest.param(*one, id=f"{one[0].name}-{one[1]}") for one in both]


@pytest.mark.parametrize(("table", "name", "value"), taken())
def test_it_is_taken_and_changes_what_is_asked(table, name, value):
    others = WITH.get(name, [])
    found = asked(table, f"--{name}={value}", *others)
    assert isinstance(found, RunRequest)
    if name not in SAME:
        assert found != asked(table, *others)


@pytest.mark.parametrize("table", [RUN, CREATE], ids=["run", "create"])
@pytest.mark.parametrize("name", sorted(REFUSED_HERE))
def test_it_is_refused_with_a_reason(table, name):
    with pytest.raises(UsageError) as raised:
        asked(table, f"--{name}={BOTH[name]}")
    assert raised.value.message == f"--{name} is not supported"
    assert raised.value.hint
    assert raised.value.exit_code == 125


def test_a_limited_disk_is_led_to_what_limits_it():
    with pytest.raises(UsageError) as raised:
        asked(RUN, "--storage-opt=size=1G")
    assert "--tmpfs PATH:size=1g" in raised.value.hint
    assert asked(RUN, "--read-only", "--tmpfs=/data:size=1g").read_only


def test_the_lists_are_whole():
    assert {option.name for option in REFUSED.values()} == REFUSED_HERE
    known = {option.name for option in CREATE.every}
    assert known == set(BOTH)
    assert {o.name for o in RUN.every} - known == {*RUN_ONLY, "cid-fd", "explain", "timings"}


@pytest.mark.parametrize(("letter", "name"), SHORT.items())
def test_short_forms(letter, name):
    option = next(o for o in RUN.every if o.name == name)
    assert option.short == letter
    value = {**BOTH, **RUN_ONLY}[name]
    words = [f"-{letter}"] if option.kind == FLAG else [f"-{letter}", value]
    parsed = parse(RUN, [*words, "image"])
    assert parsed.values[option.dest] not in ((), None, False, 0, "")


@pytest.mark.parametrize("name", ["bridge", "default", "mine", "container:x"])
def test_networks_are_the_engines_to_find(name):
    found = asked(RUN, f"--network={name}")
    assert (found.network, found.networks) == (name, ())


def test_a_common_line_does_not_load_the_rare_options():
    assert not parse(RUN, ["-d", "--name", "x", "image"]).rare
    assert parse(RUN, ["--privileged", "image"]).rare
    assert parse(RUN, ["-c", "5", "image"]).rare

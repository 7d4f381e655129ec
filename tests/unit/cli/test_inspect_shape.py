"""``inspect`` has Docker's whole shape: keys, order, null and empty, and what templates see."""

import json

import pytest
from plugrun.cli.document import fill, parse_template
from plugrun.cli.typed import duration_text
from plugrun.engine.inspect.document import container_document
from plugrun.model.container import Status
from plugrun.model.fence import DeviceMapping, Limits, Namespaces, Security, Ulimit
from plugrun.model.upkeep import HealthCheck, LogConfig, RestartPolicy

from tests.unit.cli.examples import container
from tests.unit.cli.test_inspect import Engine

# `docker create --network none debian:12 true` inspected with Docker 20.10 (API 1.41).
_TOP = """
Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount
Driver Platform MountLabel ProcessLabel AppArmorProfile ExecIDs HostConfig GraphDriver Mounts
Config NetworkSettings
"""
HOST = json.loads("""
{"Binds": null, "ContainerIDFile": "", "LogConfig": {"Type": "json-file", "Config": {}},
"NetworkMode": "none", "PortBindings": {}, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
"AutoRemove": false, "VolumeDriver": "", "VolumesFrom": null, "CapAdd": null, "CapDrop": null,
"CgroupnsMode": "private", "Dns": [], "DnsOptions": [], "DnsSearch": [], "ExtraHosts": null,
"GroupAdd": null, "IpcMode": "private", "Cgroup": "", "Links": null, "OomScoreAdj": 0,
"PidMode": "", "Privileged": false, "PublishAllPorts": false, "ReadonlyRootfs": false,
"SecurityOpt": null, "UTSMode": "", "UsernsMode": "", "ShmSize": 67108864, "Runtime": "overlay",
"ConsoleSize": [0, 0], "Isolation": "", "CpuShares": 0, "Memory": 0, "NanoCpus": 0,
"CgroupParent": "", "BlkioWeight": 0, "BlkioWeightDevice": [], "BlkioDeviceReadBps": [],
"BlkioDeviceWriteBps": [], "BlkioDeviceReadIOps": [], "BlkioDeviceWriteIOps": [], "CpuPeriod": 0,
"CpuQuota": 0, "CpuRealtimePeriod": 0, "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "",
"Devices": [], "DeviceCgroupRules": null, "DeviceRequests": null, "KernelMemory": 0,
"KernelMemoryTCP": 0, "MemoryReservation": 0, "MemorySwap": 0, "MemorySwappiness": null,
"OomKillDisable": false, "PidsLimit": null, "Ulimits": [], "CpuCount": 0, "CpuPercent": 0,
"IOMaximumIOps": 0, "IOMaximumBandwidth": 0}
""")
CONFIG = json.loads("""
{"Hostname": "h", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": true,
"AttachStderr": true, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": null,
"Cmd": ["true"], "Image": "debian:12", "Volumes": null, "WorkingDir": "", "Entrypoint": null,
"OnBuild": null, "Labels": {}}
""")
# As the client 28 has it.
ENDPOINT = json.loads("""
{"IPAMConfig": null, "Links": null, "Aliases": null, "MacAddress": "", "DriverOpts": null,
"GwPriority": 0, "NetworkID": "", "EndpointID": "", "Gateway": "", "IPAddress": "",
"IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
"DNSNames": null}
""")
NETWORK = json.loads("""
{"Bridge": "", "SandboxID": "", "HairpinMode": false, "LinkLocalIPv6Address": "",
"LinkLocalIPv6PrefixLen": 0, "Ports": {}, "SandboxKey": "", "SecondaryIPAddresses": null,
"SecondaryIPv6Addresses": null, "EndpointID": "", "Gateway": "", "GlobalIPv6Address": "",
"GlobalIPv6PrefixLen": 0, "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "", "MacAddress": ""}
""")


def document(status=None, **changes):
    values = {
        "entrypoint": (),
        "cmd": ("true",),
        "mounts": (),
        "labels": (),
        "working_dir": "",
        "attached": ("stdout", "stderr"),
    }
    made = container(**{**values, **changes})
    return container_document(Engine(), made, status or Status("created"))


def test_a_plain_container_has_every_key_in_dockers_order(monkeypatch):
    monkeypatch.setattr("plugrun.engine.fence.spec.cgroups_are_unified", lambda: True)
    found = document()
    assert [key for key in found if key != "Plugrun"] == _TOP.split()
    paths = [found["HostConfig"].pop(name) for name in ("MaskedPaths", "ReadonlyPaths")]
    assert found["HostConfig"] == HOST
    assert list(found["HostConfig"]) == list(HOST)
    assert "/proc/kcore" in paths[0]
    assert "/proc/sys" in paths[1]
    assert list(found["Config"].items()) == list(CONFIG.items())
    networks = found["NetworkSettings"].pop("Networks")
    assert list(found["NetworkSettings"].items()) == list(NETWORK.items())
    assert list(networks["none"].items()) == list(ENDPOINT.items())


def test_graph_driver_names_an_overlays_folders():
    found = document()["GraphDriver"]
    folder = f"/root/containers/{container().id}/rootfs"
    data = {"LowerDir": "/s/2:/s/1", "MergedDir": folder, "UpperDir": "/s/3", "WorkDir": "/s/w"}
    assert found == {"Data": data, "Name": "overlay"}
    assert document(Status("running", 5))["GraphDriver"]["Data"]["MergedDir"] == "/proc/5/root"


def test_the_network_namespace_of_one_that_runs():
    assert document(Status("running", 5))["NetworkSettings"]["SandboxKey"] == "/proc/5/ns/net"
    shared = document(Status("running", 5), network="host")
    assert shared["NetworkSettings"]["SandboxKey"] == ""


def test_what_was_asked_is_shown():
    found = document(
        limits=Limits(memory=10 << 20, swappiness=0, pids=3, ulimits=(Ulimit("nofile", 1, 2),)),
        security=Security(
            privileged=True,
            cap_add=("CAP_NET_ADMIN",),
            devices=(DeviceMapping("/dev/null", "/dev/n", "r"),),
            options=("seccomp=unconfined",),
            sysctls=(("net.a", "1"),),
        ),
        namespaces=Namespaces(ipc="shareable", pid="host"),
        restart=RestartPolicy("on-failure", 3),
        log=LogConfig("json-file", (("max-size", "1m"),)),
        health=HealthCheck(("CMD-SHELL", "x"), retries=2),
        exposed_ports=("80/tcp", "53/udp"),
        stop_signal="SIGINT",
        init=True,
        annotations=(("a", "b"),),
    )
    host, config = found["HostConfig"], found["Config"]
    assert (host["Memory"], host["MemorySwap"]) == (10 << 20, 20 << 20)
    assert (host["MemorySwappiness"], host["PidsLimit"], host["Init"]) == (0, 3, True)
    assert host["Ulimits"] == [{"Name": "nofile", "Hard": 2, "Soft": 1}]
    assert host["SecurityOpt"] == ["seccomp=unconfined", "label=disable"]
    assert (host["MaskedPaths"], host["ReadonlyPaths"]) == (None, None)
    assert host["Sysctls"] == {"net.a": "1"}
    assert host["Annotations"] == {"a": "b"}
    assert host["Devices"] == [
        {"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "r"}
    ]
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "x"], "Retries": 2}
    assert config["ExposedPorts"] == {"53/udp": {}, "80/tcp": {}}
    assert config["StopSignal"] == "SIGINT"


def test_unmasked_paths_are_empty_lists_as_in_docker():
    host = document(security=Security(unmasked=True))["HostConfig"]
    assert (host["MaskedPaths"], host["ReadonlyPaths"], host["SecurityOpt"]) == ([], [], [])


# Asked of Docker 20.10 by its client 28.2 about the same container.
@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("{{.State.Status}} {{.State.Pid}}", "created 0"),
        ("{{json .State.Running}}", "false"),
        ("{{.State}}", "{created false false false false false 0 0  "
         "0001-01-01T00:00:00Z 0001-01-01T00:00:00Z <nil>}"),
        ("{{.State.Health}}", "<nil>"),
        ("{{if .State.Health}}x{{else}}y{{end}}", "y"),
        ("{{.Config.StopSignal}}|{{.Config.StopTimeout}}", "|<nil>"),
        ("{{.Config.Healthcheck}}", "{[CMD-SHELL foo] 0s 0s 0s 0s 0}"),
        ("{{json .Config.Healthcheck}}", '{"Test":["CMD-SHELL","foo"]}'),
        ("{{.HostConfig.Sysctls}} {{json .HostConfig.Sysctls}}", "map[] null"),
        ("{{.HostConfig.Init}} {{.HostConfig.Tmpfs}}", "<nil> map[]"),
        ("{{.HostConfig.CapDrop}} {{json .HostConfig.CapDrop}}", "[] null"),
        ("{{.HostConfig.Ulimits}}", "[nofile=1:2]"),
        ("{{json .HostConfig.Ulimits}}", '[{"Name":"nofile","Hard":2,"Soft":1}]'),
        ("{{.HostConfig.PidsLimit}} {{.HostConfig.MemorySwappiness}}", "<nil> <nil>"),
        ("{{.HostConfig.LogConfig}}", "{json-file map[]}"),
        ("{{.HostConfig.RestartPolicy}}", "{on-failure 3}"),
        ("{{.HostConfig.ConsoleSize}}", "[0 0]"),
        ("{{.Config.Volumes}} {{.Config.Entrypoint}} {{.Config.Shell}}", "map[] [] []"),
        ("{{.Config.ExposedPorts}}", "map[80/tcp:{}]"),
        ("{{.ExecIDs}} {{.SizeRw}}", "[] <nil>"),
        ('{{index .Config.Labels "a"}}{{.Config.Labels.nope}}', "b<no value>"),
        ("{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}", "none"),
        ("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", ""),
        ("{{json .NetworkSettings.Ports}}", "{}"),
        ("{{range $i, $e := .Config.Env}}{{if $i}},{{end}}{{$e}}{{end}}", "X=1,Y=2"),
        ('{{join .Config.Cmd " "}}', "sh -c true"),
        ('{{(index .HostConfig.Ulimits 0).Name}}', "nofile"),
        ("{{title .Name}} {{html .Name}} {{js .Name}}", "/Web /web /web"),
        ("{{len .HostConfig.Binds}}{{len .Mounts}}", "00"),
    ],
)  # fmt: skip
def test_popular_templates(form, text):
    asked = document(
        cmd=("sh", "-c", "true"),
        env=("X=1", "Y=2"),
        labels=(("a", "b"),),
        health=HealthCheck(("CMD-SHELL", "foo")),
        limits=Limits(ulimits=(Ulimit("nofile", 1, 2),)),
        restart=RestartPolicy("on-failure", 3),
        exposed_ports=("80/tcp",),
    )
    assert fill(parse_template(form), asked) == text


def test_a_field_of_what_is_not_there():
    with pytest.raises(Exception, match='map has no entry for key "Health"'):
        fill(parse_template("{{.State.Health.Status}}"), document())


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1500, "1.5µs"),
        (2 * 10**6, "2ms"),
        (10**9, "1s"),
        (90 * 10**9, "1m30s"),
        (3600 * 10**9, "1h0m0s"),
        (5_430_500_000_000, "1h30m30.5s"),
        (-(10**9), "-1s"),
    ],
)
def test_durations_as_go_prints_them(ns, text):
    assert duration_text(ns) == text

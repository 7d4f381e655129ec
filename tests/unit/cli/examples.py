"""A container to show."""

from plugrun.model.container import BackendChoice, Container
from plugrun.model.fence import Limits
from plugrun.model.mountpoint import MountPoint

NS = 10**9
NOW = 1_700_000_000 * NS
MINUTE = 60 * NS
CHOICE = BackendChoice("overlay", "1", "because")


def container(name="web", **changes):
    values = {
        "id": "abcdef012345" + "0" * 52,
        "name": name,
        "created_ns": NOW - MINUTE,
        "image": "sha256:" + "a" * 64,
        "image_name": "debian:12",
        "entrypoint": ("/bin/sh", "-c"),
        "cmd": ("echo hi; sleep 100",),
        "env": (),
        "user": "",
        "working_dir": "/",
        "hostname": "h",
        "tty": False,
        "open_stdin": False,
        "auto_remove": False,
        "detached": True,
        "read_only": False,
        "init": False,
        "network": "none",
        "mounts": (MountPoint("bind", "/b", "/a", read_only=True, mode="ro", text="/a:/b:ro"),),
        "limits": Limits(),
        "labels": (("a", "b"), ("c", "d")),
        "stop_signal": "SIGTERM",
        "stop_timeout": 10,
        "profile": "default",
        "storage": CHOICE,
        "isolation": CHOICE,
        "net": CHOICE,
    }
    return Container(**{**values, **changes})

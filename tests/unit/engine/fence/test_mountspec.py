"""Mount points in the runtime spec: their order, what they replace, their options."""

from __future__ import annotations

from plugrun.engine.fence.mountspec import spec_mount, tmpfs_options, with_mount_points
from plugrun.model.mountpoint import MountPoint


def default(destination, kind="tmpfs"):
    return {"destination": destination, "type": kind, "source": "x", "options": []}


DEFAULTS = [
    *(default(path) for path in ("/proc", "/dev", "/dev/pts", "/dev/shm")),
    default("/etc/hosts", "bind"),
]


def targets(*points):
    return [mount["destination"] for mount in with_mount_points(DEFAULTS, points)]


def test_shallow_ones_come_first_in_their_order():
    points = [MountPoint("bind", target, "/s") for target in ("/a/b/c", "/z", "/a/b", "/a")]
    assert targets(*points)[4:] == ["/z", "/a", "/etc/hosts", "/a/b", "/a/b/c"]


def test_they_replace_defaults():
    assert targets(MountPoint("bind", "/dev/shm", "/s")) == [
        "/proc", "/dev", "/dev/pts", "/etc/hosts", "/dev/shm",
    ]  # fmt: skip
    assert targets(MountPoint("bind", "/dev", "/s")) == ["/proc", "/dev", "/etc/hosts"]
    assert targets(MountPoint("bind", "/etc/hosts", "/s")) == [d["destination"] for d in DEFAULTS]


def test_the_containers_own_files_stay_above_a_mount_at_etc():
    assert targets(MountPoint("tmpfs", "/etc"))[4:] == ["/etc", "/etc/hosts"]


def test_binds():
    point = MountPoint("bind", "/b", "/a")
    assert spec_mount(point)["options"] == ["rbind", "rprivate"]
    point = MountPoint("bind", "/b", "/a", read_only=True, propagation="rslave")
    assert spec_mount(point)["options"] == ["rbind", "ro", "rro", "rslave"]
    point = MountPoint("bind", "/b", "/a", read_only=True, recursive="writable")
    assert spec_mount(point)["options"] == ["rbind", "ro", "rprivate"]
    point = MountPoint("bind", "/b", "/a", recursive="disabled")
    assert spec_mount(point)["options"] == ["bind", "rprivate"]


def test_a_path_within_a_volume_is_mounted_from_aside():
    point = MountPoint("volume", "/b", "/root/v/_data", subpath="x", place="/run/subpaths/1")
    assert spec_mount(point)["source"] == "/run/subpaths/1"


def test_memory():
    base = ["noexec", "nosuid", "nodev", "rprivate"]
    assert tmpfs_options(MountPoint("tmpfs", "/t")) == base
    point = MountPoint("tmpfs", "/t", mode="exec,size=1m,suid,size=2m,shared")
    assert tmpfs_options(point) == ["nodev", "exec", "suid", "size=2m", "shared"]
    point = MountPoint("tmpfs", "/t", tmpfs_size=5, tmpfs_mode=0o700, read_only=True)
    assert tmpfs_options(point) == [*base, "size=5", "mode=700", "ro"]

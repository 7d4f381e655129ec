"""``--mount`` and ``--tmpfs``: every key, and what Docker says of the rest."""

from __future__ import annotations

import pytest
from plugrun.cli.mounts import mount_points
from plugrun.cli.mountvalue import checked, parse_mount, parse_tmpfs
from plugrun.errors import InvalidArgument
from plugrun.model.mountpoint import BY_MOUNT, BY_TMPFS, MountPoint


def test_binds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = checked(parse_mount("type=bind,source=/a/,target=/b/../c,readonly"))
    assert found == MountPoint("bind", "/c", "/a", read_only=True, given=BY_MOUNT)
    assert not found.create_source
    text = "TYPE=bind,src=./x,dst=/b,bind-propagation=rslave,bind-recursive=disabled"
    found = checked(parse_mount(text))
    assert (found.source, found.propagation, found.recursive) == (
        f"{tmp_path}/x", "rslave", "disabled",
    )  # fmt: skip
    assert parse_mount("type=bind,src=/a,dst=/b,bind-nonrecursive").recursive == "disabled"
    assert parse_mount("type=bind,src=/a,dst=/b,bind-nonrecursive=false").recursive == ""
    assert parse_mount("type=bind,src=/a,dst=/b,bind-recursive=true").recursive == ""
    assert parse_mount('type=bind,"src=/a,b",dst=/b').source == "/a,b"


def test_volumes():
    text = "src=data,dst=/d,volume-nocopy,volume-label=a=b,volume-label=c,volume-subpath=x/y"
    found = checked(parse_mount(f"{text},volume-driver=local,volume-opt=type=tmpfs"))
    assert (found.kind, found.volume, found.source, found.anonymous) == (
        "volume", "data", "", False,
    )  # fmt: skip
    assert (found.no_copy, found.subpath, found.driver) == (True, "x/y", "local")
    assert found.labels == (("a", "b"), ("c", ""))
    assert found.options == (("type", "tmpfs"),)
    assert checked(parse_mount("dst=/d")).anonymous


def test_memory():
    found = checked(parse_mount("type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=1770"))
    assert (found.tmpfs_size, found.tmpfs_mode) == (1 << 20, 0o1770)
    assert parse_tmpfs("/t/:size=1m,exec") == MountPoint(
        "tmpfs", "/t", mode="size=1m,exec", given=BY_TMPFS
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "EOF"),
        ("foo", "invalid field 'foo' must be a key=value pair"),
        ("dst=/x,foo=1", "unexpected key 'foo' in 'foo=1'"),
        ("type=bind,src=/a", "target is required"),
        ("type=,dst=/x", "type is required"),
        ('type=bind,"src=/a', "parse error: unexpected end of data"),
        ("dst=/x,readonly=maybe", "invalid value for readonly: maybe"),
        ("dst=/x,volume-nocopy=x", "invalid value for volume-nocopy: x"),
        ("type=tmpfs,dst=/x,tmpfs-size=abc", "invalid value for tmpfs-size: abc"),
        ("type=tmpfs,dst=/x,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"),
        ("type=tmpfs,dst=/x,tmpfs-mode=", "invalid value for tmpfs-mode: "),
        ("type=bind,src=/a,dst=/x,volume-nocopy",
         "cannot mix 'volume-*' options with mount type 'bind'"),
        ("dst=/x,bind-propagation=shared", "cannot mix 'bind-*' options with mount type 'volume'"),
        ("type=bind,dst=/x,tmpfs-size=1", "cannot mix 'tmpfs-*' options with mount type 'bind'"),
        ("type=bind,src=/a,dst=/x,bind-recursive=odd",
         'invalid value for bind-recursive: odd (must be "enabled", "disabled", "writable", or '
         '"readonly")'),
        ("type=bind,src=/a,dst=/x,bind-recursive=readonly",
         "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction"),
        ("type=bind,src=/a,dst=/x,ro,bind-recursive=readonly",
         "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified "
         "in conjunction"),
    ],
)  # fmt: skip
def test_what_the_client_refuses(text, message):
    with pytest.raises(InvalidArgument) as raised:
        parse_mount(text)
    assert raised.value.message == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type=foo,dst=/x", "mount type unknown"),
        ("type=bind,dst=/x", "field Source must not be empty"),
        ("type=bind,src=rel,dst=/x", "invalid mount path: 'rel' mount path must be absolute"),
        ("type=bind,src=/a,dst=x", "invalid mount path: 'x' mount path must be absolute"),
        ("type=bind,src=/a,dst=/.", "invalid specification: destination can't be '/'"),
        ("type=bind,src=/a,dst=/x,bind-propagation=odd", "invalid propagation mode: odd"),
        ("type=tmpfs,src=/a,dst=/x", "field Source must not be specified"),
        ("dst=/x,ro", "must not set ReadOnly mode when using anonymous volumes"),
        ("dst=/x,volume-subpath=y", "must not set Subpath when using anonymous volumes"),
        ("src=v1,dst=/x,volume-subpath=../y", "subpath must be a relative path within the volume"),
        ("src=v1,dst=/x,volume-subpath=/y", "subpath must be a relative path within the volume"),
    ],
)
def test_what_the_daemon_refuses(text, message):
    point = parse_mount(text)
    with pytest.raises(InvalidArgument) as raised:
        checked(point)
    assert raised.value.message == f'invalid mount config for type "{point.kind}": {message}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "invalid mount path: 'x' mount path must be absolute"),
        ("/", "invalid specification: destination can't be '/'"),
        ("/x:foo", 'invalid tmpfs option ["foo"]'),
        ("/x:foo=1", 'invalid tmpfs option ["foo" "1"]'),
    ],
)
def test_wrong_tmpfs(text, message):
    with pytest.raises(InvalidArgument) as raised:
        parse_tmpfs(text)
    assert raised.value.message == message


def values(volume=(), mount=(), tmpfs=()):
    return {"volume": volume, "mount": tuple(map(parse_mount, mount)), "tmpfs": tmpfs}


def test_one_target_once():
    for given in (
        values(volume=("a1:/x", "a2:/x/")),
        values(volume=("a1:/x",), tmpfs=("/x",)),
        values(volume=("/host:/x",), mount=("dst=/x",)),
        values(tmpfs=("/x",), mount=("dst=/x",)),
    ):
        with pytest.raises(InvalidArgument, match="Duplicate mount point: /x"):
            mount_points(given)
    assert len(mount_points(values(volume=("/x", "/x", "a1:/x")))) == 3
    (last,) = mount_points(values(tmpfs=("/x", "/x:size=1m")))
    assert last.mode == "size=1m"


def test_a_driver_for_all_volumes():
    given = {**values(volume=("a1:/x", "/host:/y", "/z")), "volume_driver": "odd"}
    assert [point.driver for point in mount_points(given)] == ["odd", "", "odd"]

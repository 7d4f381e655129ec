"""An image with folders to fill volumes from, and an eye on volumes that are left."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from tests.e2e.conftest import HOST_IMAGE, Plugrun
from tests.registry import Registry, make_image

RUN = ("run", "--rm", "--network", "none")
HEX = frozenset("0123456789abcdef")


def sh(plugrun: Plugrun, script: str, *options: str, image: str = HOST_IMAGE, **more) -> str:
    return plugrun.out(*RUN, *options, image, "sh", "-c", script, **more)


def names(plugrun: Plugrun, *options: str) -> set[str]:
    return set(plugrun.out("volume", "ls", "-q", *options).split())


@pytest.fixture(autouse=True)
def no_volumes_left(plugrun):
    yield
    plugrun.remove_all()
    left = names(plugrun)
    if left:
        plugrun("volume", "rm", *left)
    place = f"{plugrun.root}/volumes"
    assert not os.path.isdir(place) or os.listdir(place) == []


def member(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **more) -> tuple:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(data), 1_000_000_000
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def layer_of(*members: tuple) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def image(registry: Registry, debian_tar: bytes) -> str:
    """Debian with folders to fill volumes from, and two declared as volumes."""
    folder = tarfile.DIRTYPE
    xattr = {"SCHILY.xattr.user.kind": "wild"}
    added = layer_of(
        member("data", folder, uid=1000, gid=1001, mode=0o2750),
        member("data/file", data=b"from the image\n", uid=1000, gid=7, mode=0o640),
        member("data/other", tarfile.LNKTYPE, linkname="data/file"),
        member("data/link", tarfile.SYMTYPE, linkname="/etc/shadow", uid=5),
        member("data/fifo", tarfile.FIFOTYPE, mode=0o622, uid=6),
        member("data/tool", data=b"#!/bin/sh\n", mode=0o4755, pax_headers=xattr),
        member("data/sub", folder, uid=8, mode=0o711),
        member("data/sub/deep", data=b"deep\n"),
        member("bare", folder, uid=3, gid=4, mode=0o700),
        member("way", tarfile.SYMTYPE, linkname="/data/sub"),
        member("out", tarfile.SYMTYPE, linkname="../../../../etc"),
        member("plain", data=b"a file\n"),
    )
    config = {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["true"], "Volumes": {"/data": {}, "bare/": {}}}
    return registry.push("e2e/volumes", make_image([debian_tar, added], config), "1")


LOOK = "cd /data; stat -c '%n %F %u:%g %a %h %Y' . file other link fifo tool sub sub/deep"

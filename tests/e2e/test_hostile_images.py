"""Images that are unusual, broken or mean harm: run as Docker runs them, or refused; never more."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from tests.registry import make_image

BUSYBOX = "/usr/bin/busybox"
APPLETS = (
    "sh",
    "cat",
    "chmod",
    "stat",
    "grep",
    "id",
    "ln",
    "ls",
    "mknod",
    "pwd",
    "readlink",
    "rm",
    "sleep",
    "true",
)

# name -> bytes: a file; str: a symbolic link; None: a folder; (kind, major, minor): a node
Tree = dict[str, "bytes | str | tuple[bytes, int, int] | None"]

PASSWD = b"root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n"
GROUP = b"root:x:0:\nuser:x:1000:\nmore:x:2000:user\n"


def tree(extra: Tree) -> bytes:
    """Return a layer: a static busybox, accounts, and what is given on top or instead."""
    if not os.path.exists(BUSYBOX):
        pytest.skip("no static busybox here: install busybox-static")
    with open(BUSYBOX, "rb") as file:
        found: Tree = {"bin": None, "bin/busybox": file.read()}
    found |= {f"bin/{name}": "busybox" for name in APPLETS}
    if "etc" not in extra:
        found |= {"etc": None, "etc/passwd": PASSWD, "etc/group": GROUP}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, what in {**found, **extra}.items():
            archive.addfile(*_entry(name, what))
    return buffer.getvalue()


def _entry(name: str, what: object) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    info = tarfile.TarInfo(name)
    info.mode = 0o755
    if what is None:
        info.type = tarfile.DIRTYPE
    elif isinstance(what, str):
        info.type, info.linkname = tarfile.SYMTYPE, what
    elif isinstance(what, tuple):
        info.type, info.devmajor, info.devminor = what
    else:
        assert isinstance(what, bytes)
        info.size = len(what)
        return info, io.BytesIO(what)
    return info, None


@pytest.fixture
def image(registry):
    """Push an image of one layer, and return its reference."""

    def push(name: str, extra: Tree | None = None, **config: object) -> str:
        tag = os.urandom(4).hex()  # a tag that was pulled once is not asked for again
        return registry.push(f"hostile/{name}", make_image([tree(extra or {})], config), tag)

    return push


@pytest.mark.parametrize(
    "extra",
    [
        {"etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf"},
        {"etc/hosts": "/not/there/hosts", "etc/hostname": "other"},
        {"etc/hosts": "../../../../../../../../srv/../not-there/hosts", "srv": None},
    ],
)
def test_links_that_lead_nowhere_are_followed_in_the_image(plugrun, image, extra):
    reference = image("dangling", extra)
    script = "cat /etc/hosts /etc/hostname && ls /etc/resolv.conf"
    out = plugrun.out("run", "-q", "--rm", "--hostname", "here", reference, "sh", "-c", script)
    assert "localhost" in out
    assert "here" in out


def test_an_etc_that_leads_outside_stays_inside(plugrun, image, tmp_path):
    outside = tmp_path / "outside"
    reference = image("etc-out", {"etc": "../" * 20 + str(outside)[1:]})
    place = plugrun.out("run", "-q", "--rm", reference, "sh", "-c", f"ls {outside}")
    assert "hosts" in place
    assert not outside.exists()


def test_a_loop_of_links_is_refused(plugrun, image):
    reference = image("loop", {"etc/hosts": "hosts2", "etc/hosts2": "hosts"})
    done = plugrun("run", "-q", "--rm", reference, "true", code=125)
    assert "internal" not in done.stderr


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
@pytest.mark.parametrize("what", ["/etc", b"a file"])
def test_places_of_the_kernel_become_folders(plugrun, image, name, what):
    reference = image("kernel", {name: what})
    script = "cat /proc/self/comm; test -d /sys/kernel && test -c /dev/null && echo there"
    out = plugrun.out("run", "-q", "--rm", reference, "sh", "-c", script)
    assert out.split() == ["cat", "there"]
    read_only = plugrun("run", "-q", "--rm", "--read-only", reference, "true", code=None)
    assert "internal" not in read_only.stderr
    assert plugrun.out("ps", "-aq") == ""


def test_without_etc_tmp_and_the_rest(plugrun, registry):
    with open(BUSYBOX, "rb") as file:
        layer = _one("busybox", file.read())
    config = {"Entrypoint": ["/busybox", "cat"], "Cmd": ["/etc/hosts"]}
    reference = registry.push("hostile/scratch", make_image([layer], config), "1")
    assert "localhost" in plugrun.out("run", "-q", "--rm", reference)


def _one(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(*_entry(name, data))
    return buffer.getvalue()


def test_no_layers_at_all(plugrun, registry):
    reference = registry.push("hostile/none", make_image([], {"Cmd": ["/x"]}), "1")
    assert "no such file" in plugrun("run", "-q", "--rm", reference, code=127).stderr


def test_a_user_begins_in_a_folder_it_could_not_enter(plugrun, image):
    reference = image("folder", {"secret": None}, User="1000", WorkingDir="/secret")
    assert plugrun.out("run", "-q", "--rm", reference, "pwd") == "/secret"
    id = plugrun.out("run", "-q", "-d", "-u", "0", reference, "sh", "-c", "chmod 700 .; sleep 60")
    plugrun("exec", id, "sh", "-c", "until [ $(stat -c %a .) = 700 ]; do :; done")
    assert plugrun.out("exec", "-u", "1000", id, "pwd") == "/secret"


def test_accounts_that_are_no_accounts(plugrun, image):
    lines = [b"big:x:4294967295:1::/:/bin/sh", b"huge:x:" + b"9" * 5000 + b":1::/:/bin/sh"]
    reference = image("accounts", {"etc/passwd": b"\n".join([*lines, PASSWD])})
    assert plugrun.out("run", "-q", "--rm", "-u", "user", reference, "id", "-u") == "1000"
    plugrun("run", "-q", "--rm", "-u", "big", reference, "true", code=125)
    done = plugrun("run", "-q", "--rm", "-u", "9" * 5000, reference, "true", code=125)
    assert "must be in range" in done.stderr


@pytest.mark.parametrize(("user", "groups"), [("user", "1000 2000"), ("user:7", "7"), ("", "0")])
def test_the_group_is_among_the_further_groups(plugrun, image, user, groups):
    reference = image("groups", User=user)
    out = plugrun.out("run", "-q", "--rm", reference, "grep", "Groups", "/proc/self/status")
    assert out.split(":")[1].strip() == groups


@pytest.mark.parametrize("node", [(tarfile.CHRTYPE, 1, 5), (tarfile.FIFOTYPE, 0, 0), "/proc/kmsg"])
def test_accounts_that_are_no_files(plugrun, image, node):
    reference = image("nodes", {"etc/passwd": node})
    assert plugrun.out("run", "-q", "--rm", "-u", "7", reference, "sh", "-c", "echo ok") == "ok"
    id = plugrun.out("run", "-q", "-d", reference, "sleep", "60")
    assert plugrun.out("exec", id, "sh", "-c", "echo ok") == "ok"


def test_a_stop_signal_that_is_none_is_refused_at_once(plugrun, image):
    reference = image("signal", StopSignal="SIGFOO")
    assert "SIGFOO" in plugrun("run", "-q", "--rm", reference, "true", code=125).stderr
    assert plugrun.out("ps", "-aq") == ""


def test_a_nul_byte_is_refused(plugrun, image):
    reference = image("nul", Env=["A=before\0after"])
    assert "NUL" in plugrun("run", "-q", "--rm", reference, "true", code=125).stderr

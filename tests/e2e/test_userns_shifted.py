"""User namespaces where files cannot be shown with other owners: they get them on disk."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator

import pytest

from .conftest import HOST_IMAGE, PROFILES, Plugrun, fresh_root, profile_named

IMAGE = HOST_IMAGE.replace("host:", "host:chown,setcap,getcap,rm,")
FIRST = 0x70000000


@pytest.fixture
def shifting(tmp_path) -> Iterator[Plugrun]:
    """The command on an overlay, of which no mount can be idmapped."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    [config] = [path for path in PROFILES if profile_named(path) == "cow-ns"]
    with fresh_root(config) as tool:
        lower, upper, work = (tmp_path / name for name in ("lower", "upper", "work"))
        for folder in (lower, upper, work, tool.root):
            os.mkdir(folder)
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, tool.root], check=True)
        try:
            yield tool
            tool.remove_all()
        finally:
            subprocess.run(["umount", "-l", tool.root], check=True)


def test_files_have_their_owners_on_disk(shifting: Plugrun) -> None:
    plugrun = shifting
    script = "touch /own /vol/v; chown 9:10 /own; mkdir /d; echo 1 > /d/x; echo 1 >> /etc/passwd; "
    script += "rm /etc/group; chmod 4755 /d/x; setcap cap_net_raw+ep /own; touch /ready; sleep 600"
    plugrun(
        *("run", "-d", "--name", "box", "--userns=remap", "-v", "data:/vol", IMAGE, "sh", "-c"),
        script,
    )
    plugrun("exec", "box", "sh", "-c", "while [ ! -e /ready ]; do :; done")
    look = ("stat", "-c", "%u:%g", "/", "/etc/passwd", "/usr/bin/cat", "/own", "/vol", "/vol/v")
    owners = ["0:0", "0:0", "0:0", "9:10", "0:0", "0:0"]
    assert plugrun.out("exec", "box", *look).split() == owners
    place = plugrun.out("volume", "inspect", "-f", "{{.Mountpoint}}", "data")
    assert os.stat(f"{place}/v").st_uid == FIRST
    changed = [
        *("A /d", "A /d/x", "C /etc", "D /etc/group", "C /etc/passwd", "A /own", "A /ready"),
        "A /vol",
    ]
    for state in ("running", "stopped"):
        assert sorted(plugrun.out("diff", "box").splitlines()) == sorted(changed)
        done = subprocess.run([*plugrun.argv, "export", "box"], capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            assert (archive.getmember("own").uid, archive.getmember("own").gid) == (9, 10)
        plugrun("cp", "box:/own", f"{place}/../{state}", "-a")
        assert os.stat(f"{place}/../{state}").st_uid == 9
        plugrun("cp", "/etc/hostname", f"box:/vol/{state}")
        if state == "running":
            plugrun("stop", "-t", "0", "box")
    plugrun("commit", "box", "of-box")
    show = ("sh", "-c", "stat -c %u:%g /own /etc/passwd; stat -c %a /d/x; getcap /own; ls /etc")
    for mode in ("host", "remap"):
        out = plugrun.out("run", "--rm", f"--userns={mode}", "of-box", *show).splitlines()
        assert out[:3] == ["9:10", "0:0", "4755"]
        assert "cap_net_raw" in out[3]
        assert "group" not in out[4:]
    plugrun("start", "box")
    assert plugrun.out("exec", "box", "stat", "-c", "%u", "/vol/running", "/vol/stopped") == "0\n0"
    assert plugrun.out("exec", "box", *look).split() == owners
    plugrun("rm", "-f", "box")

"""What config.json means for every runtime."""

from __future__ import annotations

import os
import stat

import pytest
from plugrun.errors import IsolationError
from plugrun.tasks import runtimespec


def test_a_device_of_the_spec_replaces_a_default():
    own = {"path": "/dev/../dev//null", "type": "c", "major": 1, "minor": 3, "uid": 5}
    found = {device["path"]: device for device in runtimespec.all_devices([own])}
    assert set(found) == {path for path, _, _ in runtimespec.DEFAULT_DEVICES}
    assert found["/dev/null"]["uid"] == 5


def test_what_mknod_takes():
    device = {"path": "/dev/x", "type": "b", "major": 8, "minor": 1, "fileMode": 0o10640}
    assert runtimespec.device_mode(device) == stat.S_IFBLK | 0o640
    assert runtimespec.device_number(device) == os.makedev(8, 1)
    pipe = {"path": "/dev/x", "type": "p", "major": 8}
    assert (runtimespec.device_mode(pipe), runtimespec.device_number(pipe)) == (0o10666, 0)
    odd = {"path": "/dev/x", "type": "z"}
    for act in (runtimespec.device_mode, runtimespec.device_number):
        with pytest.raises(IsolationError, match="/dev/x has the unknown type z"):
            act(odd)


@pytest.mark.parametrize(
    ("mount", "is_one"),
    [
        ({"type": "bind"}, True),
        ({"type": "none", "options": ["ro", "rbind"]}, True),
        ({"options": ["bind"]}, True),
        ({"type": "tmpfs", "options": None}, False),
    ],
)
def test_bind_mounts(mount, is_one):
    assert runtimespec.is_bind(mount) is is_one


class Through:
    """Notes what is to be seen through it."""

    def __init__(self):
        self.seen = []

    def map(self, tree, subject):
        self.seen.append((tree, subject))


def test_who_has_the_containers_own_owners():
    plain = {"destination": "/a", "source": "/s", "options": ["bind"]}
    wanted = {**plain, "options": ["bind", "ridmap"]}
    own = Through()
    runtimespec.map_bind(7, plain, own)
    runtimespec.map_bind(8, wanted, own)
    runtimespec.map_bind(9, wanted)  # no user namespace: nothing is another's
    assert own.seen == [(8, "/s")]
    with pytest.raises(IsolationError, match="mount /a: uidMappings need gidMappings"):
        runtimespec.map_bind(7, {**plain, "uidMappings": [{"containerID": 0}]}, own)


def test_a_bundle_without_a_spec(tmp_path):
    with pytest.raises(IsolationError, match="does not exist"):
        runtimespec.read_spec(str(tmp_path))
    for text in ("[]", "{", ""):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(IsolationError):
            runtimespec.read_spec(str(tmp_path))
    (tmp_path / "config.json").write_text('{"process": {}}')
    assert runtimespec.read_spec(str(tmp_path)) == {"process": {}}

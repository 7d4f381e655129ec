"""``-v`` in all its forms."""

from __future__ import annotations

import os

import pytest
from plugrun.cli.volumespec import parse_volume
from plugrun.errors import InvalidArgument


def test_paths_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = parse_volume("/a/:/b/../c:ro,rshared")
    assert (found.kind, found.source, found.target) == ("bind", "/a", "/c")
    assert (found.read_only, found.propagation, found.mode) == (True, "rshared", "ro,rshared")
    assert parse_volume(".:/b").source == str(tmp_path)
    assert parse_volume("./x:/b").source == f"{tmp_path}/x"
    assert parse_volume("../x:/b").source == os.path.dirname(tmp_path) + "/x"
    assert parse_volume("//a:/b").source == "/a"
    assert parse_volume("./x:/b:ro").text == f"{tmp_path}/x:/b:ro"


def test_volumes():
    found = parse_volume("data:/b:nocopy")
    assert (found.kind, found.volume, found.no_copy) == ("volume", "data", True)
    assert not found.anonymous
    lone = parse_volume("/data/")
    assert (lone.kind, lone.volume, lone.target, lone.anonymous) == ("volume", "", "/data", True)


@pytest.mark.parametrize("mode", ["z", "Z", "consistent", "cached,ro", "delegated", "rprivate,z"])
def test_options(mode):
    assert parse_volume(f"/a:/b:{mode}").mode == mode


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid empty volume spec"),
        (":/b", "invalid spec: :/b: empty section between colons"),
        ("/a::ro", "invalid spec: /a::ro: empty section between colons"),
        ("/a:/b:ro:x", "invalid spec: /a:/b:ro:x: too many colons"),
        ("/a:/", "destination can't be '/'"),
        ("/a://", "destination can't be '/'"),
        ("/", "destination can't be '/'"),
        ("/a:b", "invalid volume specification: '/a:b': invalid mount config for type \"bind\": "
                 "invalid mount path: 'b' mount path must be absolute"),
        ("/a:/b:foo", "invalid mode: foo"),
        ("/a:/b:ro,rw", "invalid mode: ro,rw"),
        ("/a:/b:ro,ro", "invalid mode: ro,ro"),
        ("/a:/b:,", "invalid mode: ,"),
        ("/a:/b:shared,slave", "invalid mode: shared,slave"),
        ("/a:/b:nocopy", "invalid volume specification: '/a:/b:nocopy': invalid mount config for "
                         'type "bind": field VolumeOptions must not be specified'),
        ("v:/b:shared", "invalid volume specification: 'v:/b:shared': invalid mount config for "
                        'type "volume": field BindOptions must not be specified'),
    ],
)  # fmt: skip
def test_wrong_ones(text, message):
    with pytest.raises(InvalidArgument) as raised:
        parse_volume(text)
    assert message in raised.value.message

"""Volumes in the database: who uses them, and files of an earlier schema."""

from __future__ import annotations

import sqlite3

import pytest
from plugrun.errors import Conflict, NoSuchVolume
from plugrun.model.image import Image, ImageName
from plugrun.model.record import replace
from plugrun.model.volume import Volume
from plugrun.store import database
from plugrun.store.metadata import Metadata

from tests.unit.cli.examples import container

ONE = replace(container("one"), id="1" * 64)
TWO = replace(container("two"), id="2" * 64)
IMAGE = Image(ONE.image, "sha256:" + "b" * 64, 5, "", "linux/amd64", ("l",), ("c",))
A, B, C = (Volume(name, 1, labels=(("k", name),)) for name in ("va", "vb", "vc"))


@pytest.fixture
def metadata(tmp_path):
    opened = Metadata(f"{tmp_path}/db")
    opened.add_image(IMAGE, [ImageName("docker.io/library/x:latest", IMAGE.id, "sha256:d")])
    opened.add_container(ONE)
    opened.add_container(TWO)
    yield opened
    opened.close()


def test_what_goes_in_comes_out(metadata):
    table = metadata.volumes
    assert table.add(B)
    assert table.add(A)
    assert not table.add(replace(A, labels=()))
    assert table.get("va") == A
    assert table.get("no") is None
    assert table.all() == [A, B]
    assert table.names() == {"va", "vb"}


def test_who_uses_what(metadata):
    table = metadata.volumes
    table.add(A)
    assert table.use(ONE.id, [A, B], []) == ["vb"]
    assert table.use(TWO.id, [], ["vb"]) == []
    table.add(C)
    assert table.unused() == {"vc"}
    assert sorted(table.users("vb")) == [ONE.id, TWO.id]
    with pytest.raises(Conflict, match=f"remove va: volume is in use - .{ONE.id}."):
        table.remove("va")
    assert table.remove("vc") == C
    with pytest.raises(NoSuchVolume, match="get vc: no such volume"):
        table.remove("vc")
    assert table.remove_unused(["va", "vb", "vc"]) == []
    metadata.remove_container(ONE.id)
    assert table.unused() == {"va"}
    assert table.remove_unused(["va", "vb"]) == ["va"]


def test_leaving(metadata):
    table = metadata.volumes
    table.use(ONE.id, [A, B], [])
    table.use(TWO.id, [C], ["vb"])
    # What others use stays, and what it never used, too.
    table.add(replace(A, name="vd"))
    assert table.leave(ONE.id, ["va", "vb", "vd"]) == ["va"]
    assert table.names() == {"vb", "vc", "vd"}
    assert table.leave(TWO.id, ["vb", "vc"]) == ["vb", "vc"]


def test_a_shared_volume_that_went_is_not_made_again(metadata):
    with pytest.raises(NoSuchVolume, match="get va: no such volume"):
        metadata.volumes.use(ONE.id, [B], ["va"])
    assert metadata.volumes.names() == set()


def test_a_file_of_schema_1_is_brought_to_this_one(tmp_path):
    path = f"{tmp_path}/db"
    old = sqlite3.connect(path)
    old.execute("PRAGMA journal_mode=WAL")
    old.executescript(database._SCHEMA + "PRAGMA user_version=1;")
    old.execute("INSERT INTO images VALUES ('sha256:old', '{}')")
    old.commit()
    old.close()
    for known in ([], [A]):
        opened = Metadata(path)
        assert opened.volumes.all() == known
        opened.volumes.add(A)
        opened.close()
    found = sqlite3.connect(path)
    assert found.execute("PRAGMA user_version").fetchone() == (database.SCHEMA_VERSION,)
    assert found.execute("SELECT id FROM images").fetchall() == [("sha256:old",)]
    fresh = Metadata(f"{tmp_path}/fresh")
    fresh.close()
    new = sqlite3.connect(f"{tmp_path}/fresh")
    shape = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
    assert found.execute(shape).fetchall() == new.execute(shape).fetchall()
    new.close()
    found.close()


def test_a_change_of_schema_that_fails_leaves_the_file(tmp_path, monkeypatch):
    path = f"{tmp_path}/db"
    Metadata(path).close()
    monkeypatch.setattr(database, "SCHEMA_VERSION", database.SCHEMA_VERSION + 1)
    broken = "CREATE TABLE fine (x TEXT); CREATE NONSENSE;"
    monkeypatch.setattr(database, "_STEPS", (*database._STEPS, broken))
    with pytest.raises(Exception, match="NONSENSE"):
        Metadata(path)
    monkeypatch.undo()
    opened = Metadata(path)
    assert opened.volumes.all() == []
    opened.close()

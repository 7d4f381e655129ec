"""An engine whose networks are all served by ``Wire``."""

from __future__ import annotations

import pytest
from plugrun.engine.engine import Engine
from plugrun.engine.request import GlobalOptions
from plugrun.interfaces.network import CONNECT, NETWORKS, PORTS
from plugrun.linux.filesystem import make_private
from plugrun.model.container import BackendChoice
from plugrun.model.image import ImageName

from tests.unit.engine.networks.wire import IMAGE, Wire


@pytest.fixture
def wire():
    return Wire(NETWORKS, PORTS, CONNECT)


@pytest.fixture
def engine(tmp_path, monkeypatch, wire):
    made = Engine(GlobalOptions(str(tmp_path), str(tmp_path)), f"{tmp_path}/r", f"{tmp_path}/run")
    make_private(made.root)
    make_private(made.run_root)
    choice = BackendChoice("wire", "1", "test")
    monkeypatch.setattr(Engine, "network_choice", lambda self: choice)
    monkeypatch.setattr(Engine, "network_named", lambda self, name: wire)
    told = []
    monkeypatch.setattr(Engine, "emit", lambda self, *event: told.append(event))
    made.told = told
    made.metadata.add_image(IMAGE, [ImageName("docker.io/library/x:latest", IMAGE.id, "sha256:d")])
    yield made
    made.close_metadata()

"""Pulls, over independent layers and over full trees."""

from __future__ import annotations

import pytest
from plugrun_storage_overlay.storage import OverlayStorage

from tests.registry import MadeImage, make_image
from tests.unit.engine.images.pulling import FullTrees, Source, TriedEngine
from tests.unit.engine.images.pulls.present import NAME, TARS


@pytest.fixture
def source():
    return Source()


@pytest.fixture(params=[OverlayStorage, FullTrees], ids=["independent", "one by one"])
def engine(request, tmp_path, source):
    made = TriedEngine(str(tmp_path), source, request.param)
    yield made
    made.close()


@pytest.fixture
def image(source) -> MadeImage:
    made = make_image(TARS)
    source.put(NAME, made)
    return made

"""Which kernel runs, by its own word."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from plugrun.linux.release import is_kernel


@pytest.mark.parametrize(
    ("release", "wanted", "is_there"),
    [
        ("6.12.0-1-amd64", (6, 12), True),
        ("6.9.3", (6, 12), False),
        ("7.0-rc1", (6, 12), True),
        ("5.19", (5, 19), True),
        ("5.4.0", (5, 19), False),
        ("6", (5, 19), True),
        ("odd.name", (5, 19), False),
    ],
)
def test_versions(monkeypatch, release: str, wanted: tuple[int, int], is_there: bool) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))
    assert is_kernel(*wanted) == is_there

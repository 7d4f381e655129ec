"""What is written, whatever letters are in it."""

from __future__ import annotations

import io
import sys

import pytest
from plugrun.cli import output


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain é", "plain é".encode()),
        ("bytes \udcff\udc80", b"bytes \xff\x80"),
        # Half of a pair, as an image's JSON may say it.
        ("half \ud800 \udfff \udcfe", "half \ufffd \ufffd ".encode() + b"\xfe"),
    ],
)
def test_any_text_can_be_written(monkeypatch, text, written):
    into = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(into, "utf-8"))
    output.line(text)
    assert into.getvalue() == written + b"\n"

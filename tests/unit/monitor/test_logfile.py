"""The log keeps every byte, in Docker's json-file format."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st
from plugrun.monitor.logfile import LONGEST, LogFile, timestamp


def read(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path, *pieces: tuple[str, bytes]) -> list[dict]:
    log = LogFile(str(path))
    for stream, data in pieces:
        log.write(stream, data)
    log.finish("stdout")
    log.finish("stderr")
    log.close()
    return read(path)


def test_a_line_is_an_object(tmp_path):
    found = write(
        tmp_path / "log", ("stdout", b"one\ntw"), ("stderr", b"x\n"), ("stdout", b"o\nend")
    )
    assert [(e["stream"], e["log"]) for e in found] == [
        ("stdout", "one\n"),
        ("stderr", "x\n"),
        ("stdout", "two\n"),
        ("stdout", "end"),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", e["time"]) for e in found)


def test_empty_lines_are_kept(tmp_path):
    assert [e["log"] for e in write(tmp_path / "log", ("stdout", b"\n\na\n"))] == [
        "\n",
        "\n",
        "a\n",
    ]


def test_long_lines_are_split_as_docker_does(tmp_path):
    found = write(tmp_path / "log", ("stdout", b"x" * (2 * LONGEST + 5) + b"\n"))
    assert [len(e["log"]) for e in found] == [LONGEST, LONGEST, 6]


def test_times_have_nanoseconds():
    assert timestamp(1_700_000_000_000_000_001) == "2023-11-14T22:13:20.000000001Z"


@given(
    st.lists(st.binary(max_size=40) | st.just(b"\n") | st.binary(min_size=16000, max_size=17000))
)
def test_every_byte_comes_back(tmp_path_factory, pieces):
    path = tmp_path_factory.mktemp("log") / "log"
    found = write(path, *(("stdout", piece) for piece in pieces))
    back = b"".join(e["log"].encode("utf-8", "surrogateescape") for e in found)
    assert back == b"".join(pieces)


def test_a_log_is_bounded(tmp_path):
    path = tmp_path / "log"
    log = LogFile(str(path), largest=1000)
    for number in range(100):
        log.write("stdout", b"line %d\n" % number)
    log.close()
    assert path.stat().st_size <= 1000
    kept = [e["log"] for e in read(tmp_path / "log.1") + read(path)]
    assert kept == [f"line {n}\n" for n in range(100 - len(kept), 100)]
    assert len(kept) > 10
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log", "log.1"]

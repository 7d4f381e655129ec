"""The log keeps every byte, in Docker's json-file format."""

from __future__ import annotations

import json
import os
import re
import resource
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.engine.logs.text import entries, output
from plugrun.monitor.logfile import LONGEST, LogFile, timestamp

HUGE = st.integers(1, 20_000)
ATTRS = ["", '{"a":"b"}', '{"stream":"\\",\\"stream\\":\\"","time":"x"}']


def read(path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def write(path, *pieces: tuple[str, bytes], attrs: str = "") -> list[dict]:
    log = LogFile(str(path), largest=1 << 30, attrs=attrs)
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


# Whatever a program may write: its own escapes, other alphabets, binary, and long lines.
PIECE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"\n", b"\\", b"\\n", b"\\n\n", b'"', b'","stream":"stdout","time":"', b"\x1b[1m\t\r\n"]
    ),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.builds(lambda unit, times: unit * times, st.binary(min_size=1, max_size=3), HUGE),
)


@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), PIECE)), st.sampled_from(ATTRS))
def test_every_byte_comes_back(tmp_path_factory, pieces, attrs):
    path = tmp_path_factory.mktemp("log") / "log"
    found = write(path, *pieces, attrs=attrs)
    wanted = {
        name: b"".join(piece for stream, piece in pieces if stream == name)
        for name in ("stdout", "stderr")
    }
    data = path.read_bytes()
    lines = list(entries(data))
    assert [line.attrs.decode() for line in lines] == [attrs] * len(found)
    shown = list(output(data)) if data else []
    for name, all in wanted.items():
        texts = [e["log"] for e in found if e["stream"] == name]
        assert b"".join(t.encode("utf-8", "surrogateescape") for t in texts) == all
        assert b"".join(line.text for line in lines if line.stream == name) == all
        assert b"".join(text for stream, text in shown if stream == name) == all
        stamped = [text for stream, text in output(data, stamped=True) if stream == name]
        timed = [f"{line.time} ".encode() + line.text for line in lines if line.stream == name]
        assert b"".join(stamped) == b"".join(timed)


def test_the_order_of_streams_is_kept(tmp_path):
    path = tmp_path / "log"
    write(path, ("stdout", b"1\n2\n"), ("stderr", b"3\n"), ("stdout", b"4\n"))
    assert list(output(path.read_bytes())) == [
        ("stdout", b"1\n2\n"),
        ("stderr", b"3\n"),
        ("stdout", b"4\n"),
    ]


@pytest.mark.parametrize(
    "damage", [*(b"\0" * n for n in (*range(12), 33, 41, 99)), b'{"log":"cut sh', b"{}", b"{", b'"']
)
def test_what_a_power_failure_left_is_left_out(tmp_path, damage):
    path = tmp_path / "log"
    write(path, ("stdout", b"1\n"))
    with path.open("ab") as file:
        file.write(damage + b"\n")
    log = LogFile(str(path))
    log.write("stdout", b"2\n")
    log.close()
    data = path.read_bytes()
    assert b"".join(text for _, text in output(data)) == b"1\n2\n"
    assert b"".join(text for _, text in output(data[: data.rindex(b"{")])) == b"1\n"
    assert [line.text for line in entries(data)] == [b"1\n", b"2\n"]


@pytest.mark.parametrize("files", [1, 2, 3, 5])
@pytest.mark.parametrize("burst", [1, 7, 100])
def test_a_log_is_bounded(tmp_path, files, burst):
    path = tmp_path / "log"
    log = LogFile(str(path), largest=1000, files=files)
    for number in range(0, 700, burst):
        log.write("stdout", b"".join(b"line %d\n" % n for n in range(number, number + burst)))
    log.close()
    names = ["log", *(f"log.{n}" for n in range(1, files))]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    assert all((tmp_path / name).stat().st_size <= 1000 for name in names)
    kept = [e["log"] for name in reversed(names) for e in read(tmp_path / name)]
    assert kept == [f"line {n}\n" for n in range(700 - len(kept), 700)]
    assert len(kept) > 10 * (files - 1)


def test_a_line_longer_than_a_file_is_whole(tmp_path):
    path = tmp_path / "log"
    log = LogFile(str(path), largest=100, files=3)
    for text in (b"a\n", b"b" * 500 + b"\n", b"c\n"):
        log.write("stdout", text)
    log.close()
    found = [read(tmp_path / name) for name in ("log.2", "log.1", "log")]
    assert [[e["log"] for e in entries] for entries in found] == [
        ["a\n"],
        ["b" * 500 + "\n"],
        ["c\n"],
    ]


def test_a_full_disk_leaves_no_half_line(tmp_path):
    """/dev/full takes nothing; a file limit takes a part."""
    path = tmp_path / "log"
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (250, 250))
        log = LogFile(str(path))
        for number in range(10):
            log.write("stdout", b"line %d\n" % number)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert [e["log"] for e in read(path)] == ["line 0\n", "line 1\n", "line 2\n"]

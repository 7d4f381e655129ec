"""What a container is decided to be."""

from __future__ import annotations

import pytest
from plugrun.engine.create import command, merge_environment
from plugrun.engine.etcfiles import without_loopback
from plugrun.engine.names import random_name
from plugrun.engine.request import RunRequest
from plugrun.errors import InvalidArgument
from plugrun.linux.signalnames import signal_number
from plugrun.model.image import ImageConfig


def config(entrypoint: tuple[str, ...], cmd: tuple[str, ...]) -> ImageConfig:
    return ImageConfig(
        os="linux", architecture="amd64", variant="", created="", diff_ids=(),
        entrypoint=entrypoint, cmd=cmd, env=(), user="", working_dir="", stop_signal="",
        labels={}, volumes=(), exposed_ports=(), raw={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("image", "args", "entrypoint", "executed"),
    [
        ((("e",), ("c",)), (), None, ("e", "c")),
        ((("e",), ("c",)), ("a",), None, ("e", "a")),
        ((("e",), ("c",)), (), ("x",), ("x",)),
        ((("e",), ("c",)), ("a",), ("x",), ("x", "a")),
        ((("e",), ("c",)), ("a",), ("",), ("a",)),
        (((), ("c", "d")), (), None, ("c", "d")),
    ],
)
def test_entrypoint_and_command(image, args, entrypoint, executed):
    request = RunRequest(image="x", args=args, entrypoint=entrypoint)
    first, rest = command(request, config(*image))
    assert first + rest == executed


@pytest.mark.parametrize("entrypoint", [None, ("",)])
def test_no_command_is_an_error(entrypoint):
    with pytest.raises(InvalidArgument, match="no command specified"):
        command(RunRequest(image="x", entrypoint=entrypoint), config((), ()))


def test_environment_is_merged(monkeypatch):
    monkeypatch.setenv("TAKEN", "from here")
    monkeypatch.delenv("ABSENT", raising=False)
    given = ("B=2", "TAKEN", "ABSENT", "C=")
    assert merge_environment(("A=1", "B=1", "ABSENT=1"), given) == (
        "A=1",
        "B=2",
        "TAKEN=from here",
        "C=",
    )


def test_loopback_resolvers_are_left_out():
    given = "# x\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 10.0.0.1\nsearch lan\n"
    assert without_loopback(given) == "# x\nnameserver 10.0.0.1\nsearch lan\n"


@pytest.mark.parametrize(
    ("text", "number"),
    [("KILL", 9), ("SIGKILL", 9), ("sigterm", 15), ("9", 9), ("RTMIN", 34), ("RTMIN+3", 37)],
)
def test_signals_by_name(text, number):
    assert signal_number(text) == number


@pytest.mark.parametrize(
    "text", ["", "0", "65", "NOPE", "KILL+1", "RTMIN+99", "_IGN", "-9", "RTMIN-1"]
)
def test_what_is_no_signal(text):
    with pytest.raises(InvalidArgument):
        signal_number(text)


def test_names_are_two_words():
    assert all(len(random_name().split("_")) == 2 for _ in range(100))

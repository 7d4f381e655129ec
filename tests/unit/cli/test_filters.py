"""``ps --filter``."""

import pytest
from plugrun.cli.filters import containers_filter
from plugrun.errors import InvalidArgument
from plugrun.model.container import Status

from tests.unit.cli.examples import container

WEB = container("web", labels=(("a", "1"), ("b", "")), id="abc" + "0" * 61)
RUNNING = Status("running", 1)
EXITED = Status("exited", exit_code=3)


@pytest.mark.parametrize(
    ("filters", "status", "passes"),
    [
        ((), RUNNING, True),
        (("name=we",), RUNNING, True),
        (("name=^web$",), RUNNING, True),
        (("name=^/web$",), RUNNING, True),
        (("name=db",), RUNNING, False),
        (("name=db", "name=web"), RUNNING, True),
        (("NAME = web",), RUNNING, True),
        (("id=abc",), RUNNING, True),
        (("id=bc",), RUNNING, False),
        (("label=a",), RUNNING, True),
        (("label=a=1", "label=b"), RUNNING, True),
        (("label=a=2",), RUNNING, False),
        (("label=a", "label=z"), RUNNING, False),
        (("status=running",), RUNNING, True),
        (("status=exited",), RUNNING, False),
        (("status=exited", "status=running"), RUNNING, True),
        (("exited=3",), EXITED, True),
        (("exited=0",), EXITED, False),
        (("exited=0",), RUNNING, False),
        (("ancestor=debian",), RUNNING, True),
        (("ancestor=debian:12",), RUNNING, True),
        (("ancestor=aaaa",), RUNNING, True),
        (("ancestor=alpine",), RUNNING, False),
        (("network=none", "name=web"), RUNNING, True),
        (("network=host", "name=web"), RUNNING, False),
    ],
)
def test_filters(filters, status, passes):
    assert containers_filter(filters)(WEB, status) is passes


@pytest.mark.parametrize("text", ["foo=bar", "status=busy", "exited=x", "name=["])
def test_wrong_filters(text):
    with pytest.raises(InvalidArgument, match="invalid filter"):
        containers_filter([text])

"""Filters of events, as the real Docker applies them."""

from __future__ import annotations

import pytest
from plugrun.cli.eventfilter import events_filter
from plugrun.errors import InvalidArgument
from plugrun.model.event import Event

START = Event(
    "container", "start", "abc123", 1, {"name": "web", "image": "busybox:1", "tier": "front"}
)
EXEC = Event("container", "exec_start: ls -l", "abc123", 2, {"name": "web", "image": "busybox:1"})
PULL = Event("image", "pull", "busybox:1", 3, {"name": "busybox"})
EVENTS = (START, EXEC, PULL)


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        ([], EVENTS),
        (["type=image"], (PULL,)),
        (["type=image", "type=container"], EVENTS),
        (["container=abc"], (START, EXEC)),
        (["container=we"], (START, EXEC)),
        (["container=eb"], ()),
        (["event=start"], (START,)),
        (["event=exec_start"], (EXEC,)),
        (["event=pull", "event=start"], (START, PULL)),
        (["image=busybox"], EVENTS),
        (["image=busybox:1"], EVENTS),
        (["image=busy"], ()),
        (["label=tier"], (START,)),
        (["label=tier=front", "label=other"], ()),
        (["event=start", "type=image"], ()),
        (["scope=local"], EVENTS),
        (["volume=abc"], ()),
        (["network=abc"], ()),
    ],
)
def test_what_passes(texts, wanted):
    passes = events_filter(texts)
    assert tuple(event for event in EVENTS if passes(event)) == wanted


def test_an_unknown_filter_is_refused():
    with pytest.raises(InvalidArgument, match="invalid filter 'foo'"):
        events_filter(["foo=bar"])

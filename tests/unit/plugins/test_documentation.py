"""docs/plugins.md held against the code: every hook, every argument, every capability and name."""

from __future__ import annotations

import inspect
import os
import re

import plugrun.api
import pytest
from plugrun import hookspecs
from plugrun.interfaces import storage
from plugrun.model.container import Container
from plugrun.model.event import Event
from plugrun.plugins.finding import ALL_KINDS

_TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
_RECORDS = {"container": Container, "event": Event}


def page():
    with open(f"{_TOP}/docs/plugins.md", encoding="utf-8") as file:
        return file.read()


def rows(text, head):
    """Return the rows of the table whose first column is headed so."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(f"| {head} |"):
            break
    next(lines)
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def hooks():
    """Return the arguments of every hook, from the code."""
    return {
        name: list(inspect.signature(hook).parameters)
        for name, hook in vars(hookspecs).items()
        if name.startswith("plugrun_")
    }


def faults(text):
    """Return what a page says otherwise than the code."""
    known, found = hooks(), []
    told = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in rows(text, "hook")}
    found += [f"no hook {name}" for name in told.keys() - known.keys()]
    found += [f"hook {name} is left out" for name in known.keys() - told.keys()]
    for name in told.keys() & known.keys():
        if told[name] != known[name]:
            found.append(f"{name} takes {known[name]}, not {told[name]}")
    arguments = {argument for each in known.values() for argument in each}
    explained = {row[0].strip("`") for row in rows(text, "argument") if row[1]}
    found += [f"argument {name} is not explained" for name in arguments - explained]
    found += [f"no hook takes {name}" for name in explained - arguments]
    for row in rows(text, "argument"):
        record = _RECORDS.get(row[0].strip("`"))
        fields = re.findall(r"`([a-z_]+)`", row[1].partition(":")[2]) if record else ()
        found += [f"{row[0]} has no {f}" for f in fields if f not in record.__annotations__]
    return found


def test_every_hook_and_every_argument():
    assert faults(page()) == []


@pytest.mark.parametrize(
    ("was", "becomes", "fault"),
    [
        ("| `plugrun_event` |", "| `plugrun_evnt` |", "hook plugrun_event is left out"),
        ("| `event`, `options` |", "| `event` |", "plugrun_event takes"),
        ("| `server` | what", "| `servant` | what", "argument server is not explained"),
        ("`time_ns` |", "`time_s` |", "has no time_s"),
    ],
)
def test_a_page_that_says_otherwise_is_found_out(was, becomes, fault):
    text = page()
    assert was in text
    assert fault in "\n".join(faults(text.replace(was, becomes)))


def test_every_hook_s_own_text_stands_in_the_code():
    assert [name for name, hook in vars(hookspecs).items()
            if name.startswith("plugrun_") and not inspect.getdoc(hook)] == []  # fmt: skip


def test_every_group():
    named = set(re.findall(r"`plugrun\.(\w+)\.v1`", page()))
    assert named == set(ALL_KINDS)


def test_every_capability_of_storages():
    words = {
        value
        for name, value in vars(storage).items()
        if name.isupper() and f"``{value}``\n" in (storage.__doc__ or "")
    }
    assert len(words) >= 7
    assert {row[0].strip("`") for row in rows(page(), "capability")} == words


def test_every_name_that_is_said_to_be_offered_is():
    offered = re.search(r"What storages have in common.*?\n\n\| capab", page(), re.DOTALL)
    assert offered
    names = re.findall(r"`([A-Z][A-Za-z]+|[a-z]+_[a-z_]+)`", offered.group())
    methods = {*dir(plugrun.api.LayerStack), *dir(plugrun.api.SnapshotStore)}
    assert [n for n in names if not hasattr(plugrun.api, n) and n not in methods] == []

"""Records: the part of frozen dataclasses that this project uses."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.model.container import (
    BackendChoice,
    Container,
    container_from_json,
    container_to_json,
)
from plugrun.model.fence import DeviceMapping, Limits, Namespaces, Security, Ulimit
from plugrun.model.jsontext import dumps, loads
from plugrun.model.mountpoint import MountPoint
from plugrun.model.network import EndpointConfig, Port
from plugrun.model.record import as_json, record, replace
from plugrun.model.upkeep import HealthCheck, LogConfig, RestartPolicy

from tests.unit.cli.examples import container


@record
class Point:
    x: int
    y: int = 0
    kind: ClassVar[str] = "point"


@record
class Labelled(Point):
    label: str = ""


@record
class Checked:
    size: int

    def __post_init__(self):
        if self.size < 0:
            raise ValueError("negative")


def test_fields_by_position_by_name_and_by_default():
    assert Point(1, 2) == Point(1, y=2) == Point(x=1, y=2)
    assert Point(1).y == 0


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1})]
)
def test_wrong_fields_are_type_errors(args, kwargs):
    with pytest.raises(TypeError):
        Point(*args, **kwargs)


def test_it_is_frozen():
    point = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2
    with pytest.raises(AttributeError):
        del point.x
    with pytest.raises(AttributeError):
        point.other = 1


def test_equal_records_are_one_key():
    assert {Point(1): "a"}[Point(1, 0)] == "a"
    assert Point(1) != Point(2)
    assert Point(1, 0) != Labelled(1, 0)
    assert Point(1) != (1, 0)


def test_inheritance_adds_fields_at_the_end():
    assert repr(Labelled(1, 2, "c")) == "Labelled(x=1, y=2, label='c')"


def test_a_class_pattern_takes_it_apart():
    match Labelled(1, 2, "c"):
        case Labelled(x, y, label):
            assert (x, y, label) == (1, 2, "c")


def test_replace_changes_a_copy_and_checks_again():
    checked = Checked(1)
    assert replace(checked, size=2) == Checked(2)
    assert checked.size == 1
    with pytest.raises(ValueError, match="negative"):
        replace(checked, size=-1)
    with pytest.raises(TypeError):
        replace(checked, other=1)


def test_as_json_goes_all_the_way_down():
    assert as_json((Point(1), {"a": (Labelled(2, 3, "z"),)}, None)) == [
        {"x": 1, "y": 0},
        {"a": [{"x": 2, "y": 3, "label": "z"}]},
        None,
    ]


_TEXT = st.text(max_size=5)
_TEXTS = st.lists(_TEXT, max_size=3).map(tuple)


def _many(cls, *fields):
    return st.lists(st.builds(cls, *fields), max_size=2).map(tuple)


_SPECIAL = {
    "id": st.text("0123456789abcdef", min_size=64, max_size=64),
    "created_ns": st.integers(0),
    "stop_timeout": st.integers(),
    "limits": st.builds(
        Limits, *[st.integers(0)] * 4, ulimits=_many(Ulimit, _TEXT, st.integers(), st.integers())
    ),
    "security": st.builds(
        Security,
        cap_add=_TEXTS,
        devices=_many(DeviceMapping, _TEXT, _TEXT),
        sysctls=st.lists(st.tuples(_TEXT, _TEXT), max_size=2).map(tuple),
    ),
    "namespaces": st.builds(Namespaces, _TEXT),
    "restart": st.builds(RestartPolicy, _TEXT, st.integers()),
    "health": st.builds(HealthCheck, _TEXTS, st.integers()),
    "log": st.builds(LogConfig, _TEXT, st.lists(st.tuples(_TEXT, _TEXT), max_size=2).map(tuple)),
    "shm_size": st.integers(0),
    "mounts": _many(MountPoint, _TEXT, _TEXT, _TEXT),
    "endpoints": _many(EndpointConfig, _TEXT, _TEXT, _TEXT),
    "ports": _many(Port, st.integers(0, 65535), _TEXT, _TEXT, st.integers(0)),
    "labels": st.lists(st.tuples(_TEXT, _TEXT), max_size=2).map(tuple),
    **dict.fromkeys(
        ("entrypoint", "cmd", "env", "group_add", "attached", "dns", "dns_search", "dns_options",
         "extra_hosts", "exposed_ports", "volumes", "volumes_from"), _TEXTS),
    **dict.fromkeys(
        ("storage", "isolation", "net"), st.builds(BackendChoice, _TEXT, _TEXT, _TEXT)
    ),
    **{name: st.booleans() for name in
       ("tty", "open_stdin", "auto_remove", "detached", "read_only", "init", "stdin_once",
        "publish_all")},
}  # fmt: skip
_CONTAINERS = st.fixed_dictionaries(
    {name: _SPECIAL.get(name, _TEXT) for name in Container.__match_args__}
).map(lambda values: Container(**values))


def test_records_of_before_there_were_volumes_are_read():
    data = {"source": "/a", "target": "/b", "options": ["ro", "rshared"]}
    old = container_to_json(container())
    del old["mounts"]
    (point,) = container_from_json({**old, "binds": [data]}).mounts
    assert point == MountPoint(
        "bind", "/b", "/a", read_only=True, propagation="rshared", mode="ro,rshared",
        text="/a:/b:ro,rshared", create_source=True,
    )  # fmt: skip


@given(_CONTAINERS)
def test_a_container_comes_back_from_its_file(made):
    text = dumps(container_to_json(made))
    again = container_from_json({**loads(text), "from_a_later_version": 1})
    assert again == made
    assert hash(again) == hash(made)
    assert again.args == made.entrypoint + made.cmd
    assert again.short_id == made.id[:12]

"""IDs inside and outside of a user namespace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from plugrun.model import idmap
from plugrun.model.idmap import IdMap, IdRange

IDS = IdMap((IdRange(0, 1000, 10), IdRange(10, 5000, 5)), (IdRange(0, 2000, 10),))


def test_there_and_back() -> None:
    assert IDS.owner_outside(3, 4) == (1003, 2004)
    assert IDS.owner_outside(12, 12) == (5002, -1)
    assert IDS.owner_outside(15, 0) == (-1, 2000)
    assert IDS.owner_inside(5004, 2009) == (14, 9)
    assert IDS.owner_inside(0, 3000) == (65534, 65534)


@given(st.integers(0, 20))
def test_what_has_a_place_comes_back(uid: int) -> None:
    out = idmap.outside(IDS.uids, uid)
    assert (out < 0) == (uid >= 15)
    if out >= 0:
        assert idmap.inside(IDS.uids, out) == uid


def test_the_specs_form_and_procs() -> None:
    listed = idmap.ranges_in_spec(IDS.uids)
    assert listed[1] == {"containerID": 10, "hostID": 5000, "size": 5}
    assert idmap.ranges_of_spec(listed) == IDS.uids
    text = "         0       1000         10\n        10       5000          5\n"
    assert idmap.ranges_of_lines(text) == IDS.uids
    assert IDS.gid_rows == ((0, 2000, 10),)

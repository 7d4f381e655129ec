"""/etc/subuid and /etc/subgid, and the IDs that each container has alone."""

from __future__ import annotations

import pytest
from plugrun.engine.userns import auto, deciding, subids
from plugrun.errors import Conflict, InvalidArgument
from plugrun.model.idmap import IdRange


@pytest.fixture
def file(tmp_path):
    """Return a writer of a file of the format, which returns its path."""

    def write(text: str) -> str:
        path = tmp_path / "subuid"
        path.write_text(text)
        return str(path)

    return write


def test_ranges_follow_each_other_inside(file) -> None:
    path = file("ann:5:6\nbob:100000:65536\n# a comment\nbob:300000:10\n1000:400000:5\n")
    found = subids.ranges_of(path, ("bob", "1000"))
    assert found == (
        IdRange(0, 100000, 65536),
        IdRange(65536, 300000, 10),
        IdRange(65546, 400000, 5),
    )


def test_nobody_has_none(file, tmp_path) -> None:
    with pytest.raises(InvalidArgument, match="no subordinate IDs found for eve") as caught:
        subids.ranges_of(file("ann:5:6\n"), ("eve",))
    assert "eve:100000:65536" in caught.value.hint
    with pytest.raises(InvalidArgument):
        subids.ranges_of(str(tmp_path / "missing"), ("eve",))
    assert subids.ranges_of(str(tmp_path / "missing"), ("eve",), subids.OF_REMAP) == (
        subids.OF_REMAP,
    )


@pytest.mark.parametrize("line", ["bob", "bob:1", "bob:x:1", "bob:1:0", "bob:1:2:3", "bob:-1:5"])
def test_a_wrong_line_is_named(file, line: str) -> None:
    path = file(f"ann:1:2\n{line}\n")
    with pytest.raises(InvalidArgument, match=f"{path}:2"):
        subids.ranges_of(path, ("bob",))


def test_ids_end(file) -> None:
    subids.ranges_of(file("bob:4294967294:1\n"), ("bob",))
    with pytest.raises(InvalidArgument, match="end at 4294967294"):
        subids.ranges_of(file("bob:4294967294:2\n"), ("bob",))


def test_the_first_free(file) -> None:
    path = file("containers:100:30\ncontainers:200:50\n")

    def free(size: int, *taken: tuple[int, int]) -> int:
        ranges = [IdRange(0, first, count) for first, count in taken]
        found = auto._first_free(path, ranges, size)
        assert (found.inside, found.count) == (0, size)
        return found.outside

    assert free(10) == 100
    assert free(10, (100, 10), (120, 10)) == 110
    assert free(11, (100, 10), (120, 10)) == 200
    assert free(10, (95, 10)) == 105
    assert free(50, (100, 1)) == 200
    with pytest.raises(Conflict, match="no 51 IDs in a row are left for containers"):
        free(51)


def test_what_is_usual_is_apart() -> None:
    end = subids.OF_REMAP.outside + subids.OF_REMAP.count
    assert end <= subids.OF_AUTO.outside
    assert subids.OF_AUTO.outside + subids.OF_AUTO.count < 2**31


def test_numbers_and_names_of_an_account() -> None:
    assert deciding._names("root", group=False) == ["root", "0"]
    assert deciding._names("0", group=True) == ["root", "0"]
    assert deciding._names("nobody-knows", group=False) == ["nobody-knows"]
    assert deciding._names("9" * 30, group=False) == ["9" * 30]

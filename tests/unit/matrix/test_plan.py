"""From axes to cells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.errors import InvalidArgument
from plugrun.matrix.cell import Cell, Matrix
from plugrun.matrix.plan import cells_of, shard

AXES = (("storage", ("overlay", "cow")), ("python", ("3.11", "3.12")))


def names(matrix):
    return [cell.name for cell in cells_of(matrix)]


def test_every_combination_in_the_order_of_the_axes():
    assert names(Matrix(axes=AXES)) == [
        "overlay-python=3.11",
        "overlay-python=3.12",
        "cow-python=3.11",
        "cow-python=3.12",
    ]


def test_a_cell_with_all_excluded_values_is_out_and_included_ones_come_last():
    matrix = Matrix(
        axes=AXES,
        exclude=((("storage", "cow"), ("python", "3.12")),),
        include=((("storage", "fuse"),), (("storage", "overlay"), ("python", "3.11"))),
    )
    found = names(matrix)
    assert "cow-python=3.12" not in found
    assert found[-1] == "fuse"
    assert len(found) == len(set(found)) == 4  # one that is there already is not there twice


def test_required_and_through_are_by_values():
    through = (((("storage", "cow"),), ("vm", "--")),)
    matrix = Matrix(axes=AXES, require=((("python", "3.11"),),), through=through)
    cells = cells_of(matrix)
    assert [cell.required for cell in cells] == [True, False, True, False]
    assert [cell.through for cell in cells] == [(), (), ("vm", "--"), ("vm", "--")]


def test_nothing_left_is_an_error():
    with pytest.raises(InvalidArgument, match="no cell"):
        cells_of(Matrix(axes=(("a", ("b",)),), exclude=((("a", "b"),),)))


def test_names_are_good_for_files_and_told_apart():
    found = names(Matrix(axes=(("image", ("a/b", "a:b")),)))
    assert found == ["image=a_b", "image=a_b.2"]


@given(st.integers(1, 30), st.integers(1, 12))
def test_all_shards_together_are_all_cells_once(count, parts):
    cells = [Cell(str(number), ()) for number in range(count)]
    dealt = [cell for part in range(1, parts + 1) for cell in shard(cells, f"{part}/{parts}")]
    assert sorted(dealt, key=lambda cell: int(cell.name)) == cells


@pytest.mark.parametrize("said", ["", "1", "0/2", "3/2", "a/b", "1/", "/2", "-1/2", "1/2/3"])
def test_shards_of_a_wrong_form(said):
    with pytest.raises(InvalidArgument, match="shard"):
        shard([Cell("a", ())], said)


@pytest.mark.parametrize("value", ["..", ".", "", "a" * 400, "a/../b", "\n"])
def test_a_cell_is_named_as_a_file_may_be(value):
    [name] = names(Matrix(axes=(("storage", (value,)),)))
    assert name.strip(".")
    assert len(name) < 250
    assert not set(name) & set("/\n")


def test_no_two_cells_have_one_name():
    found = names(Matrix(axes=(("x", ("a/b", "a_b", "a_b.2", "a b")),)))
    assert len(set(found)) == 4


def test_a_matrix_of_millions_is_refused():
    many = tuple(str(number) for number in range(1000))
    with pytest.raises(InvalidArgument, match="1000000 cells"):
        cells_of(Matrix(axes=(("a", many), ("b", many))))

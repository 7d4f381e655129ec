"""From the words of a command line to cells."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plugrun.errors import ConfigError, UsageError
from plugrun.matrix.emit import FORMS, emit
from plugrun.matrix.selection import Wanted, select
from plugrun.model.record import replace

TEXT = """
matrix: {storage: [overlay, cow], python: ["3.11", "3.12"]}
include: [{tests: unit, python: ["3.11", "3.12", "3.13"]}]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(TEXT)
    return str(path)


def cells(wanted):
    return select(wanted, "", {})[1]


def names(wanted):
    return [cell.name for cell in cells(wanted)]


def test_cells_of_the_command_line_alone():
    wanted = Wanted(include=("storage=cow,flavour=sweet", "storage=fuse"))
    assert names(wanted) == ["cow-flavour=sweet", "fuse"]


def test_to_a_files_cells_come_some_and_others_go(file):
    wanted = Wanted(matrix=file, include=("storage=fuse",), exclude=("python=3.12", "storage=cow"))
    assert names(wanted) == [
        "overlay-python=3.11", "tests=unit-python=3.11", "tests=unit-python=3.13", "fuse",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("matrix: {profile: [default,\n  nope]}", "2:3"),
        ("matrix: {profile: [nope], storage: [cow]}", "1:20"),
        ("matrix: {storage: [cow]}\nextends: nope", "2:1"),
    ],
)
def test_a_profile_of_the_file_that_is_not_here(tmp_path, text, where):
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        cells(Wanted(matrix=str(path)))
    assert caught.value.message == f'{path}:{where}: unknown profile "nope"'
    assert "default" in caught.value.hint
    # The jobs that are printed are for other machines.
    assert select(Wanted(matrix=str(path)), "", {}, elsewhere=True)[1]


@pytest.mark.parametrize(
    "more", ["through: [{when: {profile: nope}, command: [vm]}]", "exclude: [{profile: nope}]"]
)
def test_a_profile_of_no_cell_that_runs_here_may_be_elsewhere(tmp_path, more):
    path = tmp_path / "m.yaml"
    path.write_text(f"matrix: {{profile: [default, nope]}}\n{more}\n")
    assert "default" in names(Wanted(matrix=str(path)))


def test_a_profile_of_the_command_line_that_is_not_here():
    with pytest.raises(ConfigError) as caught:
        cells(Wanted(profiles=("default,fues",)))
    assert caught.value.message == (
        '--profiles fues: unknown profile "fues" (did you mean "fuse"?)'
    )


@pytest.mark.parametrize("said", ["cell=x", "a=1,A=2"])
def test_an_axis_whose_variable_is_had_is_refused(said):
    with pytest.raises(UsageError, match="PLUGRUN_MATRIX_"):
        cells(Wanted(include=(said,)))


def test_a_profile_with_other_axes_is_adjusted_and_one_alone_is_taken_as_it_is(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("profile: own\nprofiles: {own: {extends: default, storage: fuse}}\n")
    found = cells(
        Wanted(include=(f"profile={path},part=1", f"profile={path},storage=cow", "profile=cow"))
    )
    assert [(cell.config, cell.profile, cell.adjusted) for cell in found] == [
        (str(path), "", False),
        (str(path), "", True),
        ("", "cow", False),
    ]
    assert [cell.value("profile") for cell in found] == ["own", "own", "cow"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(), "name the cells"),
        (Wanted(include=("a",)), "invalid cell"),
        (Wanted(include=("profile=none/*.yaml",)), "no such file"),
        (Wanted(include=("a=b",), exclude=("c=d",)), 'no cell has the axis "c"'),
        (Wanted(include=("a=b",), exclude=("a=b",)), "leaves no cell"),
        (Wanted(include=("a=b",), shard="2"), "invalid shard"),
        (Wanted(include=("storage=overly",)), 'no storage plugin "overly".*did you mean "overlay"'),
        (Wanted(include=("a=b,isolation=foo",)), 'isolation=foo: no isolation plugin "foo"'),
        (Wanted(include=("profile=foo",)), '--include profile=foo: unknown profile "foo"'),
        (Wanted(include=("profile=cow",), exclude=("profile=foo",)), 'unknown profile "foo"'),
        (Wanted(include=("network=foo",)), 'no network plugin "foo"'),
        (Wanted(include=("storage=cow",), exclude=("storage=foo",)), "storage=foo: no storage"),
    ],
)
def test_mistakes_are_of_the_command_line(wanted, words):
    with pytest.raises(UsageError, match=words):
        select(wanted, "", {})


def test_what_is_not_installed_here_may_be_elsewhere(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(
        "matrix: {storage: [theirs, cow]}\n"
        "include: [{storage: third}]\n"
        "through: [{when: {storage: far}, command: [ssh, there]}]\n"
    )
    wanted = Wanted(
        matrix=str(path),
        include=("storage=theirs,a=b", "storage=third,a=b", "storage=far"),
        exclude=("storage=third", "storage=fuse"),
    )
    assert names(wanted) == ["theirs", "cow", "theirs-a=b", "far"]
    wanted = Wanted(include=("profile=cow", "profile=fuse"), exclude=("profile=fuse",))
    assert names(wanted) == ["cow"]
    wanted = Wanted(include=("storage=foo",))
    assert [cell.name for cell in select(wanted, "", {}, elsewhere=True)[1]] == ["foo"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 9), excluded=st.sets(st.sampled_from(["3.11", "3.12", "3.13"])))
def test_shards_of_any_number_cover_every_cell_once(file, count, excluded):
    wanted = Wanted(
        matrix=file,
        include=("tests=lint",),
        exclude=tuple(f"python={version}" for version in excluded),
    )
    whole = names(wanted)
    dealt = [
        name
        for part in range(1, count + 1)
        for name in names(replace(wanted, shard=f"{part}/{count}"))
    ]
    assert sorted(dealt) == sorted(whole)


def test_each_emitted_job_is_the_shard_that_has_its_cell_and_no_other(file):
    wanted = Wanted(matrix=file, exclude=("storage=cow",))
    for job in json.loads(emit(cells(wanted), "json", wanted.words)):
        assert names(replace(wanted, shard=job["shard"])) == [job["cell"]]
    for form in FORMS:
        assert emit(cells(wanted), form, wanted.words)

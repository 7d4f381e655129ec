"""Matrix files, right and wrong."""

import pytest
from plugrun.config.reading import read_marked
from plugrun.errors import ConfigError, InvalidArgument
from plugrun.matrix.cell import Matrix
from plugrun.matrix.plan import cells_of
from plugrun.matrix.reading import doubtful, read_matrix, said_values

WHOLE = """
extends: fuse
command: [make, test]
env: {CI: "1"}
matrix:
  storage: [overlay, cow]
  python: [3.11, "3.12"]
  network: none
exclude:
  - {storage: cow, python: 3.12}
include:
  - storage: overlay
    kernel: "6.1"
require: {python: 3.11}
through:
  - when: {kernel: "6.1"}
    command: [vmrun, --]
"""


def read(tmp_path, text):
    path = tmp_path / "m.yaml"
    path.write_text(text)
    return read_matrix(str(path))


def test_all_keys(tmp_path):
    assert read(tmp_path, WHOLE) == Matrix(
        axes=(
            ("storage", ("overlay", "cow")),
            ("python", ("3.11", "3.12")),
            ("network", ("none",)),
        ),
        exclude=((("storage", "cow"), ("python", "3.12")),),
        include=((("storage", "overlay"), ("kernel", "6.1")),),
        require=((("python", "3.11"),),),
        places=(("fuse", f"{tmp_path}/m.yaml:2:1"),),
        through=(((("kernel", "6.1"),), ("vmrun", "--")),),
        extends="fuse",
        env=(("CI", "1"),),
        command=("make", "test"),
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("matrx: {a: [b]}", 1, 'unknown key "matrx" (did you mean "matrix"?)'),
        ("matrix:\n  a: []", 2, 'the axis "a" has no values'),
        ("matrix:\n  a: [b, b]", 2, "a value twice"),
        ("matrix:\n  a: [true]", 2, "must be text"),
        ("matrix:\n  a b: [c]", 2, "cannot be an axis"),
        ("matrix: [a]", 1, "must be a mapping"),
        ("matrix: {a: [b]}\nexclude:\n  - {aa: b}", 3, 'no axis "aa" (did you mean "a"?)'),
        ("matrix: {a: [b]}\nthrough:\n  - {when: {a: b}}", 3, 'needs the key "command"'),
        ("exclude: []", 1, "names no axis"),
        ("include:\n  - {a: []}", 2, 'the axis "a" has no values'),
        ("matrix: {profile: none/*.yaml}", 1, "none/*.yaml: no such file"),
        ("matrix:\n  cell: [a]", 2, '"cell" cannot be an axis: PLUGRUN_MATRIX_CELL is the cell'),
        ("matrix:\n  a: [b]\n  A: [c]", 3, 'the axes "a" and "A" would both be PLUGRUN_MATRIX_A'),
        ("include:\n- {a_b: c,\n   a-b: d}", 3, 'the axes "a_b" and "a-b"'),
        ("matrix: {a: [b]}\nrequire: false", 2, "must be a mapping"),
        ("matrix: {a: [b]}\nexclude: [{}]", 2, "names no value"),
        ('matrix: {a: [b]}\nenv: {"a=b": c}', 2, "cannot be a variable's name"),
        ("- a", 1, "must be a mapping"),
        ("matrix: {a: [b]", 1, "not YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, line, words):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert words in caught.value.message
    assert f"m.yaml:{line}" in caught.value.message or words == "not YAML"


@pytest.mark.parametrize("text", ["true", "[{}]", "{}", "[{a: b}, {}]"])
def test_every_cell_is_required(tmp_path, text):
    matrix = read(tmp_path, f"matrix: {{a: [b, c]}}\nrequire: {text}\n")
    assert [cell.required for cell in cells_of(matrix)] == [True, True]


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file(tmp_path, text):
    with pytest.raises(ConfigError, match="empty"):
        read(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_matrix(str(tmp_path / "none"))
    (tmp_path / "latin").write_bytes(b"matrix: \xe4")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_matrix(str(tmp_path / "latin"))


def test_no_value_holds_a_nul(tmp_path):
    with pytest.raises(ConfigError, match="NUL"):
        read(tmp_path, 'matrix: {x: ["a\\0b"]}\n')


def test_an_included_cell_with_several_values_is_a_product_of_its_own(tmp_path):
    found = read(tmp_path, "include: [{tests: unit, python: [3.11, 3.12]}, {tests: e2e}]\n")
    assert found.include == (
        (("tests", "unit"), ("python", "3.11")),
        (("tests", "unit"), ("python", "3.12")),
        (("tests", "e2e"),),
    )


def test_profiles_are_files_by_pattern_or_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text("")
    found = read(tmp_path, "matrix: {profile: ['[ot]*.yaml', default]}\n")
    assert found.axes == (("profile", ("one", "two", "default")),)
    assert dict(found.files) == {name: str(tmp_path / f"{name}.yaml") for name in ("one", "two")}
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/one.yaml").write_text("")
    with pytest.raises(ConfigError, match="both called one"):
        read(tmp_path, "matrix: {profile: [one.yaml, sub/one.yaml]}\n")


@pytest.mark.parametrize(
    ("axis", "meant"),
    [("storag", "storage"), ("Network", "network"), ("profiles", "profile"), ("cgroups", "cgroup")],
)
def test_an_axis_that_is_nearly_ours_is_doubted(axis, meant):
    [said] = doubtful([axis, "python", "storage"])
    assert f'"{axis}"' in said
    assert f'did you mean "{meant}"?' in said


@pytest.mark.parametrize("axis", ["python", "kernel", "image", "browser", "os", "isa"])
def test_an_axis_of_the_commands_own_is_not(axis):
    assert list(doubtful([axis])) == []


@pytest.mark.parametrize("text", ["", "a", "a=", "=b", "a b=c", "a=b,", "a=b,a=c"])
def test_cells_of_the_command_line_of_a_wrong_form(text):
    with pytest.raises(InvalidArgument, match="invalid cell"):
        said_values(text)


def test_aliases_do_not_grow_without_bound():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="aliases"):
        read_marked("\n".join(lines), "m.yaml")


@pytest.mark.parametrize("text", ["[" * 200_000, "a: " + "{b: " * 200_000, "- " * 200_000])
def test_what_is_nested_without_end_is_an_error(text):
    with pytest.raises(ConfigError, match="nested too deeply"):
        read_marked(text, "m.yaml")

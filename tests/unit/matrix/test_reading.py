"""Matrix files, right and wrong."""

import pytest
from plugrun.errors import ConfigError
from plugrun.matrix.cell import Matrix
from plugrun.matrix.reading import read_matrix

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
        ("- a", 1, "must be a mapping"),
        ("matrix: {a: [b]", 1, "not YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, line, words):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert words in caught.value.message
    assert f"m.yaml:{line}" in caught.value.message or words == "not YAML"


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

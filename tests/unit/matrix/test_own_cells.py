"""The cells of plugrun's own tests: all tests there are, none left out and none twice."""

from __future__ import annotations

import glob
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from plugrun.matrix.cell import Cell
from plugrun.matrix.plan import cells_of
from plugrun.matrix.reading import read_matrix

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def tool(name: str) -> ModuleType:
    path = f"{TOP}/tools/{name}"
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), path)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> tuple[Cell, ...]:
    monkeypatch.chdir(TOP)  # the matrix names the profiles' files from there
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return cells_of(read_matrix("tests/matrix.yaml"))


def files_of(cell: Cell) -> list[str]:
    words = tool("test-cell").chosen(dict(cell.axes))
    return [os.path.relpath(word, TOP) for word in words if not word.startswith("-")]


def test_each_profile_has_all_end_to_end_tests_once(cells: tuple[Cell, ...]) -> None:
    found: dict[str, Counter[str]] = {}
    for cell in cells:
        if cell.value("tests") == "end-to-end":
            found.setdefault(cell.config, Counter()).update(files_of(cell))
    files = glob.glob("tests/e2e/**/test_*.py", recursive=True)
    assert sorted(found) == sorted(map(os.path.abspath, glob.glob("config/profiles/*.yaml")))
    assert all(counted == Counter(files) for counted in found.values())


def test_no_folder_of_tests_is_left_out(cells: tuple[Cell, ...]) -> None:
    chosen = {path for cell in cells for path in files_of(cell)}
    chosen |= {f"tests/{kind}" for kind in tool("run-tests").ALSO}
    for path in glob.glob("tests/**/test_*.py", recursive=True):
        assert any(path == one or path.startswith(f"{one}/") for one in chosen), path


def run_cell(*words: str, **axes: str) -> subprocess.CompletedProcess[str]:
    own = {f"PLUGRUN_MATRIX_{name.upper()}": value for name, value in axes.items()}
    return subprocess.run(
        [sys.executable, f"{TOP}/tools/test-cell", *words],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )


def test_another_python_does_not_stand_for_one_that_is_missing() -> None:
    done = run_cell("--collect-only", "-k", "nothing", tests="unit", python="3.2")
    assert done.returncode == 1, done.stdout
    assert "there is no Python 3.2" in done.stderr


@pytest.mark.parametrize(("code", "returned"), [(0, 1), (3, 3)])
def test_an_end_in_the_middle_is_no_success(tmp_path: Path, code: int, returned: int) -> None:
    text = f"import os\n\ndef test_one(): pass\n\ndef test_two(): os._exit({code})\n"
    (tmp_path / "test_exit.py").write_text(text)
    place = os.path.relpath(tmp_path, f"{TOP}/tests")
    done = run_cell("-p", "no:cacheprovider", f"--rootdir={tmp_path}", tests=place)
    assert done.returncode == returned, done.stdout + done.stderr
    assert ("ended in the middle" in done.stdout) == (not code)
    (tmp_path / "test_exit.py").write_text("def test_one(): pass\n")
    assert run_cell("-p", "no:cacheprovider", f"--rootdir={tmp_path}", tests=place).returncode == 0

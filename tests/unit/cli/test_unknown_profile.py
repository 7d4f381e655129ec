"""A profile that there is not is refused by every command, whether it needs one or not."""

from __future__ import annotations

import os

import pytest
from plugrun.cli import main
from plugrun.cli.commands import by_path

# They have nothing to do with any profile, or say how to come to one.
WITHOUT = {"version", "completion", "plugin new", "plugin check"}
# Arguments, by the verb, for those that look at theirs first.
ARGUMENTS = {
    "container_prune": ["--force"],
    "cp": ["x:/a", "b"],
    "matrix": ["--profiles", "default", "--list"],
    "network_prune": ["--force"],
    "push": ["x:1"],
    "registry_referrers": ["x:1"],
    "registry_rm": ["x:1"],
    "storage_migrate": ["--all"],
    "update": ["--memory=1g", "x"],
    "volume_prune": ["--force"],
}


@pytest.mark.parametrize("path", sorted(by_path().keys() - WITHOUT))
def test_it_is_refused(path, capsys, monkeypatch, tmp_path):
    if os.geteuid() != 0:
        monkeypatch.setattr(os, "geteuid", lambda: 0)  # what is made lies below tmp_path
    monkeypatch.delenv("PLUGRUN_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    own = ["--root", str(tmp_path / "root"), "--run-root", str(tmp_path / "run")]
    table = by_path()[path]
    words = ARGUMENTS.get(table.verb, ["x"] * table.least)
    code = main.main([*own, "--profile", "nope", *path.split(), *words])
    said = capsys.readouterr()
    assert code == 125, said.err
    assert '--profile: unknown profile "nope"' in said.err
    assert "hint: there are: cow, default, " in said.err
    assert said.out == ""

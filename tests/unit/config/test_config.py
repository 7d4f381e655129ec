"""Profiles from YAML: order, extends, strictness, origins."""

from __future__ import annotations

import os
from pathlib import Path

import plugrun
import pytest
from plugrun.config import candidates, load_settings, show
from plugrun.errors import ConfigError

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """An empty machine: its own /etc, home and working directory."""
    monkeypatch.setattr("plugrun.config.SYSTEM_FILE", str(tmp_path / "etc/config.yaml"))
    for name in ("etc", "home/.config/plugrun", "work"):
        (tmp_path / name).mkdir(parents=True)
    return Machine(tmp_path)


class Machine:
    def __init__(self, root: Path) -> None:
        self.system = root / "etc/config.yaml"
        self.user = root / "home/.config/plugrun/config.yaml"
        self.local = root / "work/plugrun.yaml"
        self.explicit = root / "given.yaml"
        self.cwd = str(root / "work")
        self.environ = {"HOME": str(root / "home")}

    def load(self, config="", profile="", **environ):
        return load_settings(config, profile, {**self.environ, **environ}, self.cwd)

    def fails(self, text: str, **kwargs) -> ConfigError:
        self.local.write_text(text)
        with pytest.raises(ConfigError) as caught:
            self.load(**kwargs)
        return caught.value


def test_the_built_in_file_is_the_one_in_the_repository():
    built_in = Path(plugrun.__file__).with_name("default.yaml").read_text()
    assert built_in == (REPOSITORY / "config/default.yaml").read_text()


@pytest.mark.parametrize("cell", sorted((REPOSITORY / "config/profiles").glob("*.yaml")))
def test_every_cell_of_the_test_matrix_resolves(cell, machine):
    settings = machine.load(str(cell))
    assert settings.profile.name == cell.stem


def test_without_files_the_default_profile_is_used(machine):
    settings = machine.load()
    assert settings.profile.name == "default"
    assert settings.profile.storage == ("overlay",)
    assert settings.profile.transport == ("registry", "archive", "host")
    assert settings.origins["storage"] == "built-in"
    assert not any(file.exists for file in settings.files)


def test_later_files_win_key_by_key(machine):
    machine.system.write_text("profiles:\n  default:\n    storage: a\n    network: x\n")
    machine.user.write_text("profiles:\n  default:\n    storage: b\n")
    machine.local.write_text("profiles:\n  default:\n    storage: [c, d]\n")
    settings = machine.load()
    assert settings.profile.storage == ("c", "d")
    assert settings.profile.network == ("x",)
    assert settings.origins["storage"] == f"{machine.local}:3"
    assert settings.origins["network"] == f"{machine.system}:4"
    machine.explicit.write_text("profiles: {default: {storage: e}}")
    assert machine.load(str(machine.explicit)).profile.storage == ("e",)


def test_options_are_merged_down_to_one_key(machine):
    machine.system.write_text(
        "profiles: {default: {options: {transport: {registry: {insecure: [a], retries: 3}}}}}"
    )
    machine.local.write_text(
        "profiles:\n  default:\n    options:\n      transport:\n        registry:\n"
        "          insecure: [b]\n"
    )
    settings = machine.load()
    options = settings.profile.options_of("transport", "registry")
    assert options == {"insecure": ["b"], "retries": 3}
    dotted = "options.transport.registry.insecure"
    assert settings.origins[dotted] == f"{machine.local}:6"


def test_userns_is_one_word(machine):
    assert machine.load().profile.userns == ""
    machine.system.write_text("profiles:\n  default:\n    userns: auto\n")
    machine.local.write_text("profiles:\n  default:\n    userns: ann:staff\n")
    settings = machine.load()
    assert settings.profile.userns == "ann:staff"
    assert settings.origins["userns"] == f"{machine.local}:3"
    assert "    userns: ann:staff\n" in show(settings)


def test_extends_lays_one_profile_over_another(machine):
    machine.local.write_text(
        "profile: c\nprofiles:\n  b: {extends: default, storage: s}\n"
        "  c: {extends: b, network: n}\n"
    )
    profile = machine.load().profile
    assert (profile.name, profile.storage, profile.network) == ("c", ("s",), ("n",))
    assert profile.isolation == ("ns",)


@pytest.mark.parametrize("word", ["profile", "environ"])
def test_the_profile_is_chosen_by_flag_then_environment_then_file(machine, word):
    machine.local.write_text(
        "profile: c\nprofiles:\n  b: {extends: default}\n  c: {extends: default}\n"
        "  d: {extends: default}\n"
    )
    assert machine.load().profile.name == "c"
    assert machine.load(PLUGRUN_PROFILE="b").profile.name == "b"
    assert machine.load(profile="d", PLUGRUN_PROFILE="b").profile.name == "d"
    assert machine.load().profiles == ("b", "c", "cow", "d", "default", "fuse", "overlay")


def test_xdg_config_home_moves_the_users_file(machine, tmp_path):
    found = candidates("", {"XDG_CONFIG_HOME": str(tmp_path), "HOME": "/h"}, "/w")
    assert found[1].path == f"{tmp_path}/plugrun/config.yaml"
    relative = candidates("", {"XDG_CONFIG_HOME": "x", "HOME": "/h"}, "/w")
    assert relative[1].path == "/h/.config/plugrun/config.yaml"
    assert len(candidates("", {}, "/w")) == 2


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("profil: x\n", ":1:1", ['unknown key "profil"', 'did you mean "profile"']),
        (
            "profiles:\n  default:\n    storge: overlay\n",
            ":3:5",
            ['unknown key "storge" of profile "default"', 'did you mean "storage"'],
        ),
        ("profiles:\n  a: {extends: default}\n  a: {}\n", ":3:3", ['"a" is here twice', ":2:3"]),
        ("profile: no\n", ":1:1", ["must be text", "true or false", "quote it"]),
        ("profiles:\n  default:\n    storage: 1\n", ":3:5", ["must be text, found a number (1)"]),
        ("profiles:\n  default:\n    storage: []\n", ":3:5", ["names nothing"]),
        ("profiles:\n  default:\n    storage:\n    - a\n    - a\n", ":5:7", ['"a" twice']),
        ("profiles:\n  default:\n    hooks: [{}]\n", ":3:13", ["must be text, found a mapping"]),
        ("profiles: [a]\n", ":1:1", ['"profiles" must be a mapping, found a list']),
        ("- a\n", ":1:1", ["the document must be a mapping"]),
        ("profile: default\n---\nprofile: x\n", ":2:1", ["not YAML"]),
        ("profiles: {default: [\n", ":2:1", ["not YAML"]),
        ("profile: nix\n", ":1:1", ['unknown profile "nix"']),
        ("profile: defalt\n", ":1:1", ['did you mean "default"']),
        ("profiles:\n  default: {extends: nix}\n", ":2:13", ['unknown profile "nix"']),
        (
            "profiles:\n  default: {extends: b}\n  b: {extends: default}\n",
            ":3:7",
            ["in a circle: default -> b -> default"],
        ),
        ("profiles:\n  default:\n    options: {disk: {}}\n", ":3:15", ['unknown key "disk"']),
        ("profiles:\n  default:\n    options: {storage: {overlay: 3}}\n", ":3:25", ["a mapping"]),
        ("profiles:\n  default:\n    userns: [a]\n", ":3:5", ['"userns"', "must be text"]),
        ("profiles:\n  default:\n    userns: 1000\n", ":3:5", ["must be text, found a number"]),
        ("profiles: &a {default: *a}\n", ":", ["nested too deeply"]),
        ("? [a]\n: b\n", ":1:3", ["a key must be a word"]),
        ("profile: !!python/object:os.system x\n", ":1:1", ["could not determine a constructor"]),
        ("profile: 2020-01-01\n", ":1:1", ["a date is no setting"]),
    ],
)
def test_a_wrong_document_is_refused_with_its_place(machine, text, place, words):
    error = machine.fails(text)
    assert error.message.startswith(f"{machine.local}{place}"), error.message
    for word in words:
        assert word in error.message


def test_an_unknown_profile_from_outside_is_refused(machine):
    assert machine.fails("", profile="x").message == '--profile: unknown profile "x"'
    for said in ("", "defaul"):  # by its own, and as a command line hands it on
        error = machine.fails("", profile=said, PLUGRUN_PROFILE="defaul")
        assert error.message.startswith("PLUGRUN_PROFILE: ")


def test_a_profile_must_be_complete(machine):
    error = machine.fails("profile: x\nprofiles: {x: {storage: a}}\n")
    assert error.message == 'profile "x" names no isolation'
    assert "extends: default" in error.hint


def test_the_explicit_file_must_exist(machine):
    with pytest.raises(
        ConfigError, match=r"nix\.yaml: no such file \(named by --config or PLUGRUN_CONFIG\)"
    ):
        machine.load("nix.yaml")


def test_a_folder_or_binary_file_is_refused(machine):
    machine.system.mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        machine.load()
    machine.system.rmdir()
    machine.system.write_bytes(b"profile: \xff")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 9"):
        machine.load()


@pytest.mark.skipif(os.geteuid() != 0, reason="chown needs root")
def test_a_strangers_local_file_is_refused(machine):
    machine.local.write_text("profile: default\n")
    os.chown(machine.local, 4711, 0)
    with pytest.raises(ConfigError, match="belongs to user 4711"):
        machine.load()
    assert machine.load(SUDO_UID="4711").profile.name == "default"


def test_a_local_file_everybody_may_write_is_refused(machine):
    machine.local.write_text("profile: default\n")
    machine.local.chmod(0o666)
    with pytest.raises(ConfigError, match="everybody may write to it"):
        machine.load()


def test_show_gives_a_document_that_means_the_same(machine):
    machine.user.write_text(
        "profile: mine\nprofiles:\n  mine:\n    extends: default\n    hooks: [b, 'a: c']\n"
        "    userns: default\n"
        "    options: {transport: {registry: {insecure: ['[::1]:5000'], on: true}}}\n"
    )
    settings = machine.load()
    for origin in (False, True):
        machine.explicit.write_text(show(settings, origin))
        assert machine.load(str(machine.explicit)).profile == settings.profile
    assert f"# {machine.user}:5" in show(settings, True)
    assert "# built-in" in show(settings, True)
    assert "#" not in show(settings)

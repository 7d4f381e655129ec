"""Finding and loading plugins; every way one can be wrong."""

from __future__ import annotations

import sys

import pytest
from plugrun.errors import PluginError
from plugrun.plugins import find, load


def broken(kind: str, name: str) -> PluginError:
    with pytest.raises(PluginError) as caught:
        load(kind, [name])
    return caught.value


def test_find_imports_nothing(site):
    site.backend("storage", "bomb", "raise SystemExit('imported')")
    [found] = [f for f in find("storage") if f.name == "bomb"]
    assert (found.distribution, found.version, found.api_version) == ("plugrun-bomb", "1.0", 1)
    assert found.fits
    assert "thirdparty_storage_bomb" not in sys.modules


def test_the_built_in_ones_stand_in_the_same_groups():
    assert "overlay" in [f.name for f in find("storage")]


def test_load_returns_plugins_in_the_order_asked(site):
    for name in ("one", "two", "three"):
        site.backend("hooks", name)
    loaded = load("hooks", ["three", "one", "two"])
    assert [p.name for p in loaded] == ["three", "one", "two"]
    assert loaded[0].hooks == {"plugrun_adjust_spec": ("spec",)}


def test_a_broken_plugin_that_is_not_named_harms_nothing(site):
    site.backend("storage", "bomb", "raise RuntimeError('boom')")
    site.backend("storage", "good")
    assert [p.name for p in load("storage", ["good"])] == ["good"]


def test_a_missing_one_is_told_with_the_nearest_name():
    error = broken("storage", "overly")
    assert 'no storage plugin "overly" is installed (did you mean "overlay"?)' in error.message
    assert error.hint == '"plugrun plugins" lists what is installed, and whether it works here'


@pytest.mark.parametrize(("name", "is_told"), [("zfs", True), ("zfs; rm", False), ("-zfs", False)])
def test_what_to_install_is_told_where_no_name_is_near_and_it_can_be_one(name, is_told):
    error = broken("storage", name)
    assert "did you mean" not in error.message
    assert ("pip install plugrun-zfs" in error.hint) == is_told
    assert "plugrun plugins" in error.hint


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
        ("assert False, 'no'", "AssertionError"),
        ("raise SystemExit(3)", "SystemExit"),
    ],
)
def test_a_failing_import_is_told_with_its_distribution(site, text, cause):
    site.backend("storage", "bomb", text)
    error = broken("storage", "bomb")
    assert cause in error.message
    assert 'storage plugin "bomb" of plugrun-bomb 1.0' in error.message
    assert "thirdparty_storage_bomb" in error.message


def test_a_hook_that_does_not_exist_is_refused(site):
    site.backend("storage", "slip", "def plugrun_open_storge(root): pass")
    error = broken("storage", "slip")
    assert "plugrun-slip 1.0" in error.message
    assert "plugrun_open_storge" in error.message


def test_an_argument_that_does_not_exist_is_refused(site):
    site.backend("storage", "slip", "def plugrun_open_storage(rot): pass")
    assert "rot" in broken("storage", "slip").message


def test_a_plugin_without_its_kinds_hook_is_refused(site):
    site.backend("storage", "other", "def plugrun_open_network(state): pass")
    assert "has no function plugrun_open_storage" in broken("storage", "other").message


def test_a_wrapper_is_refused(site):
    text = """
    import pluggy
    @pluggy.HookimplMarker("plugrun")(wrapper=True)
    def plugrun_open_storage(root):
        return (yield)
    """
    site.backend("storage", "wraps", text)
    assert "as a wrapper" in broken("storage", "wraps").message


def test_another_api_version_is_seen_without_importing(site):
    site.install("plugrun-new", "[plugrun.storage.v2]\nnew = thirdparty_new\n")
    site.install("plugrun-old", "[plugrun.storage.v0]\nold = thirdparty_old\n")
    error = broken("storage", "new")
    assert "made for version 2 of the plugin API; this plugrun has version 1" in error.message
    assert error.hint == "pip install --upgrade plugrun"
    assert broken("storage", "old").hint == "pip install --upgrade plugrun-old"


def test_two_distributions_with_one_name_are_refused(site):
    site.backend("storage", "twin")
    groups = "[plugrun.storage.v1]\ntwin = elsewhere\n"
    site.install("plugrun-twin-b", groups, elsewhere="raise RuntimeError")
    error = broken("storage", "twin")
    assert "plugrun-twin 1.0 and plugrun-twin-b 1.0" in error.message
    assert "pip uninstall" in error.hint


def test_the_first_of_two_copies_on_the_path_counts(site, tmp_path, monkeypatch):
    site.backend("storage", "copied")
    other = type(site)(tmp_path / "other")
    other.folder.mkdir()
    other.install("plugrun-copied", "[plugrun.storage.v1]\ncopied = nowhere\n", "2.0")
    sys.path.append(str(other.folder))
    try:
        [plugin] = load("storage", ["copied"])
    finally:
        sys.path.remove(str(other.folder))
    assert plugin.found.version == "1.0"


def test_a_plugin_may_be_an_object(site):
    text = """
    class Plugin:
        def plugrun_open_transport(self, address, options):
            return (address, options)
    plugin = Plugin()
    """
    groups = "[plugrun.transport.v1]\nobj = thirdparty_obj:plugin\n"
    site.install("plugrun-obj", groups, thirdparty_obj=text)
    [plugin] = load("transport", ["obj"])
    assert plugin.hooks == {"plugrun_open_transport": ("address", "options")}


def test_nothing_is_written_to_the_home_directory(site, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home/cache"))
    site.backend("storage", "good")
    load("storage", ["good"])
    assert not (tmp_path / "home").exists()


def test_hooks_need_one_of_their_two(site):
    site.backend("hooks", "idle", "x = 1")
    error = broken("hooks", "idle")
    assert "has no function plugrun_adjust_spec or plugrun_event" in error.message


def test_damaged_metadata_harms_nothing(site):
    info = site.backend("storage", "torn")
    (info / "METADATA").unlink()
    assert [f.distribution for f in find("storage") if f.name == "torn"] == ["?"]

"""The index of the hot path: the same as the truth, and never older than it."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
import time

import pytest
from plugrun import launchindex
from plugrun.errors import BackendUnavailable, ConfigError, PluginError, UsageError
from plugrun.launchindex import open_backends, rescan
from plugrun.model.event import Event
from plugrun.plugins import indexing, load

from tests.unit.plugins.conftest import FAILS_PROBE, PROBED

PROFILE = """
profile: test
profiles:
  test:
    storage: {storage}
    isolation: cell
    transport: [first, second]
    network: wire
    hooks: [seer, loud]
"""
TRANSPORT = """
def plugrun_open_transport(address, options):
    scheme = __name__.rpartition("_")[2] + ":"
    return (scheme, address) if address.startswith(scheme) else None
"""
LOUD = """
def plugrun_adjust_spec(spec, container):
    spec["seen"].append((__name__, container))

def plugrun_event(event):
    raise ValueError("deaf")
"""
AN_HOUR = 3600 * 10**9


class Bench:
    """A profile with third-party plugins alone, and a way to open it."""

    def __init__(self, folder, site) -> None:
        self.folder, self.site = folder, site
        self.root, self.run_root = str(folder / "root"), str(folder / "run")
        self.config = folder / "c.yaml"
        self.environ: dict[str, str] = {}
        site.backend("storage", "disk")
        site.backend("isolation", "cell")
        site.backend("network", "wire")
        site.backend("transport", "first", TRANSPORT)
        site.backend("transport", "second", TRANSPORT)
        site.backend("hooks", "seer", LOUD.replace("def plugrun_event", "def other"))
        site.backend("hooks", "loud", LOUD)
        self.write()

    def write(self, storage="disk", more="") -> None:
        self.config.write_text(PROFILE.format(storage=storage) + more)
        self.settle()

    def settle(self) -> None:
        """Let everything look as if it had changed long ago; each time at another moment."""
        self.moment = getattr(self, "moment", time.time_ns() - AN_HOUR) + 10**9
        paths = [self.config, self.site.folder, *self.site.folder.iterdir()]
        for path in paths:
            os.utime(path, ns=(self.moment, self.moment))

    def open(self, profile=""):
        return open_backends(
            self.root, self.run_root, str(self.config), profile, self.environ, str(self.folder)
        )

    def choose(self, kind="storage"):
        return self.open().choose(kind, f"{self.root}/{kind}")


@pytest.fixture
def bench(tmp_path, site, monkeypatch):
    monkeypatch.setattr("plugrun.config.SYSTEM_FILE", str(tmp_path / "etc.yaml"))
    # The real path entries may have been touched a moment ago by whoever works on this checkout.
    monkeypatch.setattr(launchindex, "_TICK_NS", 0)
    return Bench(tmp_path, site)


@pytest.fixture
def built(monkeypatch):
    """How often the truth was asked."""
    calls = []
    real = indexing.build

    def build(*args):
        calls.append("build")
        return real(*args)

    monkeypatch.setattr(indexing, "build", build)
    return calls


def test_the_second_command_does_not_ask_again(bench, built):
    first, second = bench.choose(), bench.choose()
    assert built == ["build"]
    assert first == second
    assert (first.name, first.version, first.why) == ("disk", "1.0", 'named by profile "test"')


@pytest.mark.parametrize("what", ["config", "install", "uninstall", "module", "profile", "sudo"])
def test_any_change_is_seen(bench, built, what):
    bench.choose()
    if what == "config":
        bench.write(more="# more\n")
    elif what == "install":
        bench.site.backend("storage", "new")
    elif what == "uninstall":
        (bench.site.folder / "plugrun_second-1.0.dist-info").rename(bench.folder / "gone")
        with pytest.raises(PluginError, match='no transport plugin "second"'):
            bench.open()
        return
    elif what == "module":
        path = bench.site.folder / "thirdparty_storage_disk.py"
        path.write_text(path.read_text() + "# more\n")
    elif what == "sudo":
        bench.environ["SUDO_UID"] = "7"
    else:
        bench.write(more="  other: {extends: test}\n")
        built.clear()
        assert bench.open("other").profile.name == "other"
        bench.open("")
    bench.open()
    assert len(built) == 2


def test_a_new_configuration_file_is_seen(bench, built):
    bench.open()
    (bench.folder / "plugrun.yaml").write_text("profiles: {test: {storage: nix}}")
    bench.open()
    assert len(built) == 2


def test_rescan_drops_it(bench, built):
    bench.open()
    rescan(bench.run_root)
    bench.open()
    assert len(built) == 2
    rescan(f"{bench.run_root}/nowhere")


def test_what_changed_within_a_tick_is_not_kept(bench, built, monkeypatch):
    monkeypatch.setattr(launchindex, "_TICK_NS", AN_HOUR)
    os.utime(bench.config)
    bench.open()
    bench.open()
    assert len(built) == 2


def test_a_damaged_file_is_made_anew(bench, built):
    bench.open()
    [name] = os.listdir(f"{bench.run_root}/index")
    path = f"{bench.run_root}/index/{name}"
    for damage in (b"", b"\0" * 100, b"{", marshal.dumps(3), marshal.dumps({})):
        with open(path, "wb") as file:
            file.write(damage)
        bench.open()
    assert len(built) == 6


def test_it_is_readable_by_its_owner_alone(bench):
    bench.open()
    folder = f"{bench.run_root}/index"
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert os.stat(f"{folder}/{os.listdir(folder)[0]}").st_mode & 0o777 == 0o600


@pytest.mark.parametrize("spoil", ["mode", "owner", "symlink"])
def test_a_folder_others_may_write_to_is_refused(bench, spoil):
    bench.open()
    folder = f"{bench.run_root}/index"
    if spoil == "mode":
        os.chmod(folder, 0o777)
    elif spoil == "owner":
        if os.geteuid() != 0:
            pytest.skip("chown needs root")
        os.chown(folder, 4711, 4711)
    else:
        os.rename(folder, f"{folder}-elsewhere")
        os.symlink(f"{folder}-elsewhere", folder)
    with pytest.raises(ConfigError, match="not used, because"):
        bench.open()


def test_a_run_root_that_cannot_be_written_costs_time_only(bench, built):
    (bench.folder / "run").write_text("a file")
    bench.open()
    bench.open()
    assert len(built) == 2


def test_the_index_and_pluggy_give_the_same(bench):
    bench.open()
    backends = bench.open()  # from the index
    [plugin] = load("storage", ["disk"])
    by_pluggy = plugin.manager.hook.plugrun_open_storage(root="/x", options={})
    by_index = backends.open("storage", "disk", "/x")
    assert (by_index.folder, by_index.options) == (by_pluggy.folder, by_pluggy.options)
    assert type(by_index).__name__ == type(by_pluggy).__name__
    for hook in backends.hooks():
        [plugin] = load("hooks", [hook.name])
        assert dict(hook.hooks) == plugin.hooks
        mine, theirs = {"seen": []}, {"seen": []}
        said = {"container": "c", "options": {}}
        hook.call("plugrun_adjust_spec", {**said, "spec": mine})
        plugin.manager.hook.plugrun_adjust_spec(**said, spec=theirs)
        assert mine == theirs


def test_options_reach_the_backend_complete(bench):
    bench.site.backend(
        "storage",
        "opts",
        PROBED.format(kind="storage", place="root")
        + "def plugrun_options():\n    from plugrun.api import Option\n"
        "    return (Option('a', 'integer', 1, ''), Option('b', 'strings', ('x',), ''))\n",
    )
    bench.write("opts", "    options: {storage: {opts: {a: 2}}}\n")
    bench.open()
    assert bench.open().open("storage", "opts", "/x").options == {"a": 2, "b": ["x"]}
    bench.write("opts", "    options: {storage: {opts: {c: 2}}}\n")
    with pytest.raises(ConfigError, match=rf'{bench.config}:10: .* has no option "c"'):
        bench.open()
    bench.write("opts", "    options: {storage: {opst: {c: 2}}}\n")
    with pytest.raises(ConfigError, match=r'"opst", which is not installed.*"opts"'):
        bench.open()


def test_a_missing_plugin_is_told_with_the_line_that_names_it(bench):
    bench.write("[disk, nix]")
    with pytest.raises(PluginError) as caught:
        bench.open()
    assert caught.value.message.startswith(f'{bench.config}:5: no storage plugin "nix"')


def test_a_list_goes_on_to_the_next_that_works(bench, built):
    bench.site.backend("storage", "moody", FAILS_PROBE)
    text = (
        "def plugrun_open_storage():\n    from plugrun.api import BackendUnavailable\n"
        "    raise BackendUnavailable('no such thing', hint='buy one')\n"
    )
    bench.site.backend("storage", "absent", text)
    bench.write("[moody, absent, disk]")
    reasons = "(moody: the moon is full; absent: no such thing)"
    why = f"first of [moody, absent, disk] that works here {reasons}"
    assert bench.choose().why == why
    assert bench.choose().why == why
    bench.write("[disk, moody]")
    assert bench.choose().why == "first of [disk, moody] that works here"
    bench.write("[moody, absent]")
    with pytest.raises(BackendUnavailable) as caught:
        bench.choose()
    assert "moody: the moon is full; absent: no such thing" in caught.value.message
    assert caught.value.hint == "moody: wait; absent: buy one"
    bench.write("moody")
    with pytest.raises(BackendUnavailable, match='"moody" does not work here: the moon is full'):
        bench.choose()


MOODY = """
def plugrun_open_storage(root):
    import os
    from plugrun.api import Probe
    mood = {mood!r}

    class Thing:
        capabilities = frozenset()

        def probe(self):
            return Probe(os.path.exists(mood), "the moon is full", "wait", watch=(mood,))

    return Thing()
"""


def test_a_choice_is_made_anew_when_what_it_hangs_on_changes(bench, built, capsys):
    mood = bench.folder / "mood"
    bench.site.backend("storage", "moody", MOODY.format(mood=str(mood)))
    bench.write("[moody, disk]")
    told = "plugrun: storage falls back to disk: moody does not work here: the moon is full\n"
    assert bench.choose().name == "disk"
    assert capsys.readouterr().err == told
    assert bench.choose().name == "disk"
    assert capsys.readouterr().err == ""
    mood.touch()
    assert bench.choose().name == "moody"
    assert bench.choose().why == "first of [moody, disk] that works here"
    mood.unlink()
    assert bench.choose().name == "disk"
    assert capsys.readouterr().err == told
    assert built == ["build"]


def test_a_choice_names_the_distribution(bench):
    assert bench.choose().distribution == "plugrun-disk"


def test_only_the_unavailable_is_passed_over(bench):
    bench.site.backend("storage", "buggy", "def plugrun_open_storage(): raise KeyError('x')")
    bench.write("[buggy, disk]")
    with pytest.raises(KeyError):
        bench.choose()


def test_a_probe_that_succeeded_is_not_repeated(bench):
    count = bench.folder / "count"
    text = PROBED.format(kind="storage", place="root").replace(
        "return Probe(True)",
        f"import os; os.mkdir({str(count)!r}); return Probe(True)",  # fails the second time
    )
    bench.site.backend("storage", "counts", text)
    bench.write("counts")
    bench.choose()
    assert count.is_dir()
    assert bench.choose().name == "counts"


def test_a_container_s_backend_is_opened_though_the_profile_has_another(bench, built):
    bench.site.backend("storage", "older")
    bench.settle()
    bench.open()
    assert bench.open().open("storage", "older", "/x").folder == "/x"
    content = launchindex._load(bench.open()._index._path)
    assert ("storage", "older") in content["plugins"]
    with pytest.raises(PluginError, match='no storage plugin "nix"'):
        bench.open().open("storage", "nix", "/x")


def test_a_backend_that_went_is_told_with_its_last_distribution(bench):
    bench.site.backend("storage", "older")
    bench.write("older")
    bench.open()
    bench.write("disk")
    (bench.site.folder / "plugrun_older-1.0.dist-info").rename(bench.folder / "gone")
    bench.settle()
    with pytest.raises(PluginError, match=r"it was part of plugrun-older 1\.0") as caught:
        bench.open().open("storage", "older", "/x")
    assert caught.value.hint == "install that again: pip install plugrun-older"


def test_a_backend_that_broke_is_still_part_of_its_distribution(bench):
    bench.site.backend("storage", "older")
    bench.write("older")
    bench.open()
    bench.write("disk")
    (bench.site.folder / "thirdparty_storage_older.py").write_text("1 / 0\n")
    sys.modules.pop("thirdparty_storage_older")
    bench.settle()
    with pytest.raises(PluginError, match="ZeroDivisionError") as caught:
        bench.open().open("storage", "older", "/x")
    assert "it was part of" not in caught.value.message
    assert "pip install --upgrade plugrun-older" in caught.value.hint


def test_one_folder_is_opened_once(bench):
    backends = bench.open()
    assert backends.open("storage", "disk", "/x") is backends.open("storage", "disk", "/x")
    assert backends.open("storage", "disk", "/y") is not backends.open("storage", "disk", "/x")


def test_transports_are_asked_in_order(bench):
    bench.open()
    backends = bench.open()
    assert backends.open_transport("second:x") == ("second:", "second:x")
    with pytest.raises(UsageError) as caught:
        backends.open_transport("third:x")
    assert 'no transport of profile "test" knows the address "third:x"' in caught.value.message
    assert "first, second" in caught.value.hint


def test_a_transport_is_not_imported_before_it_is_asked(bench):
    bench.open()
    for name in bench.site.modules:
        sys.modules.pop(name, None)
    bench.open().open_transport("first:x")
    assert "thirdparty_transport_first" in sys.modules
    assert "thirdparty_transport_second" not in sys.modules


def test_hooks_run_in_the_profiles_order(bench):
    spec = {"seen": []}
    bench.open().adjust_spec("box", spec)
    assert spec["seen"] == [("thirdparty_hooks_seer", "box"), ("thirdparty_hooks_loud", "box")]


def test_a_failing_hook_aborts_and_is_named(bench):
    text = "def plugrun_adjust_spec(): raise ValueError('never on a Friday')"
    bench.site.backend("hooks", "strict", text)
    bench.write(more="")
    bench.config.write_text(bench.config.read_text().replace("[seer, loud]", "[strict, seer]"))
    spec = {"seen": []}
    with pytest.raises(PluginError) as caught:
        bench.open().adjust_spec("box", spec)
    assert '"strict" of plugrun-strict 1.0 stopped the start' in caught.value.message
    assert "never on a Friday" in caught.value.message
    assert spec["seen"] == []


def test_a_failing_observer_is_told_once_and_harms_nothing(bench, capsys):
    backends = bench.open()
    event = Event("container", "start", "c", 1, {})
    backends.emit(event)
    backends.emit(event)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert '"loud" of plugrun-loud 1.0 failed on an event: ValueError: deaf' in told


def test_a_module_that_went_after_indexing_is_a_plugin_error(bench, built):
    bench.open()
    backends = bench.open()
    sys.modules.pop("thirdparty_storage_disk")
    (bench.site.folder / "thirdparty_storage_disk.py").unlink()
    with pytest.raises(PluginError, match=r"plugrun-disk 1\.0 cannot be loaded"):
        backends.open("storage", "disk", "/x")


HOT = """
import os, sys
sys.path[:0] = {path!r}
bare = set(sys.modules)
from plugrun.launchindex import open_backends
backends = open_backends({root!r}, {run!r}, {config!r}, "", {{}}, {cwd!r})
name = backends.choose("storage", {root!r} + "/storage").name
backends.open("storage", name, {root!r} + "/storage/" + name)
print(*sorted(set(sys.modules) - bare))
"""
COLD = """
click stevedore pluggy yaml requests json re typing dataclasses inspect enum pathlib subprocess
asyncio logging threading shutil tempfile contextlib collections functools importlib.metadata ctypes
"""


def test_a_hit_loads_next_to_nothing(bench):
    path = [p for p in sys.path if p]
    text = HOT.format(
        path=path,
        root=bench.root,
        run=bench.run_root,
        config=str(bench.config),
        cwd=str(bench.folder),
    )
    for _ in range(2):
        command = [sys.executable, "-I", "-S", "-B", "-c", text]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not set(COLD.split()) & set(done.stdout.split())

"""The contract of hook plugins: those that adjust specs and hear of events.

To use it, subclass and name the module (or object) that the entry point names::

    from plugrun.testing.hooks import HooksSuite as Contract

    class TestMyHooks(Contract):
        @pytest.fixture
        def plugin(self):
            return plugrun_example.plugin

Override the fixture ``options`` for other options than the plugin's defaults.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Mapping
from typing import Any

import pytest

from plugrun import hookspecs
from plugrun.model.container import BackendChoice, Container
from plugrun.model.event import Event
from plugrun.model.fence import Limits
from plugrun.testing.isolation.bundle import default_spec

_KINDS = (
    ("container", "create"),
    ("container", "start"),
    ("container", "die"),
    ("image", "pull"),
    ("volume", "create"),
    ("network", "connect"),
    ("something", "that will be there one day"),
)


class HooksSuite:
    """Inherit, provide the fixture, run."""

    @pytest.fixture
    def plugin(self) -> Any:
        """Return what the entry point names."""
        raise NotImplementedError("a subclass provides the fixture `plugin`")

    @pytest.fixture
    def options(self, plugin: Any) -> dict[str, Any]:
        """Return the options that the hooks are called with: the plugin's defaults."""
        declared = plugin.plugrun_options() if hasattr(plugin, "plugrun_options") else ()
        return {option.name: option.default for option in declared}

    @pytest.fixture
    def container(self) -> Container:
        """Return a container as it is when its spec is adjusted."""
        return _container()

    @pytest.fixture
    def spec(self) -> dict[str, Any]:
        """Return the runtime spec of that container, before any hook."""
        return default_spec(["sh"])

    def test_has_a_hook_and_no_other_functions_of_that_name(self, plugin: Any) -> None:
        """A name that is no hook would be refused; none at all would do nothing."""
        ours = {name for name in dir(plugin) if name.startswith("plugrun_")}
        known = {name for name in dir(hookspecs) if name.startswith("plugrun_")}
        assert ours <= known, f"no hooks of plugrun: {sorted(ours - known)}"
        assert ours & {"plugrun_adjust_spec", "plugrun_event"}

    def test_takes_arguments_that_there_are(self, plugin: Any) -> None:
        """Arguments go by name."""
        for name in ("plugrun_adjust_spec", "plugrun_event"):
            if hasattr(plugin, name):
                offered = set(inspect.signature(getattr(hookspecs, name)).parameters)
                assert set(inspect.signature(getattr(plugin, name)).parameters) <= offered

    def test_what_it_makes_of_a_spec_is_one(
        self, plugin: Any, container: Container, spec: dict[str, Any], options: Mapping[str, Any]
    ) -> None:
        """The spec stays a document of JSON with the parts that no container can do without."""
        self._adjust(plugin, container, spec, options)
        assert json.loads(json.dumps(spec)) == spec
        assert spec["process"]["args"]
        assert all(isinstance(item, str) for item in spec["process"]["env"])
        assert all(mount["destination"].startswith("/") for mount in spec["mounts"])

    def test_a_second_start_gets_the_same(
        self, plugin: Any, container: Container, spec: dict[str, Any], options: Mapping[str, Any]
    ) -> None:
        """A container is started again with a spec made anew: nothing adds up."""
        again = copy.deepcopy(spec)
        self._adjust(plugin, container, spec, options)
        self._adjust(plugin, container, again, options)
        assert spec == again

    @pytest.mark.parametrize(("kind", "action"), _KINDS)
    def test_hears_of_everything(
        self, plugin: Any, options: Mapping[str, Any], kind: str, action: str
    ) -> None:
        """An event of any kind does no harm, with and without attributes."""
        if not hasattr(plugin, "plugrun_event"):
            return
        for attributes in ({}, {"name": "box", "image": "debian"}):
            event = Event(kind, action, "f" * 64, 1_700_000_000_000_000_000, attributes)
            _call(plugin.plugrun_event, {"event": event, "options": options})

    def _adjust(
        self, plugin: Any, container: Container, spec: Any, options: Mapping[str, Any]
    ) -> None:
        if hasattr(plugin, "plugrun_adjust_spec"):
            values = {"container": container, "spec": spec, "options": options}
            _call(plugin.plugrun_adjust_spec, values)


def _call(function: Any, values: Mapping[str, Any]) -> None:
    function(**{name: values[name] for name in inspect.signature(function).parameters})


def _container() -> Container:
    choice = BackendChoice("suite", "1", "the suite's")
    return Container(
        id="0123456789abcdef" * 4,
        name="box",
        created_ns=1_700_000_000_000_000_000,
        image="sha256:" + "0" * 64,
        image_name="debian:12",
        entrypoint=(),
        cmd=("sh",),
        env=("PATH=/usr/bin:/bin",),
        user="",
        working_dir="/",
        hostname="0123456789ab",
        tty=False,
        open_stdin=False,
        auto_remove=False,
        detached=True,
        read_only=False,
        init=False,
        network="none",
        mounts=(),
        limits=Limits(),
        labels=(("example", "yes"),),
        stop_signal="",
        stop_timeout=10,
        profile="default",
        storage=choice,
        isolation=choice,
        net=choice,
    )

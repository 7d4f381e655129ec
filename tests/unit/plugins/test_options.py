"""A backend's options against its declaration."""

from __future__ import annotations

import pytest
from plugrun.errors import ConfigError, PluginError
from plugrun.plugins import check_options, load

BACKEND = """
from plugrun.api import Option

def plugrun_open_storage(root, options):
    return options

def plugrun_options():
    return (
        Option("size", "integer", 3, "how big"),
        Option("mode", "string", "fast", "how", ("fast", "safe")),
        Option("on", "boolean", False, "whether"),
        Option("names", "strings", (), "which", ("a", "b")),
        Option("mirrors", "mapping", {"x": ("y",)}, "where"),
    )
"""
WHERE = "/etc/f.yaml:7"


@pytest.fixture
def plugin(site):
    site.backend("storage", "opts", BACKEND)
    return load("storage", ["opts"])[0]


def check(plugin, **given):
    origins = {f"options.storage.opts.{key}": WHERE for key in given}
    return check_options(plugin, given, origins)


def test_defaults_fill_what_is_not_given(plugin):
    assert check(plugin, size=5) == {
        "size": 5,
        "mode": "fast",
        "on": False,
        "names": [],
        "mirrors": {"x": ["y"]},
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"siz": 1}, 'has no option "siz" (did you mean "size"?)'),
        ({"size": "1"}, "options.storage.opts.size must be a whole number, found text ('1')"),
        ({"size": True}, "must be a whole number, found true or false (True)"),
        ({"mode": "fas"}, '"fas" is none of its values (did you mean "fast"?)'),
        ({"on": "yes"}, "must be true or false"),
        ({"names": "a"}, "must be a list of texts"),
        ({"names": ["a", "c"]}, '"c" is none of its values'),
        ({"mirrors": {"x": "y"}}, "must be a mapping of texts to lists of texts"),
        ({"size": None}, "found nothing"),
    ],
)
def test_a_wrong_one_is_refused_with_its_place(plugin, given, words):
    with pytest.raises(ConfigError) as caught:
        check(plugin, **given)
    assert caught.value.message.startswith(f"{WHERE}: ")
    assert words in caught.value.message


def test_a_backend_without_options_takes_none(site):
    site.backend("storage", "bare")
    [bare] = load("storage", ["bare"])
    assert check_options(bare, {}, {}) == {}
    with pytest.raises(ConfigError, match='has no option "x"'):
        check_options(bare, {"x": 1}, {})


def test_a_declaration_that_is_none_is_the_plugins_fault(site):
    text = "def plugrun_open_storage(root): pass\ndef plugrun_options(): return ('x',)\n"
    site.backend("storage", "odd", text)
    [odd] = load("storage", ["odd"])
    with pytest.raises(PluginError, match=r"plugrun-odd 1\.0 declares an option that is none"):
        check_options(odd, {}, {})

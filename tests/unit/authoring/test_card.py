"""The capability card says what was found, in two forms."""

import json

import pytest
from plugrun.authoring.card import card
from plugrun.authoring.check import Addresses, Checked, Verdict, check, find_plugin
from plugrun.errors import InvalidArgument, PluginError
from plugrun.plugins import PluginInfo

PLUGIN = PluginInfo(
    "storage", "zfs", "2.1", "plugrun-zfs", 1, ("mountless",), True, details=(("pool", "a|b"),)
)
VERDICTS = (
    Verdict("test_a", "passed"),
    Verdict("test_b", "failed", "it\nlies | so"),
    Verdict("test_c", "skipped", "no zfs"),
)


def test_markdown():
    text = card(Checked(PLUGIN, VERDICTS, ""), "markdown")
    assert text.startswith("## storage `zfs`\n")
    assert "| contract | NOT kept: 1 passed, 1 failed, 1 skipped |" in text
    assert "| capabilities | `mountless` |" in text
    assert r"| pool | a\|b |" in text
    assert r"| `test_b` | it lies \| so |" in text
    assert "| `test_c` | no zfs |" in text


def test_json():
    found = json.loads(card(Checked(PLUGIN, VERDICTS[:1], ""), "json"))
    assert (found["ok"], found["distribution"], found["capabilities"]) == (
        True,
        "plugrun-zfs",
        ["mountless"],
    )
    assert found["tests"] == [{"name": "test_a", "state": "passed", "reason": ""}]


def test_a_suite_that_did_not_run_is_not_kept():
    checked = Checked(PLUGIN, (), "Traceback", broken=True)
    assert not checked.ok
    assert "could not be run" in card(checked, "markdown")


def test_finding_one():
    assert find_plugin("", "overlay", "", "").kind == "storage"
    with pytest.raises(PluginError, match="no storage plugin"):
        find_plugin("storage", "ns", "", "")
    with pytest.raises(PluginError, match="did you mean overlay"):
        find_plugin("", "overla", "", "")
    with pytest.raises(InvalidArgument, match="no kind"):
        find_plugin("volume", "ns", "", "")
    with pytest.raises(InvalidArgument, match="did you mean storage"):
        find_plugin("stroage", "overlay", "", "")


def test_a_transport_needs_addresses():
    host = find_plugin("transport", "host", "", "")
    with pytest.raises(InvalidArgument, match="two addresses"):
        check(host, {}, Addresses())


class Heard:
    """Progress that keeps what it is told."""

    def __init__(self):
        self.total, self.told = 0, []

    def collected(self, total):
        self.total = total

    def finished(self, name, *, failed):
        self.told.append((name, failed))


def test_a_real_check():
    heard = Heard()
    checked = check(find_plugin("network", "none", "", ""), {}, Addresses(), progress=heard)
    assert checked.ok, checked.output
    assert len(checked.verdicts) > 5
    assert heard.total == len(checked.verdicts)
    assert heard.told == [(one.name, False) for one in checked.verdicts]
    heard = Heard()
    wrong = check(find_plugin("network", "none", "", ""), {"nonesuch": 1}, Addresses(), "", heard)
    assert not wrong.ok
    assert "no option" in wrong.verdicts[0].reason
    assert all(failed for _, failed in heard.told)

"""``plugrun plugins``: all that is installed, the broken with their reason."""

from __future__ import annotations

from plugrun.plugins import describe_all

from tests.unit.plugins.conftest import FAILS_PROBE


def test_each_is_described_on_its_own(site, tmp_path):
    site.backend("storage", "good")
    site.backend("storage", "bomb", "raise RuntimeError('boom')")
    site.backend("storage", "moody", FAILS_PROBE)
    site.backend("storage", "raises", "def plugrun_open_storage(root): raise KeyError('x')")
    site.backend("hooks", "seer")
    site.install("plugrun-new", "[plugrun.network.v2]\nnew = nowhere\n")
    told = {(i.kind, i.name): i for i in describe_all(str(tmp_path / "none/yet"), str(tmp_path))}
    good = told["storage", "good"]
    assert (good.works, good.capabilities, good.version) == (True, ("a", "b"), "1.0")
    assert good.distribution == "plugrun-good"
    bomb = told["storage", "bomb"]
    assert not bomb.works
    assert "boom" in bomb.reason
    moody = told["storage", "moody"]
    assert (moody.works, moody.reason, moody.remedy) == (False, "the moon is full", "wait")
    assert told["storage", "raises"].reason == "KeyError: 'x'"
    assert told["hooks", "seer"].works
    assert "version 2 of the plugin API" in told["network", "new"].reason
    assert told["network", "new"].api_version == 2
    assert {"overlay", "ns", "registry"} <= {name for _, name in told}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["site"]

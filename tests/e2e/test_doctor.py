"""doctor: what works here, as text and JSON, and an exit code for CI."""

from __future__ import annotations

import json


def test_this_machine_runs_this_profile(plugrun, cell):
    said = plugrun.out("doctor", "--offline").splitlines()
    assert said[-1].endswith(" works here.")
    assert any(line.startswith("  ok") and "storage" in line and "*" in line for line in said)
    told = json.loads(plugrun.out("doctor", "--offline", "--json"))
    assert (told["Works"], told["Lacks"]) == (True, [])
    used = {(one["Kind"], one["Name"]) for one in told["Backends"] if one["InProfile"]}
    assert ("isolation", "ns") in used
    assert {"kernel", "control groups", "user namespaces"} <= {c["Area"] for c in told["Checks"]}
    for check in told["Checks"]:
        assert bool(check["Remedy"]) == (check["State"] != "ok"), check


def test_a_registry_is_asked(plugrun, registry):
    there, gone = registry.host, "127.0.0.1:1"
    said = plugrun.out("doctor", "--json", "--registry", there, "--registry", gone)
    states = {
        c["Name"]: c["State"] for c in json.loads(said)["Checks"] if c["Area"] == "registries"
    }
    assert states == {there: "ok", gone: "note"}


def test_a_profile_that_cannot_work(plugrun, tmp_path):
    (tmp_path / "own.yaml").write_text(
        "profile: own\nprofiles:\n  own: {extends: default, storage: nosuch}\n"
    )
    argv = ["--config", str(tmp_path / "own.yaml"), "doctor", "--offline"]
    done = plugrun(*argv, code=1)
    assert done.stdout.splitlines()[-1] == "The profile own does not work here: storage nosuch."

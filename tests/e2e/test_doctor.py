"""doctor: what works here, as text and JSON, and an exit code for CI."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.e2e.conftest import PATIENCE


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


# What is broken on purpose, by a script in a mount namespace of its own, and what doctor says.
_NO_FUSE = "mount --bind /dev/null /dev/fuse"
_NO_CGROUPS = "umount -l $(awk '$5 ~ \"^/sys/fs/cgroup\" {print $5}' /proc/self/mountinfo | tac)"
BROKEN = {
    "fuse": (_NO_FUSE, "fuse", "storage fuse", ("/dev/fuse", "note")),
    "cgroups": (_NO_CGROUPS, "cow", "isolation ns", ("version", "missing")),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_machine_that_lacks_something(plugrun, what):
    script, profile, lacks, (name, state) = BROKEN[what]

    def said(*args: str) -> subprocess.CompletedProcess[str]:
        argv = ["unshare", "-m", "sh", "-ec", f'{script}; exec "$@"', "sh", *plugrun.argv]
        return subprocess.run(
            [*argv, "--profile", profile, *args], capture_output=True, text=True, timeout=PATIENCE,
            check=False,
        )  # fmt: skip

    done = said("doctor", "--offline", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["Works"], told["Lacks"]) == (1, False, [lacks])
    [check] = [one for one in told["Checks"] if one["Name"] == name]
    assert (check["State"], bool(check["Remedy"])) == (state, True)
    [backend] = [one for one in told["Backends"] if f"{one['Kind']} {one['Name']}" == lacks]
    assert backend["Reason"]
    assert backend["Remedy"]
    text = said("doctor", "--offline").stdout
    assert f"do: {backend['Remedy']}\n" in text
    assert text.splitlines()[-1] == f"The profile {profile} does not work here: {lacks}."
    ran = said("run", "--rm", "host:true", "true")
    assert ran.returncode == 125
    assert f"hint: {backend['Remedy']}\n" in ran.stderr, "what doctor says is what run says"

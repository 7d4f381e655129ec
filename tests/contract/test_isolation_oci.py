"""An installed OCI runtime keeps the contract of isolation."""

from __future__ import annotations

import errno
import os
import shutil
from itertools import chain

import pytest
from plugrun.cgroups.cgroupfs import hierarchies
from plugrun.errors import BackendUnavailable, IsolationError
from plugrun.interfaces.isolation import EARLY_PID, Stdio
from plugrun.linux import mounting, process
from plugrun.testing.forked import in_child
from plugrun.testing.isolation import Bundle, default_spec
from plugrun.testing.isolation import IsolationSuite as Contract
from plugrun.testing.isolation.bundle import ID
from plugrun_isolation_oci.plugin import plugrun_open_isolation, plugrun_options
from plugrun_isolation_oci.stage import Stage

PARENT = f"plugrun-contract-oci-{os.getpid()}"
RUNTIME = os.environ.get("PLUGRUN_TEST_RUNTIME", "runc")


@pytest.fixture(scope="module", autouse=True)
def works(tmp_path_factory):
    state = str(tmp_path_factory.mktemp("probe"))
    options = {"runtime": RUNTIME, "cgroup_parent": PARENT}
    found = plugrun_open_isolation(state, options).probe()
    if not found.works:
        pytest.skip(f"{found.reason} ({found.remedy})")
    assert os.listdir(state) == [".runtime"]
    assert dict(found.details)["version"].startswith(os.path.basename(RUNTIME))


class TestRuntime(Contract):
    lacks = frozenset((EARLY_PID,))

    @pytest.fixture
    def isolation(self, tmp_path):
        options = {"runtime": RUNTIME, "cgroup_parent": PARENT}
        made = plugrun_open_isolation(str(tmp_path / "state"), options)
        yield made
        parents = [h.mountpoint + f"/{PARENT}" for h in hierarchies()]
        parents = [folder for folder in parents if os.path.isdir(folder)]
        left = [entry.path for entry in chain(*map(os.scandir, parents)) if entry.is_dir()]
        assert left == []
        for folder in parents:
            os.rmdir(folder)

    def test_state_is_all_beneath_its_folder(self, bundle: Bundle, tmp_path):
        bundle.shell("true")
        assert os.listdir(tmp_path / "state") == [".runtime"]
        own = os.listdir(tmp_path / "state" / ".runtime")
        assert [name for name in own if not name.startswith(".")] == []

    def test_options(self):
        names = {option.name for option in plugrun_options()}
        assert names == {"runtime", "arguments", "cgroup_parent"}

    @pytest.mark.parametrize("name", ["passwd", "group"])
    def test_accounts_that_never_end(self, bundle: Bundle, name: str):
        os.mkfifo(os.path.join(bundle.root, "etc", name))
        with pytest.raises(IsolationError, match=f"/etc/{name}"):
            bundle.create(default_spec(["true"]))
        assert list(bundle.isolation.tasks()) == []

    def test_a_runtime_that_has_gone(self, bundle: Bundle, tmp_path):
        """What a task left is removed by the kernel's own means then."""
        program = tmp_path / "runtime"
        program.symlink_to(shutil.which(RUNTIME) or RUNTIME)
        options = {"runtime": str(program), "cgroup_parent": PARENT}
        isolation = plugrun_open_isolation(str(tmp_path / "state"), options)
        bundle.write(default_spec(["sleep", "600"]))
        task = isolation.create("gone", bundle.path, Stdio(0, 1, 2))
        isolation.start("gone")
        program.unlink()
        with pytest.raises(BackendUnavailable):
            isolation.pause("gone")
        isolation.delete("gone", force=True)
        assert os.waitpid(task.pid, 0)[1] == 9
        assert list(isolation.tasks()) == []
        assert os.listdir(tmp_path / "state" / ".runtime") == []

    def test_a_foreign_cgroup_is_left_alone(self, bundle: Bundle):
        spec = default_spec(["true"])
        spec["linux"]["cgroupsPath"] = f"/{PARENT}/foreign"
        folder = f"{hierarchies()[0].mountpoint}/{PARENT}/foreign"
        os.makedirs(folder)
        try:
            with pytest.raises(IsolationError, match="exists already"):
                bundle.create(spec)
            assert os.path.isdir(folder)
        finally:
            os.rmdir(folder)
        assert list(bundle.isolation.tasks()) == []

    def test_no_other_device_for_want_of_the_right_to_make_one(self, monkeypatch):
        ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        device = {"type": "c", "major": 1, "minor": 5}
        linux = {"namespaces": [{"type": "user"}], "uidMappings": ids, "gidMappings": ids}

        def refuse(path, *_):
            raise PermissionError(errno.EPERM, "Operation not permitted", path)

        def laid_out(path):
            process.unshare(process.CLONE_NEWNS)
            mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_SLAVE)
            stage = Stage({"linux": {**linux, "devices": [{"path": path, **device}]}})
            try:
                stage.lay_out("/mnt", {})
            except IsolationError as error:
                return str(error)
            return ""

        monkeypatch.setattr(os, "mknod", refuse)
        assert in_child(lambda: laid_out("/dev/zero")) == ""
        assert "/dev/full cannot be made" in in_child(lambda: laid_out("/dev/full"))

    def test_limits_that_cannot_be_changed(self, bundle: Bundle):
        _, reader = bundle.launch(default_spec(["sleep", "60"]))
        os.close(reader)
        for resources in ({"devices": [{"allow": True}]}, {"blockIO": {"leafWeight": 10}}):
            with pytest.raises(BackendUnavailable, match="cannot change"):
                bundle.isolation.update(ID, resources)

"""What no container may reach, whatever its image or its processes do: each by its effect.

Beside the contract of isolations (plugrun.testing.isolation), test_hostile_images.py and the tests
of cp, which have more of it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import sysconfig
import tarfile

import pytest

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, PROGRAM, TOP, Plugrun
from tests.e2e.memory import peak
from tests.e2e.test_hostile_images import image

__all__ = ["image"]  # a fixture

# How layers become a root has no part in it.
pytestmark = pytest.mark.parametrize(
    "cell", [f"{TOP}/config/profiles/overlay-ns.yaml"], indirect=True, ids=["overlay-ns"]
)

NONE = ("--network", "none")
PLAIN = ("run", "--rm", *NONE)
# What is the same for all processes of a container, of proc_pid_status(5).
FENCE = "grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Umask)' /proc/self/status"


def detached(plugrun: Plugrun, *words: str) -> str:
    return plugrun.out("run", "-d", *NONE, *words)


# -- descriptors, and the program itself --------------------------------------------------------


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
def test_a_working_directory_among_the_descriptors(plugrun, number):
    """CVE-2024-21626: /proc/self/fd/N as the folder to begin in."""
    folder = f"/proc/self/fd/{number}"
    done = plugrun(*PLAIN, "-w", folder, HOST_IMAGE, "ls", "/proc/self/cwd/", code=None)
    assert done.returncode in (125, 126, 127), done.stdout
    assert "chdir to cwd" in done.stderr


def test_a_working_directory_among_the_descriptors_of_exec(plugrun):
    id = detached(plugrun, HOST_IMAGE, "sleep", "1000")
    for number in range(3, 16):
        folder = f"/proc/self/fd/{number}"
        done = plugrun("exec", "-w", folder, id, "ls", "/proc/self/cwd/", code=None)
        assert done.returncode in (1, 126, 127, 128), done.stdout
        assert "chdir to cwd" in done.stderr


def test_an_images_working_directory_among_the_descriptors(plugrun, image):
    for number in (3, 5, 7, 9):
        reference = image("cwd", {"way": f"/proc/self/fd/{number}"}, WorkingDir="/way")
        done = plugrun(*PLAIN, "-q", reference, "ls", code=None)
        assert done.returncode in (125, 126, 127), done.stdout


def test_exec_brings_no_descriptor_of_its_caller(plugrun):
    id = detached(plugrun, HOST_IMAGE, "sleep", "1000")
    with open("/etc/shadow", "rb") as extra:
        done = subprocess.run(
            [*plugrun.argv, "exec", id, "ls", "/proc/self/fd"],
            pass_fds=[extra.fileno()], capture_output=True, text=True, timeout=PATIENCE, check=True,
        )  # fmt: skip
    assert done.stdout.split() == ["0", "1", "2", "3"]


# Looks at every process that turns up, what program it is of and what it has open.
WATCH = """
while :; do
  for process in /proc/[0-9]*; do
    ls -l $process/exe $process/cwd $process/root $process/fd/
  done
done 2>/dev/null
"""


@pytest.mark.parametrize("more", [(), ("--cap-add", "SYS_PTRACE"), ("--privileged",)])
def test_who_enters_a_container_shows_nothing_of_the_hosts(plugrun, more):
    """CVE-2019-5736, CVE-2016-9962: no program to overwrite, no folder to walk out of."""
    id = detached(plugrun, *more, HOST_IMAGE, "sh", "-c", WATCH)
    for _ in range(12):
        plugrun("exec", id, "true")
    plugrun("kill", id)
    seen = {line.partition(" -> ")[2] for line in plugrun.out("logs", id).splitlines()}
    assert any(path.endswith("sh") for path in seen)
    assert not [path for path in seen if "python" in path or plugrun.root in path]


def test_a_script_of_the_runtimes_own_program(plugrun, image):
    """CVE-2019-5736: `#!/proc/self/exe` is executed by no interpreter of the host's."""
    reference = image("exe", {"evil": b"#!/proc/self/exe\nopen('/python', 'w')\n"})
    id = detached(plugrun, "-q", reference, "sleep", "1000")
    plugrun("exec", id, "/evil", code=None)
    plugrun("exec", id, "/proc/self/exe", code=None)
    assert "No such file" in plugrun("exec", id, "ls", "/python", code=None).stderr


# -- what an image brings for plugrun to load ---------------------------------------------------


def interpreters_folders() -> list[str]:
    """Return where the command's own interpreter looks for modules."""
    python = f"{os.path.dirname(PROGRAM)}/python"
    script = "import sys, plugrun; print(*sys.path, *plugrun.__path__, sep='\\n')"
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    return [path for path in done.stdout.splitlines() if path.startswith("/")]


TRAPPED = ("encodings", "codecs", "pwd", "grp", "json", "os", "re", "site", "sitecustomize")


def trap() -> dict[str, object]:
    """Return files that say so when they are loaded as modules, or hang as libraries."""
    found: dict[str, object] = {}
    code = b"open('/loaded', 'w').close()\n"
    for folder in interpreters_folders():
        for name in (*TRAPPED, *sorted(sys.stdlib_module_names)):
            found[f"{folder[1:]}/{name}.py"] = code
        for name in ("idna", "utf_8", "latin_1", "unicode_escape", "__init__"):
            found[f"{folder[1:]}/encodings/{name}.py"] = code
    libraries = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
    for name in ("libnss_files.so.2", "libnss_evil.so.2", "libc.so.6", "gconv/gconv-modules"):
        found[f"usr/lib/{libraries}/{name}"] = (tarfile.FIFOTYPE, 0, 0)
        found[f"lib/{libraries}/{name}"] = (tarfile.FIFOTYPE, 0, 0)
    found["etc/nsswitch.conf"] = b"passwd: evil\ngroup: evil\nhosts: evil\n"
    found["etc/ld.so.preload"] = b"/lib/libevil.so\n"
    return found


def test_nothing_of_an_image_is_loaded(plugrun, image, tmp_path):
    """CVE-2019-14271: neither modules nor codecs nor name services, by any verb."""
    reference = image("trap", trap(), Env=["LANG=tr_TR.ISO-8859-9", "PYTHONPATH=/evil"])
    words = ("-q", "--user", "user", "--name", "trapped", reference)
    id = detached(plugrun, *words, "sleep", "1000")
    plugrun("exec", "-u", "user:more", "-w", "/étc", id, "true", code=None)
    assert plugrun.out("exec", "-u", "root", "-e", "LC_ALL=xx", id, "id", "-u") == "0"
    plugrun("exec", "-u", "nobody-here", id, "true", code=None)
    plugrun("cp", f"{id}:/etc", str(tmp_path))
    plugrun("cp", str(tmp_path), f"{id}:/copied")
    for verb in (("top",), ("stats", "--no-stream"), ("diff",), ("pause",), ("unpause",)):
        plugrun(*verb, id)
    plugrun("exec", "-u", "root", id, "sh", "-c", "! ls /loaded")
    plugrun("kill", id)
    assert "loaded" not in plugrun.out("diff", id)


# -- accounts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "user", ["4294967296", "4294967295", "0:4294967296", "-1", f"{1 << 63}", "1:-5", "0x10"]
)
def test_users_that_are_no_users(plugrun, user):
    """Numbers that a system call would cut to 32 bits, or take for "do not change"."""
    assert plugrun(*PLAIN, "-u", user, HOST_IMAGE, "id", code=None).returncode == 125
    id = detached(plugrun, HOST_IMAGE, "sleep", "1000")
    done = plugrun("exec", "-u", user, id, "id", code=None)
    assert done.returncode != 0
    assert done.stdout == ""


def test_groups_that_are_no_groups(plugrun, image):
    assert plugrun(*PLAIN, "--group-add", f"{1 << 32}", HOST_IMAGE, "id", code=None).returncode
    line = b"more:x:4294967296:user\nwrap:x:4294967297:user\n"
    reference = image("wide", {"etc/group": line}, User="user")
    done = plugrun(*PLAIN, "-q", reference, "grep", "Groups", "/proc/self/status", code=None)
    assert done.returncode == 125 or done.stdout.split()[1:] == ["1000"]


def test_an_endless_passwd(plugrun, image):
    """Sparse, it is larger than any memory: refused or read in part, and soon."""
    id = detached(plugrun, "-q", image("endless"), "sleep", "1000")
    plugrun("exec", id, "sh", "-c", "dd if=/dev/zero of=/etc/passwd bs=1 count=1 seek=99999999999")
    plugrun("exec", id, "sh", "-c", "dd if=/dev/zero of=/etc/group bs=1 count=1 seek=99999999999")
    for user in ("user", "1000:more"):
        done, most = peak([*plugrun.argv, "exec", "-u", user, id, "true"])
        assert most < 256 << 20, done.stderr


def test_the_callers_groups_stay_outside(plugrun):
    words = [*plugrun.argv, *PLAIN, HOST_IMAGE, "cat", "/proc/self/status"]
    done = subprocess.run(
        words, extra_groups=[4711], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert "4711" not in done.stdout
    id = detached(plugrun, HOST_IMAGE, "sleep", "1000")
    words = [*plugrun.argv, "exec", id, "cat", "/proc/self/status"]
    done = subprocess.run(
        words, extra_groups=[4711], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert "4711" not in done.stdout


# -- exec has the fence of run ------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--cap-drop", "ALL", "--cap-add", "CHOWN", "--security-opt", "no-new-privileges"),
        ("--security-opt", "seccomp=unconfined", "--group-add", "99"),
        ("-u", "1234:5678", "--ulimit", "nofile=99:100", "--read-only"),
    ],
)
def test_exec_has_the_fence_of_run(plugrun, more):
    kinds = ("mnt", "pid", "ipc", "uts", "net", "cgroup", "user")
    script = f"{FENCE}; cat /proc/self/cgroup /proc/self/limits; cat /proc/self/oom_score_adj; "
    script += " ".join(f"ls -l /proc/self/ns/{kind} | sed 's/.*->//';" for kind in kinds)
    script += "touch /x 2>&1; rm -f /x; mount -t tmpfs x /mnt 2>&1; echo end"
    tools = HOST_IMAGE.replace("host:", "host:grep,sed,rm,")
    id = detached(plugrun, *more, tools, "sh", "-c", f"{script}; sleep 1000")
    while "end" not in (own := plugrun.out("logs", id)).split():
        pass
    assert plugrun.out("exec", id, "sh", "-c", script) == own


# -- the host's sockets and devices -------------------------------------------------------------

CONNECT = "use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); print connect(S, pack_sockaddr_un($n))"


def test_abstract_sockets_of_the_host(plugrun, debian):
    """CVE-2020-15257: they belong to a network namespace, and a container has one of its own."""
    name = f"\0plugrun-{os.getpid()}"
    script = f'$n = "\\0{name[1:]}"; {CONNECT} ? "in" : "out"'
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(name)
        listening.listen()
        assert plugrun.out(*PLAIN, "-q", debian, "perl", "-e", script) == "out"
        host = ("run", "--rm", "-q", "--network", "host", debian, "perl", "-e", script)
        assert plugrun.out(*host) == "in"


def test_no_node_that_a_container_makes_leads_to_a_disk(plugrun):
    """Whatever disks there are: numbers of sd, loop, vd, dm, nvme; and the machine's memory."""
    nodes = ("b 8 0", "b 7 0", "b 254 0", "b 253 0", "b 259 0", "c 1 1", "c 1 4", "c 10 237")
    script = "; ".join(
        f"mknod /dev/n{place} {node} && head -c 1 /dev/n{place}" for place, node in enumerate(nodes)
    )
    done = plugrun(*PLAIN, HOST_IMAGE, "sh", "-c", script, code=None)
    assert done.stderr.count("not permitted") == len(nodes), done.stderr
    assert done.stdout == ""


# -- paths that a process of another container swaps --------------------------------------------

SWAPPING = """
cd /v; MAKE; echo up
while :; do
  mv place away; ln -s LINK place; rm -f place; mv away place
done 2>/dev/null
"""


@pytest.fixture
def swapper(plugrun, image, tmp_path):
    """A container that swaps something in the volume `shared` for a link to something else."""

    def start(place: str, make: str, link: str) -> str:
        applets = ("mv", "mkdir", "head")
        reference = image("swap", {f"bin/{name}": "busybox" for name in applets})
        script = SWAPPING.replace("MAKE", make).replace("LINK", link).replace("place", place)
        id = detached(plugrun, "-q", "-v", "shared:/v", reference, "sh", "-c", script)
        while plugrun.out("logs", id) != "up":
            pass
        return reference

    return start


@pytest.mark.parametrize("kind", ["tmpfs", "bind", "volume", "workdir"])
def test_a_target_that_is_swapped_while_it_is_mounted(plugrun, swapper, tmp_path, kind):
    """CVE-2021-30465: the mount lands beneath the root, or is refused."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "proof").write_text("of the host")
    reference = swapper("place", "mkdir -p place", "../" * 20 + str(outside)[1:])
    given = {
        "tmpfs": ("--mount", "type=tmpfs,target=/v/place"),
        "bind": ("--mount", f"type=bind,source={tmp_path},target=/v/place/inner"),
        "volume": ("-v", "other:/v/place/inner"),
        "workdir": ("-w", "/v/place/inner/deep"),
    }[kind]
    script = f"ls {outside} /v/place/ 2>/dev/null; cat {outside}/proof 2>/dev/null"
    for _ in range(8):
        words = (*PLAIN, "-q", "-v", "shared:/v", *given, reference, "sh", "-c", script)
        assert "of the host" not in plugrun(*words, code=None).stdout
        assert sorted(os.listdir(outside)) == ["proof"]


def test_a_null_device_that_is_swapped_while_paths_are_masked(plugrun, swapper):
    """CVE-2025-31133: behind a masked path is the null device, not what that was swapped for."""
    reference = swapper("null", "mknod null c 1 3", "/proc/sys/kernel/core_pattern")
    masked = "/proc/interrupts"
    script = f"stat -c %F,%t:%T {masked}; cat {masked} | head -c 1; echo x >{masked}"
    codes = set()
    for _ in range(20):
        words = (*PLAIN, "-q", "-v", "shared:/dev", reference, "sh", "-c", script)
        done = plugrun(*words, code=None)
        codes.add(done.returncode)
        assert done.stdout in ("", "character special file,1:3\n"), done.stderr
    assert codes <= {0, 125}

"""Four Docker tutorials, followed word for word: every command in order, its output and effect.

What is expected here is what the real Docker prints. To hold these tests against it, name its
command and an image of Debian it has: ``PLUGRUN_TUTORIALS_WITH='docker debian:12' pytest …``.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import tarfile
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import PATIENCE

ID = "[0-9a-f]{64}"
SHORT = "[0-9a-f]{12}"
SHA = f"sha256:{ID}"
AGO = "(Less than a second|[0-9a-zA-Z ]+) ago"
PEER = os.environ.get("PLUGRUN_TUTORIALS_WITH", "").split()


class Shell:
    """Somebody who types a tutorial's commands and reads what comes."""

    def __init__(self, argv: list[str], image: str) -> None:
        self.argv = argv
        self.image = image

    def __call__(
        self, line: str, out: str | None = None, *, err: str = "", code: int = 0,
        input: str | None = None,
    ) -> str:  # fmt: skip
        """Run one line; hold its whole output against a pattern, its errors against another."""
        done = subprocess.run(
            [*self.argv, *shlex.split(line)],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        shown = f"\n$ {line}\n{done.stdout}{done.stderr}({done.returncode})"
        assert done.returncode == code, shown
        if out is not None:
            assert re.fullmatch(out, done.stdout.removesuffix("\n"), re.S), f"{shown}\n{out}"
        if err:
            assert re.search(err, done.stderr, re.S), f"{shown}\n{err}"
        elif code == 0:
            assert done.stderr == "", shown
        return done.stdout.removesuffix("\n")

    def rows(self, line: str) -> list[list[str]]:
        """Return a table's lines, cut where two blanks or more stand."""
        return [re.split(r" {2,}", row.rstrip()) for row in self(line).splitlines()]

    @contextlib.contextmanager
    def typing(self, line: str) -> Iterator[Terminal]:
        """Start one line on a terminal of its own."""
        pid, master = pty.fork()
        if pid == 0:
            os.execvp(self.argv[0], [*self.argv, *shlex.split(line)])
        terminal = Terminal(pid, master)
        try:
            yield terminal
        finally:
            terminal.close()


class Terminal:
    """A terminal with a command on it."""

    def __init__(self, pid: int, master: int) -> None:
        self._pid, self._master = pid, master
        self._code: int | None = None
        self.screen = b""

    def type(self, text: bytes) -> None:
        os.write(self._master, text)

    def read_until(self, pattern: bytes) -> bytes:
        """Read until the screen has the pattern; return everything up to then, and forget it."""
        while not (found := re.search(pattern, self.screen, re.S)):
            ready, _, _ = select.select([self._master], [], [], PATIENCE)
            assert ready, self.screen
            try:
                data = os.read(self._master, 65536)
            except OSError:
                data = b""
            assert data, (pattern, self.screen)
            self.screen += data
        seen, self.screen = self.screen[: found.end()], self.screen[found.end() :]
        return seen

    def knock(self, pattern: bytes) -> None:
        """Press return until the screen answers: what is typed before raw mode may be dropped."""
        while not select.select([self._master], [], [], 0.5)[0]:
            self.type(b"\r")
        self.read_until(pattern)

    def wait(self) -> int:
        """Read to the end; return the exit code."""
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 65536):
                self.screen += data
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._code

    def close(self) -> None:
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)
            self.wait()
        os.close(self._master)


if PEER:

    @pytest.fixture
    def shell() -> Shell:
        return Shell(PEER[:1], PEER[1])

else:

    @pytest.fixture
    def shell(alone, debian) -> Shell:
        alone("pull", "-q", debian)
        return Shell(alone.argv, debian)


def test_first_steps(shell):
    """Run, look, stop, remove: the first page of every tutorial."""
    image = shell.image
    shell(f"run --rm {image} echo 'Hello from a container'", "Hello from a container")
    shell("ps --filter name=nobody",
          "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES")  # fmt: skip
    shell(
        f"run --name greeter -l tutorial=first {image} sh -c 'echo out; echo bad >&2; exit 3'",
        "out",
        code=3,
    )
    header, row = shell.rows("ps -a --filter name=greeter")
    assert header == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert re.fullmatch(SHORT, row[0])
    assert row[1:3] == [image, '"sh -c \'echo out; ec…"']
    assert re.fullmatch(AGO, row[3])
    assert re.fullmatch(rf"Exited \(3\) {AGO}", row[4])
    assert row[-1] == "greeter"

    with shell.typing(f"run -it --name box {image} bash") as terminal:
        terminal.read_until(rb"root@[0-9a-f]{12}:\S+# ")
        terminal.type(b"test -t 0 && echo is-a-tty > /root/note; stty size; exit 7\r")
        assert terminal.wait() == 7
        assert re.search(rb"\d+ \d+\r\n", terminal.screen)
    assert "is-a-tty" in shell("cp box:/root/note -")
    shell("rm box", "box")

    id = shell(f"run -d --name web {image} sh -c 'echo serving; exec sleep 1000'", ID)
    shell("ps -q --no-trunc --filter name=web", id)
    row = shell.rows("ps --filter name=web")[1]
    assert row[0] == id[:12]
    assert re.fullmatch("Up (Less than a second|.* seconds?)", row[4])
    shell("logs web", "serving")
    shell("exec web cat /proc/1/comm", "sleep")
    shell("exec -w /tmp -e A=b -u 1000:1000 web sh -c 'pwd; echo $A; id -u'", "/tmp\nb\n1000")
    if not PEER:  # before version 23 Docker returned 126
        shell("exec web no-such-program", code=127, err="no-such-program")
    with shell.typing("exec -it web bash") as terminal:
        terminal.read_until(b"# ")
        terminal.type(b"echo $((6*7))\r")
        terminal.read_until(b"\r42\r\n")
        terminal.type(b"exit\r")
        assert terminal.wait() == 0
    shell(f"run --name web {image} true", code=125, err="already in use by container")
    shell("rm web", code=1, err="running|cannot remove")
    shell(f"rmi {image}", code=1, err=r"conflict: .*container [0-9a-f]{12} .* image")
    shell("stop -t 1 web", "web")
    shell("ps -a --filter name=web --format '{{.Status}}'", rf"Exited \((137|143)\) {AGO}")
    shell("start web", "web")
    shell("ps --filter name=web --format '{{.Names}}'", "web")
    assert shell("logs --tail 1 web") == "serving"
    assert shell("logs web") == "serving\nserving"
    shell("rm -f web", "web")
    out = shell("container prune -f --filter label=tutorial=first")
    assert re.match(rf"Deleted Containers:\n{ID}\n\nTotal reclaimed space: \d", out)
    shell("ps -aq --filter name=greeter", "")
    shell("rm greeter", "", code=1, err="No such container: greeter")


def test_a_container_s_life(shell):
    """Everything that a container can be told to do."""
    image = shell.image
    script = "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done"
    id = shell(f'create --name life -l tier=front -e COLOR=blue {image} sh -c "{script}"', ID)
    shell("ps -q --filter name=life", "")
    shell(
        "ps -a --filter name=life --format '{{.Names}}|{{.Status}}|{{.Label \"tier\"}}'",
        "life\\|Created\\|front",
    )
    state = "{{.State.Status}} {{.State.Running}} {{.State.Pid}}"
    shell(f"inspect -f '{state}' life", "created false 0")
    shell("start life", "life")
    shell("start life", "life")
    shell("inspect --format '{{.Name}} {{json .Config.Env}} {{.Config.Labels.tier}}' life",
          r'/life \[.*"COLOR=blue".*\] front')  # fmt: skip
    document = json.loads(shell("inspect life"))[0]
    assert document["Id"] == id
    assert document["State"]["Status"] == "running"
    shell("exec life touch /kept", "")
    shell("pause life", "life")
    shell("ps --filter name=life --format '{{.Status}}'", r"Up .* \(Paused\)")
    shell("exec life true", code=1, err="is paused, unpause the container before exec")
    shell("unpause life", "life")
    header, *rows = shell("top life").splitlines()
    assert header.split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert any("trap" in row for row in rows)
    assert shell("top life -o pid,comm").splitlines()[0].split() == ["PID", "COMMAND"]
    header, row = shell.rows("stats --no-stream life")
    assert header == [
        *("CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O"),
        "PIDS",
    ]
    assert row[1] == "life"
    assert int(row[-1]) >= 1
    shell("update --memory 64m --memory-swap 64m life", "life")
    shell("inspect -f '{{.HostConfig.Memory}}' life", str(64 << 20))
    shell("port life", "")
    shell("rename life alive", "")
    shell("kill -s USR1 nobody", code=1, err="No such container: nobody")
    shell("stop alive", "alive")
    shell("inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}}' alive", "5 false")
    shell("logs alive", "up\nbye")
    shell("restart -t 0 alive", "alive")
    shell("exec alive ls /kept", "/kept")
    assert [line[:1] for line in shell("diff alive").splitlines()][:1] in (["A"], ["C"])
    assert "A /kept" in shell("diff alive").splitlines()
    shell("kill alive", "alive")
    shell("wait alive", "137")
    shell("stop alive nobody", "alive", code=1, err="No such container: nobody")
    window = f"--since 1h --until 0s --filter container={id}"
    events = shell(f"events {window} --format '{{{{.Action}}}}'")
    actions = iter(events.splitlines())
    for wanted in (
        *("create", "start", "pause", "unpause", "update", "rename", "kill", "die", "stop"),
        *("start", "restart"),
    ):
        assert wanted in actions, (wanted, events)
    shell("rm alive", "alive")

    with shell.typing(f"run -it --name shell --detach-keys ctrl-p,ctrl-q {image} sh") as terminal:
        terminal.read_until(b"# ")
        terminal.type(b"X=kept\r")
        terminal.read_until(b"# ")
        terminal.type(b"\x10\x11")
        assert terminal.wait() == 0
    shell("ps --filter name=shell --format '{{.Names}}'", "shell")
    with shell.typing("attach shell") as first, shell.typing("attach shell") as second:
        first.knock(b"# ")
        first.type(b"echo $X-$X\r")
        first.read_until(b"\nkept-kept\r\n")
        second.read_until(b"\nkept-kept\r\n")
        second.type(b"exit 9\r")
        assert second.wait() == 9
        assert first.wait() == 9
    shell("rm shell", "shell")

    shell(f"run -d --name again --restart on-failure:2 {image} sh -c 'echo try; exit 1'", ID)
    shell("wait again")
    while shell("inspect -f '{{.State.Status}}' again") != "exited":
        shell("wait again")
    shell("inspect -f '{{.RestartCount}} {{.State.ExitCode}}' again", "2 1")
    shell("logs again", "try\ntry\ntry")
    shell("rm again", "again")


def test_making_images(shell, tmp_path):
    """Change a container, keep it as an image, take it elsewhere."""
    image = shell.image
    shell(f"run --name maker {image} sh -c 'echo made > /made; rm /etc/hostname.orig; true'",
          err=".*")  # fmt: skip
    assert "A /made" in shell("diff maker").splitlines()
    made = shell("commit -a 'A U Thor <a@example.org>' -m 'made by hand' "
                 "-c 'CMD [\"cat\", \"/made\"]' -c 'ENV NEW=1' maker made:1", SHA)  # fmt: skip
    shell("run --rm made:1", "made")
    shell("run --rm made:1 sh -c 'echo $NEW'", "1")
    header, row, *_ = shell.rows("images made")
    assert header == ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]
    assert row[:3] == ["made", "1", made[7:19]]
    header, newest, *older = shell.rows("history made:1")
    assert header == ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]
    assert newest[0] == made[7:19]
    assert newest[-1] == "made by hand"
    assert older
    shell("tag made:1 made:latest", "")
    shell("tag nothing:1 x", code=1, err="No such image: nothing:1")
    shell("images -q made", f"{made[7:19]}\n{made[7:19]}")
    shell("inspect -f '{{.Author}}|{{.Comment}}' made", "A U Thor <a@example.org>|made by hand"
          .replace("|", r"\|"))  # fmt: skip

    saved, exported = tmp_path / "saved.tar", tmp_path / "exported.tar"
    shell(f"save -o {saved} made:1 made:latest", "")
    with tarfile.open(saved) as archive:
        assert "manifest.json" in archive.getnames()
    shell(f"export -o {exported} maker", "")
    with tarfile.open(exported) as archive:
        assert archive.extractfile("made").read() == b"made\n"
    shell("rm maker", "maker")
    out = shell("rmi made:1 made:latest")
    assert re.match(rf"Untagged: made:1\nUntagged: made:latest\n(Deleted: {SHA}\n?){{2}}", out)
    shell("run --rm --pull never made:1", code=125, err="No such image: made:1")
    shell(f"load -i {saved}", "Loaded image: made:1\nLoaded image: made:latest")
    shell("run --rm made:1", "made")
    shell("images -q --no-trunc made:1", made)

    shell(f'import -m flat -c \'CMD ["cat", "/made"]\' {exported} flat:1', SHA)
    shell("run --rm flat:1", "made")
    assert len(shell("history -q flat:1").splitlines()) == 1
    shell("run --name user flat:1", "made")
    shell("rmi flat:1", code=1, err=r"conflict: .*container [0-9a-f]{12} is using its referenced")
    shell("rmi -f flat:1", r"Untagged: flat:1(\nDeleted: .*)?")
    shell("rm user", "user")
    shell("rmi made:1", "Untagged: made:1")
    shell("rmi made", rf"Untagged: made:latest\n(Deleted: {SHA}\n?)+")
    out = shell("image prune -f --filter label=nothing")
    assert re.search("^Total reclaimed space: ", out, re.M)


def test_keeping_data(shell, tmp_path):
    """Volumes, binds and copies: data that outlives a container, and how to take it away."""
    image = shell.image
    shell("volume create data", "data")
    shell("volume ls --filter name=data --format '{{.Name}} {{.Driver}}'", "data local")
    shell(f"run --rm -v data:/data {image} sh -c 'echo one > /data/file'", "")
    shell(f"run --rm --mount type=volume,source=data,target=/data,readonly {image} cat /data/file",
          "one")  # fmt: skip
    shell(f"run --rm -v data:/data:ro {image} touch /data/x", code=1, err="Read-only file system")
    point = json.loads(shell("volume inspect data"))[0]["Mountpoint"]
    assert point.endswith("/data/_data")
    shell(f"run -d --name db -v data:/data -v /anonymous {image} sleep 1000", ID)
    shell("volume rm data", code=1, err=r"volume is in use - \[[0-9a-f]{64}\]")
    kinds = shell("inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}};{{end}}' db")
    assert sorted(kinds.strip(";").split(";")) == ["volume /anonymous", "volume /data"]
    backup = "tar cf /backup/b.tar -C /data ."
    shell(f"run --rm --volumes-from db -v {tmp_path}:/backup {image} {backup}", "")
    with tarfile.open(tmp_path / "b.tar") as archive:
        assert archive.extractfile("./file").read() == b"one\n"
    (tmp_path / "in.txt").write_text("from the host\n")
    shell(f"cp {tmp_path}/in.txt db:/data/in.txt", err=".*")
    shell("exec db cat /data/in.txt", "from the host")
    shell(f"cp db:/data/. {tmp_path}/out", err=".*")
    assert sorted(os.listdir(tmp_path / "out")) == ["file", "in.txt"]
    shell("cp db:/none x", code=1, err="Could not find the file /none in container db")
    shell("rm -f -v db", "db")
    assert "data" in shell("volume ls -q").splitlines()
    shell(f"run --rm --tmpfs /scratch:size=1m {image} df -k /scratch", ".* 1024 .*")
    shell(f"run --rm -v relative/path:/x {image} true", code=125, err="includes invalid characters")
    shell(f"run --rm --mount type=bind,source=/does/not/exist,target=/x {image} true",
          code=125, err="bind source path does not exist: /does/not/exist")  # fmt: skip
    out = shell("system df")
    assert [line.split("  ")[0] for line in out.splitlines()][1:4] == [
        *("Images", "Containers", "Local Volumes")
    ]
    # Before API 1.42 Docker pruned named volumes too, and knew no -a.
    pruned = "Deleted Volumes:\n(.*\n)?data\n\nTotal reclaimed space: .*"
    shell(f"volume prune {'-f' if PEER else '-a -f'}", pruned)
    shell("volume rm data", code=1, err="no such volume|No such volume")
    shell("system prune -f --filter label=nothing", ".*Total reclaimed space: 0B")

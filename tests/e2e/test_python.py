"""plugrun from Python: the examples of its page, and what goes wrong."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import types

import plugrun as package
import pytest
from plugrun import CommandFailed, Engine, NotReady, PlugrunError, TimedOut
from plugrun.client import caller
from plugrun.client.caller import Call
from plugrun.errors import CommandNotFound, Conflict, NoSuchContainer, NoSuchImage, UsageError

from tests.e2e.conftest import TOP

IMAGE = "host:sh,cat,echo,sleep,true,false,busybox"


@pytest.fixture
def engine(shared):
    with Engine(root=shared.root, run_root=shared.run_root, config=shared.config) as found:
        yield found
        for container in found.containers():
            container.remove(force=True, volumes=True)


def examples(page):
    with open(f"{TOP}/docs/{page}", encoding="utf-8") as file:
        return re.findall(r"^```python\n(.*?)^```", file.read(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(len(examples("python.md"))))
def test_examples_of_the_page(shared, number):
    own = {
        "PLUGRUN_ROOT": shared.root,
        "PLUGRUN_RUN_ROOT": shared.run_root,
        "PLUGRUN_CONFIG": shared.config,
    }
    program = examples("python.md")[number]
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **own}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_life(engine):
    box = engine.start(IMAGE, "busybox nc -l -p 80", name="box", label={"a": "b"})
    box.wait_for_port(80)
    assert (box.name, box.status) == ("box", "running")
    assert engine.container("box").id == box.id
    assert [found.id for found in engine.containers(label="a=b")] == [box.id]
    box.pause()
    assert box.status == "paused"
    box.unpause()
    box.rename("other")
    box.kill("KILL")
    assert box.wait() == 137
    box.remove()
    with pytest.raises(NoSuchContainer):
        box.inspect()


def test_remove_is_as_careful_as_rm(engine):
    box = engine.start(IMAGE, "sleep 1000", volume=["/data"])
    [mount] = box.inspect()["Mounts"]
    volumes = lambda: engine.command("volume", "ls", "-q").stdout.split()  # noqa: E731
    with pytest.raises(CommandFailed, match="container is running"):
        box.remove()
    assert box.status == "running"
    box.kill()
    box.wait()
    box.remove()
    assert mount["Name"] in volumes()
    engine.command("volume", "rm", mount["Name"])
    box = engine.start(IMAGE, "sleep 1000", volume=["/data"])
    [mount] = box.inspect()["Mounts"]
    box.remove(force=True, volumes=True)
    assert mount["Name"] not in volumes()


def test_output_as_it_comes(engine):
    box = engine.start(IMAGE, ["sh", "-c", "echo one; read x; echo two"], interactive=True)
    lines = box.follow()
    assert next(lines) == "one"
    lines.close()
    assert box.status == "running"
    assert "one" in box.logs(tail=1)


def test_errors_are_of_their_own_kind(engine):
    with pytest.raises(CommandNotFound):
        engine.run(IMAGE, "nonesuch")
    with pytest.raises(UsageError, match="--bogus"):
        engine.run(IMAGE, "true", bogus=True)
    with pytest.raises(NoSuchImage):
        engine.image("nonesuch:latest")
    with pytest.raises(CommandFailed, match="returned 1"):
        engine.run(IMAGE, "false", check=True)
    engine.create(IMAGE, "true", name="taken")
    with pytest.raises(Conflict, match="taken"):
        engine.create(IMAGE, "true", name="taken")


def test_waiting_ends_with_the_container_or_with_time(engine):
    box = engine.start(IMAGE, ["sh", "-c", "echo gone; exit 3"])
    with pytest.raises(NotReady, match="ended with 3"):
        box.wait_for_log("never")
    box = engine.start(IMAGE, "sleep 1000")
    with pytest.raises(NotReady, match="seconds"):
        box.wait_for_port(80, timeout=0.1)


def test_input_and_output_of_any_size(engine):
    data = os.urandom(3 << 20)
    assert engine.run(IMAGE, "cat", input=data).output == data


def test_threads_share_an_engine(engine):
    engine.run(IMAGE, "true")
    found = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(engine.run(IMAGE, f"echo {n}").stdout))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [f"{n}\n" for n in range(6)]


def test_a_fork_of_the_program_may_use_the_engine(engine):
    engine.run(IMAGE, "true")
    pid = os.fork()
    if pid == 0:
        os._exit(engine.run(IMAGE, ["sh", "-c", "exit 5"]).code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    assert engine.run(IMAGE, "echo still").stdout == "still\n"


def test_ctrl_c_ends_the_command_as_on_a_terminal(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("plugrun.client.engine._PARTING", 100.0)  # a busy machine is given time
    script = (
        "trap 'echo gone >/out/end; exit 9' INT; echo here >/out/ready; while :; do sleep 0.1; done"
    )
    with interrupted(tmp_path), pytest.raises(KeyboardInterrupt):
        engine.run(IMAGE, ["sh", "-c", script], volumes={tmp_path: "/out"})
    for container in engine.containers():
        with contextlib.suppress(NoSuchContainer):  # its end has removed it meanwhile
            container.wait()
    assert (tmp_path / "end").read_text() == "gone\n"
    assert engine.run(IMAGE, "true").code == 0


@contextlib.contextmanager
def interrupted(folder):
    """Ctrl-C as soon as the container has opened a FIFO in the folder."""
    os.mkfifo(folder / "ready")

    def interrupt():
        open_and_read(folder)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)

    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        signal.signal(signal.SIGALRM, old)


@pytest.mark.parametrize("keep", [False, True])
def test_a_container_that_ignores_ctrl_c_does_not_outlive_its_call(engine, tmp_path, keep):
    script = ["sh", "-c", "trap '' INT; echo here >/out/ready; exec sleep 1000"]
    with interrupted(tmp_path), pytest.raises(KeyboardInterrupt):
        engine.run(IMAGE, script, volumes={tmp_path: "/out"}, keep=keep)
    assert [container.status for container in engine.containers()] == ["exited"] * keep


def test_a_start_that_is_interrupted_at_the_last_moment_leaves_no_container(engine, monkeypatch):
    finish = Call.finish

    def interrupted_once(call, timeout=None):
        monkeypatch.undo()
        finish(call, timeout)
        call.interrupted = True
        raise KeyboardInterrupt

    monkeypatch.setattr(Call, "finish", interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        engine.start(IMAGE, "sleep 1000")
    assert engine.containers() == []


@pytest.mark.parametrize("keep", [False, True])
def test_a_call_that_takes_too_long_ends_with_its_container(engine, tmp_path, keep, monkeypatch):
    os.mkfifo(tmp_path / "ready")
    ready = threading.Event()
    clock = types.SimpleNamespace(monotonic=lambda: 1e9 if ready.is_set() else 0.0)
    thread = threading.Thread(target=lambda: ready.set() if open_and_read(tmp_path) else None)
    thread.start()
    monkeypatch.setattr(caller, "time", clock)
    script = ["sh", "-c", "trap '' INT; echo here >/out/ready; exec sleep 1000"]
    with pytest.raises(TimedOut, match=r"not done after 0\.2 seconds"):
        engine.run(IMAGE, script, volumes={tmp_path: "/out"}, keep=keep, timeout=0.2)
    monkeypatch.undo()
    thread.join()
    assert [container.status for container in engine.containers()] == ["exited"] * keep
    assert engine.run(IMAGE, "true", timeout=1000).code == 0


def open_and_read(folder):
    return (folder / "ready").read_text()


def test_a_closed_engine_says_so(shared):
    with Engine(root=shared.root, run_root=shared.run_root, config=shared.config) as engine:
        box = engine.create(IMAGE, "true")
    with pytest.raises(PlugrunError, match="engine is closed"):
        engine.images()
    with pytest.raises(PlugrunError, match="engine is closed"):
        box.remove()
    engine.close()
    shared("rm", box.id)


def test_errors_have_no_words_of_a_command_line(engine):
    box = engine.create(IMAGE, "true")
    for call in (lambda: box.port(80), lambda: engine.image("nonesuch"), lambda: box.kill()):
        with pytest.raises(PlugrunError) as caught:
            call()
        assert "Error" not in str(caught.value)


def test_an_option_that_there_is_not_is_told_with_one_that_there_is(engine):
    with pytest.raises(UsageError, match="unknown flag: --memmory") as caught:
        engine.run(IMAGE, "true", memmory="5m")
    assert caught.value.hint.startswith("did you mean memory=?")
    with pytest.raises(UsageError, match="unknown flag: --xyzzy") as caught:
        engine.start(IMAGE, "true", xyzzy=True)
    assert "plugrun run --help" in caught.value.hint


def test_the_package_shows_what_it_has():
    assert {"Engine", "Container", "Image", "Result", "PlugrunError"} <= set(dir(package))
    assert all(hasattr(package, name) for name in dir(package))


def test_a_deleted_working_directory_is_an_error_of_ours(engine, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    os.rmdir(tmp_path / "gone")
    with pytest.raises(PlugrunError, match="working directory"):
        engine.images()
    monkeypatch.undo()


def test_a_fork_while_another_thread_is_at_work_may_use_the_engine(engine):
    engine.run(IMAGE, "true")
    with engine._caller._lock:  # as that thread would hold it
        pid = os.fork()
        if pid == 0:
            os._exit(engine.run(IMAGE, ["sh", "-c", "exit 5"]).code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5


def test_a_command_that_has_just_been_asked_for_can_be_ended(engine):
    engine.run(IMAGE, "true")
    own = engine._caller
    before = {**os.environ, **own._environ}
    # `run` would pass the signal on as soon as there is a container, and PID 1 may ignore it.
    call = Call(own._connect(), own._argv, before, ["events"], None)
    with contextlib.closing(call):
        call._interrupt()
        assert call.finish().code == 130


def test_closing_does_not_wait_for_forks_of_the_program(shared):
    engine = Engine(root=shared.root, run_root=shared.run_root, config=shared.config)
    engine.run(IMAGE, "true")
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(engine.run(IMAGE, ["sh", "-c", "exit 5"]).code)
    closing = threading.Thread(target=engine.close)
    closing.start()
    closing.join(20)
    ended = not closing.is_alive()
    os.close(read)
    os.close(write)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    closing.join()
    assert ended


def test_a_killed_hand_is_an_error_and_the_next_call_works(engine):
    engine.run(IMAGE, "true")
    process = engine._caller._hand.process
    process.kill()
    process.wait()
    assert engine.run(IMAGE, "echo again").stdout == "again\n"

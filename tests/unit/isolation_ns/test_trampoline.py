"""The trampoline is the program its comments say, and does what it should."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from plugrun_isolation_ns import trampoline


def disassemble(machine: str, tmp_path) -> list[str]:
    native = os.uname().machine == machine
    program = shutil.which("objdump" if native else f"{machine}-linux-gnu-objdump")
    if program is None:
        pytest.skip(f"no objdump for {machine}: install binutils")
    file = tmp_path / "elf"
    file.write_bytes(trampoline.elf(machine)[120:])
    flags = {"x86_64": ["-m", "i386:x86-64", "-M", "intel"], "aarch64": ["-m", "aarch64"]}
    command = [program, "-D", "-b", "binary", *flags[machine], str(file)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split("\t")[2].split()[0] for line in output.splitlines() if line.count("\t") >= 2]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_is_what_the_comments_say(machine, tmp_path):
    """Each line of the table is one instruction, with the mnemonic of its comment."""
    with open(trampoline.__file__, encoding="utf-8") as stream:
        source = stream.read()
    table = source[source.index(f"_{machine.upper()} = (") :].partition("\n)")[0]
    said = [
        line.split("# ")[1].removeprefix("fail: ").split()[0] for line in table.splitlines()[1:]
    ]
    assert disassemble(machine, tmp_path) == said


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_another_status_descriptor_changes_the_two_loads_alone(machine, tmp_path):
    usual, other = trampoline.elf(machine), trampoline.elf(machine, trampoline.MOST_STATUS_FD)
    assert len(usual) == len(other)
    assert sum(a != b for a, b in zip(usual, other, strict=True)) <= 4
    assert usual != other


def execute(tmp_path, *argv: str) -> tuple[int, bytes, str]:
    """Execute the trampoline as the backend does, with the status pipe as descriptor 3."""
    program = tmp_path / "trampoline"
    program.write_bytes(trampoline.elf(os.uname().machine))
    program.chmod(0o755)
    reader, writer = os.pipe()
    code = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.closerange(4, 99);"
        "os.execve(sys.argv[2], sys.argv[3:], {'WORD': 'kept'})"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(writer), str(program), *argv]
    done = subprocess.run(command, pass_fds=(writer,), capture_output=True, text=True, check=False)
    os.close(writer)
    with open(reader, "rb") as stream:
        return done.returncode, stream.read(), done.stdout


def test_executes_with_arguments_and_environment(tmp_path):
    script = "echo $0 $1 $WORD; test -e /proc/self/fd/3 && echo open; exit 5"
    found = execute(tmp_path, "/bin/sh", "name", "-c", script, "zero", "one")
    assert found == (5, b"", "zero one kept\n")


def test_says_why_it_could_not(tmp_path):
    assert execute(tmp_path, "/no/such", "x") == (127, b"\2\0\0\0", "")
    assert execute(tmp_path, "/etc", "x") == (126, b"\15\0\0\0", "")


def test_the_file_is_sealed():
    fd = trampoline.sealed_file()
    with pytest.raises(PermissionError):
        os.pwrite(fd, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(fd, 0)
    os.close(fd)

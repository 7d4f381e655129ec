"""The program between the host's Python and the image's command.

While a process runs Python, /proc/PID/exe is the host's interpreter, and CVE-2019-5736 is what
happens when an image reaches it: its command, or a script's ``#!/proc/self/exe``, gets the
interpreter opened or executed inside the container. So Python never executes the image's
command. It executes this, from a sealed memory file: a hundred bytes that execute the command.
All of Python's memory is gone by then, and /proc/self/exe is a file nobody can write.

It is called as ``[path, argv[0], argv[1], ...]`` and does::

    fcntl(3, F_SETFD, FD_CLOEXEC); execve(path, argv, environ)
    write(3, &errno, 4); exit_group(errno == ENOENT ? 127 : 126)

so that the reader of descriptor 3 sees the end of file when the command was executed, and
otherwise four bytes of errno. Where the command keeps descriptors from 3 on, it is the next one.
"""

from __future__ import annotations

import os

from plugrun_isolation_ns.arch import machine

STATUS_FD = 3
MOST_STATUS_FD = 127  # what one byte of an instruction can say

# Each line is one instruction, as objdump shows it; the stack pointer is at argc, argv[0], ...
_X86_64 = (
    "6a48",  # push 72               fcntl
    "58",  # pop rax
    "6a03",  # push 3                STATUS_FD
    "5f",  # pop rdi
    "6a02",  # push 2                F_SETFD
    "5e",  # pop rsi
    "6a01",  # push 1                FD_CLOEXEC
    "5a",  # pop rdx
    "0f05",  # syscall
    "85c0",  # test eax, eax
    "7818",  # js fail
    "488b0c24",  # mov rcx, [rsp]      argc
    "488b7c2408",  # mov rdi, [rsp+8]    argv[0]: the path
    "488d742410",  # lea rsi, [rsp+16]   &argv[1]: the command's own argv
    "488d54cc10",  # lea rdx, [rsp+rcx*8+16]  behind argv's NULL: the environment
    "6a3b",  # push 59               execve
    "58",  # pop rax
    "0f05",  # syscall
    "f7d8",  # fail: neg eax         errno
    "50",  # push rax
    "4889e6",  # mov rsi, rsp
    "6a03",  # push 3                STATUS_FD
    "5f",  # pop rdi
    "6a04",  # push 4                bytes
    "5a",  # pop rdx
    "6a01",  # push 1                write
    "58",  # pop rax
    "0f05",  # syscall
    "31ff",  # xor edi, edi
    "833c2402",  # cmp dword [rsp], 2  ENOENT
    "400f94c7",  # sete dil
    "83c77e",  # add edi, 126
    "b8e7000000",  # mov eax, 231        exit_group
    "0f05",  # syscall
)
_AARCH64 = (
    "600080d2",  # mov x0, #3          STATUS_FD
    "410080d2",  # mov x1, #2          F_SETFD
    "220080d2",  # mov x2, #1          FD_CLOEXEC
    "280380d2",  # mov x8, #25         fcntl
    "010000d4",  # svc #0
    "e000f8b7",  # tbnz x0, #63, fail
    "e30340f9",  # ldr x3, [sp]        argc
    "e00740f9",  # ldr x0, [sp, #8]    argv[0]: the path
    "e1430091",  # add x1, sp, #16     &argv[1]
    "220c038b",  # add x2, x1, x3, lsl #3   the environment
    "a81b80d2",  # mov x8, #221        execve
    "010000d4",  # svc #0
    "e003004b",  # fail: neg w0, w0    errno
    "e00f1fb8",  # str w0, [sp, #-16]!
    "600080d2",  # mov x0, #3          STATUS_FD
    "e1030091",  # mov x1, sp
    "820080d2",  # mov x2, #4          bytes
    "080880d2",  # mov x8, #64         write
    "010000d4",  # svc #0
    "e30340b9",  # ldr w3, [sp]
    "7f080071",  # cmp w3, #2          ENOENT
    "c00f8052",  # mov w0, #126
    "0014801a",  # cinc w0, w0, eq
    "c80b80d2",  # mov x8, #94         exit_group
    "010000d4",  # svc #0
)
_CODE = {"x86_64": (62, _X86_64), "aarch64": (183, _AARCH64)}

_BASE = 0x400000
_HEADERS = 64 + 56


# The instruction that loads STATUS_FD.
_LOAD_STATUS = {"x86_64": "6a03", "aarch64": "600080d2"}


def elf(name: str, status_fd: int = STATUS_FD) -> bytes:
    """Return the whole program for an architecture: an ELF file with one segment (elf(5))."""
    elf_machine, lines = _CODE[name]
    load = _load(name, status_fd)
    code = b"".join(load if line == _LOAD_STATUS[name] else bytes.fromhex(line) for line in lines)
    size = _HEADERS + len(code)
    words: list[tuple[bytes | int, int]] = [
        (b"\x7fELF\x02\x01\x01", 16),  # 64 bits, little endian, version 1
        (2, 2),  # ET_EXEC
        (elf_machine, 2),
        (1, 4),  # version
        (_BASE + _HEADERS, 8),  # entry
        (64, 8),  # program headers begin here
        (0, 8),  # no sections
        (0, 4),  # flags
        (64, 2),  # this header's size
        (56, 2),  # a program header's size
        (1, 2),  # one of them
        (0, 6),  # no sections
        (1, 4),  # PT_LOAD
        (5, 4),  # readable, executable
        (0, 8),  # from the file's start
        (_BASE, 8),
        (_BASE, 8),
        (size, 8),
        (size, 8),
        (0x1000, 8),  # alignment
    ]
    return b"".join(_field(value, width) for value, width in words) + code


def _load(name: str, status_fd: int) -> bytes:
    """Return the instruction that loads another descriptor's number."""
    if name == "x86_64":
        return bytes((0x6A, status_fd))  # push imm8
    return (0xD2800000 | status_fd << 5).to_bytes(4, "little")  # mov x0, #imm16


def _field(value: bytes | int, width: int) -> bytes:
    if isinstance(value, bytes):
        return value.ljust(width, b"\0")
    return value.to_bytes(width, "little")


_MFD_CLOEXEC, _MFD_ALLOW_SEALING, _MFD_EXEC = 1, 2, 0x10
_F_ADD_SEALS = 1033
_SEAL_ALL = 0x1 | 0x2 | 0x4 | 0x8  # SEAL, SHRINK, GROW, WRITE


def sealed_file(status_fd: int = STATUS_FD) -> int:
    """Return a descriptor of the program in memory that nobody can change any more."""
    import fcntl

    flags = _MFD_CLOEXEC | _MFD_ALLOW_SEALING
    try:
        # Since Linux 6.3 vm.memfd_noexec may forbid execution unless it is asked for.
        fd = os.memfd_create("plugrun-exec", flags | _MFD_EXEC)
    except OSError:
        fd = os.memfd_create("plugrun-exec", flags)
    os.write(fd, elf(machine(), status_fd))
    fcntl.fcntl(fd, _F_ADD_SEALS, _SEAL_ALL)
    return fd

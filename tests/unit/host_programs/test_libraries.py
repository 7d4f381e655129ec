"""Reading ELF headers and finding what they name."""

from __future__ import annotations

import io
import os
import shutil
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun_host_programs.elf import Elf, read_elf
from plugrun_host_programs.libraries import Libraries, expanded


def elf_file(needed=(), interpreter="", rpath="", runpath="", bits=64, machine=62):
    """Return a small ELF file: headers, one loadable segment and a dynamic section."""
    strings = b"\0"
    tags = []
    for tag, text in [*((1, n) for n in needed), (15, rpath), (29, runpath)]:
        if text:
            tags.append((tag, len(strings)))
            strings += text.encode() + b"\0"
    head, entry = (64, 56) if bits == 64 else (52, 32)
    at = head + 3 * entry
    interp = interpreter.encode() + b"\0"
    word = "Q" if bits == 64 else "I"
    dynamic_at = at + len(interp) + len(strings)
    tags += [(5, 0x1000 + at + len(interp)), (10, len(strings)), (0, 0)]
    dynamic = b"".join(struct.pack("<" + 2 * word, *tag) for tag in tags)
    total = dynamic_at + len(dynamic)

    def segment(kind, offset, size):
        address = 0x1000 + offset
        if bits == 64:
            return struct.pack("<IIQQQQQQ", kind, 4, offset, address, address, size, size, 8)
        return struct.pack("<IIIIIIII", kind, offset, address, address, size, size, 4, 4)

    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1]) + bytes(9)
    rest = struct.pack(
        "<HHI" + 3 * word + "IHHHHHH", 3, machine, 1, 0, head, 0, 0, head, entry, 3, 0, 0, 0
    )
    segments = segment(1, 0, total) + segment(2, dynamic_at, len(dynamic))
    segments += segment(3 if interpreter else 0, at, len(interp))
    return ident + rest + segments + interp + strings + dynamic


def read(data):
    return read_elf(io.BytesIO(data))


@pytest.mark.parametrize("bits", [32, 64])
def test_headers_are_read(bits):
    data = elf_file(["libc.so.6", "libm.so.6"], "/lib/ld.so", "/a:/b", "$ORIGIN/../lib", bits)
    assert read(data) == Elf(
        (bits // 32, 1, 62),
        "/lib/ld.so",
        ("libc.so.6", "libm.so.6"),
        ("/a", "/b"),
        ("$ORIGIN/../lib",),
    )


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF" + bytes(60)])
def test_what_is_no_elf_is_none(data):
    assert read(data) is None


@given(st.integers(0, 300), st.binary(min_size=1, max_size=8))
def test_broken_headers_are_never_an_exception(at, junk):
    data = bytearray(elf_file(["libc.so.6"], "/lib/ld.so"))
    data[16 + at : 16 + at + len(junk)] = junk
    found = read(bytes(data))
    assert found is None or isinstance(found, Elf)


@given(st.integers(0, 400))
def test_truncated_files_are_never_an_exception(size):
    found = read(elf_file(["libc.so.6"], "/lib/ld.so")[:size])
    assert found is None or isinstance(found, Elf)


def test_this_python_can_be_read():
    with open(os.path.realpath(sys.executable), "rb") as file:
        found = read_elf(file)
    assert found is not None
    assert found.interpreter.startswith("/")


@pytest.fixture
def folder(tmp_path):
    def put(name, **kinds):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(elf_file(**kinds))
        return str(path)

    return put


def test_runpath_then_cache_then_default_folders(folder, tmp_path):
    own, cached = folder("own/libx.so"), folder("cached/libx.so")
    libraries = Libraries(cache_file(tmp_path, {"libx.so": [cached]}))
    wanting = read(elf_file())
    with_runpath = read(elf_file(runpath=os.path.dirname(own)))
    assert libraries.find("libx.so", with_runpath, "/bin/x").path == own
    found = libraries.find("libx.so", wanting, "/bin/x")
    assert (found.path, found.by_cache) == (cached, True)
    assert libraries.find("libnowhere.so", wanting, "/bin/x") is None


def test_runpath_hides_what_was_inherited(folder, tmp_path):
    inherited, own = folder("a/libx.so"), folder("b/libx.so")
    libraries = Libraries(str(tmp_path / "none"))
    rpath = (os.path.dirname(inherited),)
    with_runpath = read(elf_file(runpath=os.path.dirname(own)))
    assert libraries.find("libx.so", read(elf_file()), "/bin/x", rpath).path == inherited
    assert libraries.find("libx.so", with_runpath, "/bin/x", rpath).path == own


def test_another_machines_library_is_passed_over(folder, tmp_path):
    foreign, right = folder("arm/libx.so", machine=183), folder("x86/libx.so")
    libraries = Libraries(cache_file(tmp_path, {"libx.so": [foreign, right]}))
    assert libraries.find("libx.so", read(elf_file()), "/bin/x").path == right


def test_a_library_named_by_path_is_taken_from_there(folder, tmp_path):
    path = folder("x/libx.so")
    assert Libraries("/none").find(path, read(elf_file()), "/bin/x").path == path


def test_origin_is_the_real_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    found = expanded(("$ORIGIN/../lib", "${ORIGIN}", "relative", "/$LIB"), str(tmp_path / "link/x"))
    assert found == (str(tmp_path / "lib"), str(tmp_path / "real"))


def cache_file(tmp_path, names, hwcap=0):
    """Write an ld.so.cache of glibc's newer form."""
    entries = [(name, path) for name, paths in names.items() for path in paths]
    offset = 48 + 24 * len(entries)
    body, strings = b"", b""
    for name, path in entries:
        key = offset + len(strings)
        strings += name.encode() + b"\0"
        value = offset + len(strings)
        strings += path.encode() + b"\0"
        body += struct.pack("=iIIIQ", 0x0303, key, value, 0, hwcap)
    head = b"glibc-ld.so.cache1.1" + struct.pack("=II", len(entries), len(strings)) + bytes(20)
    path = tmp_path / "ld.so.cache"
    path.write_bytes(head + body + strings)
    return str(path)


def test_optimised_copies_are_left_out(folder, tmp_path):
    path = folder("hw/libx.so")
    libraries = Libraries(cache_file(tmp_path, {"libx.so": [path]}, hwcap=1 << 62))
    assert libraries.find("libx.so", read(elf_file()), "/bin/x") is None


@pytest.mark.parametrize("data", [b"", b"junk" * 100, b"glibc-ld.so.cache1.1", b"\xff" * 100])
def test_a_broken_cache_is_no_cache(tmp_path, data):
    path = tmp_path / "cache"
    path.write_bytes(data)
    assert Libraries(str(path)).find("libx.so", read(elf_file()), "/bin/x") is None


@pytest.mark.skipif(shutil.which("ldconfig") is None, reason="needs glibc's ldconfig")
def test_this_machines_cache_leads_to_the_c_library():
    with open(os.path.realpath(sys.executable), "rb") as file:
        wanting = read_elf(file)
    found = Libraries().find("libc.so.6", wanting, sys.executable)
    assert found is not None
    assert os.path.exists(found.path)

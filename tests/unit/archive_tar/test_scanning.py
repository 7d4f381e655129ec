"""Tables of contents of tar files, honest and otherwise."""

from __future__ import annotations

import gzip
import io
import os
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.api import Corrupt, HostileArchive, PlugrunError, host_platform
from plugrun_archive_tar import scanning
from plugrun_archive_tar.header import parse_pax
from plugrun_archive_tar.members import TarMembers, plain_name
from plugrun_archive_tar.plugin import plugrun_open_transport
from plugrun_archive_tar.scanning import scan

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def made(files, form=tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, what in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(what, bytes):
                info.size = len(what)
                archive.addfile(info, io.BytesIO(what))
            else:
                info.type, info.linkname = tarfile.SYMTYPE, what
                archive.addfile(info)
    return buffer.getvalue()


def opened(tmp_path, data: bytes) -> TarMembers:
    (tmp_path / "a").write_bytes(data)
    fd = os.open(tmp_path / "a", os.O_RDONLY)
    try:
        return TarMembers(fd, scan(fd))
    except BaseException:
        os.close(fd)
        raise


def content(members: TarMembers, name: str) -> bytes:
    return b"".join(members.read(name))


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_read(tmp_path, form):
    long = "/".join(["folder" * 4] * 5) + "/" + "n" * 90
    files = {"a": b"1", "./b/c": b"22" * 500, long: b"333", "link": "b/c", "b/up": "../a"}
    members = opened(tmp_path, made(files, form))
    assert content(members, "a") == b"1"
    assert content(members, "b/c") == content(members, "link") == b"22" * 500
    assert content(members, long) == b"333"
    assert content(members, "b/up") == b"1"
    members.close()


def test_names_that_are_no_text(tmp_path):
    members = opened(tmp_path, made({"\udcff": b"x"}))
    assert content(members, "\udcff") == b"x"
    members.close()


def test_an_archive_without_its_end_mark(tmp_path):
    members = opened(tmp_path, made({"a": b"x" * 512})[: 2 * 512])
    assert members.size("a") == 512
    members.close()


def changed(data: bytes, at: int, new: bytes) -> bytes:
    block = bytearray(data[:512])
    block[at : at + len(new)] = new
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data[512:]


ONE = made({"a": b"x"})
BAD = {
    "a negative size": changed(ONE, 124, b"\xff" * 12),
    "a huge size": changed(ONE, 124, b"\x80" + b"\x7f" * 11),
    "a size beyond the end": changed(ONE, 124, b"00000077777\0"),
    "a size that is no number": changed(ONE, 124, b"0000000000x\0"),
    "a wrong checksum": b"b" + ONE[1:],
    "an absolute name": changed(ONE, 0, b"/a"),
    "a name with ..": changed(ONE, 0, b"x/../../a"),
    "the same name twice": made({"a": b"x"})[:1024] + ONE,
    "half a header": ONE[:300],
    "an extension without end": changed(
        changed(ONE, 156, b"L"), 124, b"\x80" + (1 << 30).to_bytes(11, "big")
    ),
    "nothing": b"",
    "zeros": bytes(10_240),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_archives_are_refused(tmp_path, name):
    with pytest.raises(Corrupt):
        opened(tmp_path, BAD[name])


@pytest.mark.parametrize("data", [*BAD.values(), gzip.compress(ONE)[:-9]], ids=[*BAD, "cut gzip"])
def test_the_error_names_the_archive(tmp_path, data):
    path = tmp_path / "bad.tar"
    path.write_bytes(data)
    transport = plugrun_open_transport(f"docker-archive:{path}", {})
    with pytest.raises(Corrupt) as caught:
        transport.resolve(host_platform())
    assert caught.value.message.startswith(f"{path}: ")
    transport.close()


@pytest.mark.parametrize("link", ["/etc/passwd", "../../etc/passwd", "b", "folder", "nowhere"])
def test_links_that_lead_nowhere_good(tmp_path, link):
    members = opened(tmp_path, made({"b": link, "folder/x": b""}))
    with pytest.raises(Corrupt):
        members.size("b")
    members.close()


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(scanning, "_MOST_MEMBERS", 3)
    with pytest.raises(HostileArchive, match="over 3 members"):
        opened(tmp_path, made({str(n): b"" for n in range(4)}))


@given(st.binary(max_size=4096))
def test_any_bytes_are_an_archive_or_an_error(tmp_path_factory, data):
    _try(tmp_path_factory, data)


@given(st.data())
def test_any_damage_is_an_error_or_harmless(tmp_path_factory, data):
    whole = bytearray(made({"a": b"x" * 600, "l" * 150: b"", "link": "a"}, tarfile.PAX_FORMAT))
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=8)):
        whole[at] = data.draw(st.integers(0, 255))
    whole[148:156] = b" " * 8
    whole[148:156] = b"%06o\0 " % sum(whole[:512])
    _try(tmp_path_factory, bytes(whole))


def _try(factory, data: bytes) -> None:
    try:
        members = opened(factory.mktemp("any"), data)
    except PlugrunError:
        return
    try:
        for name in list(members._members):
            try:
                content(members, name)
            except PlugrunError:
                continue
    finally:
        members.close()


@given(st.binary(max_size=200))
def test_any_pax_records_are_parsed_or_refused(data):
    try:
        assert isinstance(parse_pax(data), dict)
    except PlugrunError:
        return


@given(st.text(max_size=50))
def test_a_plain_name_stays_inside(name):
    try:
        found = plain_name(name)
    except PlugrunError:
        return
    assert not found.startswith("/")
    assert ".." not in found.split("/")
    assert plain_name(found) == found

"""How the conversation with the kernel ends."""

import errno
import os
from types import SimpleNamespace

import pytest
from plugrun_storage_fuse.server.session import Session


def union():
    return SimpleNamespace(layers=SimpleNamespace(spare=lambda: None))


def reading(monkeypatch, *errors):
    """``Session.serve`` where read(2) fails with each of these in turn."""
    left = list(errors)

    def fail(device, buffers):
        raise OSError(left.pop(0), "read")

    monkeypatch.setattr(os, "readv", fail)
    Session(union(), -1).serve()
    return left


@pytest.mark.parametrize("end", [errno.ENODEV, errno.ECONNABORTED])
def test_a_mount_that_has_gone_ends_it_quietly(monkeypatch, end):
    """ECONNABORTED: it went while the kernel was handing out a request."""
    assert reading(monkeypatch, errno.EINTR, errno.ENOENT, end) == []


def test_another_error_is_told(monkeypatch):
    with pytest.raises(OSError, match="read") as caught:
        reading(monkeypatch, errno.EIO)
    assert caught.value.errno == errno.EIO

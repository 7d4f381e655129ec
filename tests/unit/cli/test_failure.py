"""Errors of system calls as they are told: the machine's with what to do, others not at all."""

import errno
import os

import pytest
from plugrun.cli.failure import machine_error


@pytest.mark.parametrize("number", [errno.EPERM, errno.EISDIR])
def test_what_speaks_of_a_path_is_the_machines_where_it_names_one(number):
    told = machine_error(OSError(number, os.strerror(number), "/a/place"))
    assert told is not None
    assert told.message == f"/a/place: {os.strerror(number)}"
    assert "--root" not in told.hint
    assert machine_error(OSError(number, os.strerror(number))) is None

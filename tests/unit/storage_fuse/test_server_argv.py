"""The command line of the union's server."""

import sys

from plugrun_storage_fuse.server import argv


def test_each_layer_is_a_word_so_that_any_path_and_any_number_fits():
    lower = tuple(f"/layers/with:colon,comma/{n}" for n in range(500))
    words = argv(lower, "/u", "/w")
    assert words[0] == sys.executable
    assert words[1:3] == ("-I", "-S")
    assert [w for w in words if w.startswith("lowerdir+=")] == [f"lowerdir+={one}" for one in lower]
    assert words[-2:] == ("upperdir=/u", "workdir=/w")


def test_without_an_upper_it_is_read_only():
    words = argv(("/l",), "", "/w")
    assert not [w for w in words if w.startswith(("upperdir=", "workdir="))]

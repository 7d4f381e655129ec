"""What images of host programs are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.api import InvalidArgument, parse_reference
from plugrun_host_programs.names import image_reference
from plugrun_host_programs.plugin import plugrun_open_transport, plugrun_options


@pytest.mark.parametrize(
    ("programs", "name"),
    [
        (("sh",), "docker.io/host/sh:latest"),
        (("sh", "ls", "cat"), "docker.io/host/sh-ls-cat:latest"),
        (("python3.11",), "docker.io/host/python3.11:latest"),
    ],
)
def test_plain_names_are_joined(programs, name):
    assert str(image_reference(programs)) == name


@pytest.mark.parametrize(
    "programs", [("g++",), ("[",), ("a-b",), ("/bin/sh",), ("Rscript",), ("x" * 300,), ("..a",)]
)
def test_what_the_grammar_cannot_spell_gets_a_hash(programs):
    path = image_reference(programs).path
    assert path.startswith("host/")
    assert len(path.rpartition("-")[2]) == 8


def test_different_programs_have_different_names():
    lists = [("a-b",), ("a", "b"), ("/usr/bin/a", "b"), ("/bin/a", "b"), ("A", "b"), ("b", "a")]
    assert len({str(image_reference(programs)) for programs in lists}) == len(lists)


@given(st.lists(st.text(min_size=1), min_size=1).map(tuple))
def test_any_list_has_a_name_docker_accepts(programs):
    name = str(image_reference(programs))
    assert str(parse_reference(name)) == name


@pytest.mark.parametrize(
    "address", ["host:", "host:sh,", "host:./x", "host:a/b", "host:..", "host:/"]
)
def test_what_names_no_program_is_refused(address):
    with pytest.raises(InvalidArgument, match="program"):
        plugrun_open_transport(address, {})


@pytest.mark.parametrize("address", ["debian", "docker://host/sh", "oci:host", "host.example/x"])
def test_other_addresses_are_anothers(address):
    assert plugrun_open_transport(address, {}) is None


def test_there_are_no_options():
    assert plugrun_options() == ()

"""What ``update`` makes of a record, and of the live limits."""

from __future__ import annotations

import pytest
from plugrun.engine.update import Change, changed, check_change, resources_of
from plugrun.errors import Conflict, InvalidArgument
from plugrun.model.fence import Limits
from plugrun.model.upkeep import RestartPolicy

from tests.unit.cli.examples import container

MB = 1 << 20


def test_what_is_not_said_stays():
    before = container(limits=Limits(memory=100 * MB, pids=7, cpuset_cpus="0"))
    after = changed(before, Change(Limits(cpu_shares=100)))
    assert after.limits == Limits(memory=100 * MB, pids=7, cpuset_cpus="0", cpu_shares=100)
    assert after.restart == before.restart


def test_memory_beneath_the_swap_limit_keeps_it():
    before = container(limits=Limits(memory=100 * MB))
    after = changed(before, Change(Limits(memory=150 * MB)))
    assert (after.limits.memory, after.limits.memory_swap) == (150 * MB, 200 * MB)


@pytest.mark.parametrize("present", [Limits(), Limits(memory=100 * MB)])
def test_memory_above_the_swap_limit(present):
    change = Change(Limits(memory=300 * MB))
    with pytest.raises(Conflict, match="already set memoryswap limit"):
        changed(container(limits=present), change)
    both = Change(Limits(memory=300 * MB, memory_swap=-1))
    assert changed(container(limits=present), both).limits.memory_swap == -1


@pytest.mark.parametrize(
    ("present", "given", "words"),
    [
        (Limits(nano_cpus=5), Limits(cpu_quota=1000), "CPU Quota cannot be updated as NanoCPUs"),
        (Limits(nano_cpus=5), Limits(cpu_period=1000), "CPU Period cannot be updated as NanoCPUs"),
        (Limits(cpu_quota=5), Limits(nano_cpus=5), "Nano CPUs cannot be updated as CPU Quota"),
        (Limits(cpu_period=5), Limits(nano_cpus=5), "Nano CPUs cannot be updated as CPU Period"),
    ],
)
def test_two_ways_of_limiting_the_cpu(present, given, words):
    with pytest.raises(Conflict, match=words):
        changed(container(limits=present), Change(given))


def test_no_pids_limit_any_more():
    after = changed(container(limits=Limits(pids=5)), Change(Limits(pids=-1)))
    assert after.limits.pids == 0
    assert resources_of(Limits(pids=-1), after.limits) == {"pids": {"limit": -1}}


def test_a_restart_policy():
    policy = RestartPolicy("always")
    assert changed(container(), Change(Limits(), policy)).restart == policy
    with pytest.raises(Conflict, match="AutoRemove is enabled"):
        changed(container(auto_remove=True), Change(Limits(), policy))
    never = Change(Limits(), RestartPolicy("no"))
    assert changed(container(auto_remove=True), never).restart.name == "no"


def test_the_swap_limit_goes_with_memory_or_alone():
    assert resources_of(Limits(), Limits(memory=5, memory_swap=9)) == {}
    found = resources_of(Limits(memory_swap=9), Limits(memory=5, memory_swap=9))
    assert found == {"memory": {"swap": 9}}
    found = resources_of(Limits(memory=5), Limits(memory=5, memory_swap=9))
    assert found == {"memory": {"limit": 5, "swap": 9}}


def test_cpus_are_a_quota():
    found = resources_of(Limits(nano_cpus=5 * 10**8), Limits())
    assert found == {"cpu": {"quota": 50000, "period": 100000}}
    assert resources_of(Limits(blkio_weight=50), Limits()) == {"blockIO": {"weight": 50}}


def test_what_no_container_can_have():
    with pytest.raises(InvalidArgument, match="6MB"):
        check_change(Change(Limits(memory=5)))
    with pytest.raises(InvalidArgument, match="invalid restart policy"):
        check_change(Change(Limits(), RestartPolicy("sometimes")))
    # The memory limit it goes with may be set already.
    check_change(Change(Limits(memory_swap=100 * MB)))

"""From attach to detach."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

import pytest

from plugrun.errors import PlugrunError
from plugrun.interfaces.backend import Probe
from plugrun.interfaces.network import CONNECT, OUTBOUND
from plugrun.model.network import Attachment, Endpoint
from plugrun.testing.network.fixtures import NetworkFixtures, an_id, made, needs
from plugrun.testing.network.place import rules, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.interfaces.network import Network
    from plugrun.testing.network.place import Place


class LifeContract(NetworkFixtures):
    """What holds for every network, even one that joins nothing."""

    def test_can_do_what_the_suite_asks_for(self, network: Network) -> None:
        assert network.capabilities == self.capabilities

    def test_probe_works_and_leaves_nothing(self, network: Network) -> None:
        before = _everything()
        assert isinstance(network.probe(), Probe)
        assert network.probe().works, network.probe().reason
        assert _everything() == before

    def test_attach_says_what_the_container_got(self, network: Network, netns: str) -> None:
        attachment = network.attach(Endpoint(an_id(), made(network)), netns)
        assert isinstance(attachment, Attachment)
        interfaces = [ipaddress.ip_interface(address) for address in attachment.addresses]
        for gateway in attachment.gateways:
            address = ipaddress.ip_address(gateway)
            assert any(address in interface.network for interface in interfaces)
        assert attachment.warnings == ()

    def test_what_it_says_is_there(self, network: Network, place: Callable[[], Place]) -> None:
        container = place()
        endpoint = Endpoint(an_id(), made(network), interface="net7")
        attachment = network.attach(endpoint, container.path)
        if not attachment.addresses:
            assert container.interfaces() == {"lo"}
            return
        assert attachment.interface == "net7"
        assert container.interfaces() == {"lo", "net7"}
        shown = container.run("ip address show dev net7")
        assert all(address in shown for address in (*attachment.addresses, attachment.mac))
        assert f"default via {attachment.gateways[0]}" in container.run("ip route show")

    def test_outbound_needs_an_address(self, network: Network, netns: str) -> None:
        attachment = network.attach(Endpoint(an_id(), made(network)), netns)
        assert attachment.addresses or OUTBOUND not in network.capabilities

    def test_detach_can_be_repeated(self, network: Network, netns: str) -> None:
        container = an_id()
        network.attach(Endpoint(container, made(network)), netns)
        network.detach(container)
        network.detach(container)
        network.detach("f" * 64)

    def test_attach_again_after_detach(self, network: Network, place: Callable[[], Place]) -> None:
        endpoint = Endpoint(an_id(), made(network))
        first, second = place(), place()
        was = network.attach(endpoint, first.path)
        first.close()
        network.detach(endpoint.container_id)
        again = network.attach(endpoint, second.path)
        assert len(again.addresses) == len(was.addresses)

    def test_attached_says_who_is(self, network: Network, place: Callable[[], Place]) -> None:
        config, container = made(network), an_id()
        attachment = network.attach(Endpoint(container, config), place().path)
        if attachment.addresses:
            assert list(network.attached()) == [(container, config.id)]
        network.detach(container, config.id)
        assert list(network.attached()) == []

    def test_nothing_stays_on_the_host(self, network: Network, place: Callable[[], Place]) -> None:
        seen = []
        for _ in range(2):
            config, container, other = made(network), an_id(), place()
            network.attach(Endpoint(container, config), other.path)
            network.detach(container)
            network.remove(config)
            network.remove(config)
            seen.append(_everything())
        # What the first one made for all to come may stay, if it shows no more than that.
        assert seen[0] == seen[1]
        assert seen[0][0] == {"lo"}
        assert network.sweep(frozenset()) == ()

    def test_a_network_that_is_in_use_can_be_removed(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        before = _everything()
        config, container = made(network), place()
        network.attach(Endpoint(an_id(), config), container.path)
        network.remove(config)
        assert list(network.attached()) == []
        container.close()
        assert _interfaces() == before[0]

    def test_nothing_is_lost_and_nothing_overlaps(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config = made(network)
        assert network.mend() == network.overlaps(config) == ()
        network.attach(Endpoint(an_id(), config), place().path)
        assert network.mend(act=False) == network.mend() == network.overlaps(config) == ()

    @needs(OUTBOUND)
    def test_a_namespace_that_is_none_leaves_nothing(self, network: Network) -> None:
        config = made(network)
        for path in ("/proc/self/ns/uts", "/nonexistent", "/dev/null"):
            with pytest.raises((OSError, PlugrunError)):
                network.attach(Endpoint(an_id(), config), path)
            assert list(network.attached()) == []

    @needs(CONNECT)
    def test_who_is_taken_off_loses_the_interface(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        one, other, container = made(network), made(network), an_id()
        box = place()
        network.attach(Endpoint(container, one), box.path)
        network.attach(Endpoint(container, other, interface="eth1", gateway=False), box.path)
        assert box.interfaces() == {"lo", "eth0", "eth1"}
        network.detach(container, one.id)
        assert box.interfaces() == {"lo", "eth1"}
        assert list(network.attached()) == [(container, other.id)]
        network.attach(Endpoint(container, one), box.path)
        network.detach(container)
        assert box.interfaces() == {"lo"}


def _interfaces() -> frozenset[str]:
    return frozenset(name for _, name in socket.if_nameindex())


def _everything() -> tuple[frozenset[str], str, str]:
    return _interfaces(), rules(), run("ip route show table all type unicast")

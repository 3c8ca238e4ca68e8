"""No spelling of a private address, and no name that leads to one, is ever connected to (W01-W26, W35-W41)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.fetch.addresses import Ground, is_public
from tests.attacks.fetch.world import EVIL, world

pytestmark = pytest.mark.anyio

LOOPBACK_HOSTS = {  # W01-W12: ways to write 127.0.0.1
    "W01": "127.0.0.1",
    "W02": "localhost",
    "W03": "localhost.",
    "W04": "LOCALHOST",
    "W05": "0.0.0.0",
    "W06": "0",
    "W07": "2130706433",
    "W08": "0x7f000001",
    "W09": "0x7f.0x0.0x0.0x1",
    "W10": "0177.0.0.1",
    "W11": "127.1",
    "W12": "127.0.0.3",
    "W13": "[::ffff:127.0.0.1]",
    "W14": "[::ffff:7f00:1]",
    "W15": "[0:0:0:0:0:ffff:7f00:0001]",
    "W16": "[::1]",
    "W17": "[::]",
    "W27": "127.0.0.1.",
    "W28": "\u2460\u2461\u2466.0.0.1",  # circled digits
    "W29": "\uff11\uff12\uff17.0.0.1",  # full width digits
    "0-octal": "0x7f.1",
    "mixed": "017700000001",
    "nat64": "[64:ff9b::7f00:1]",
}
RESOLVED = {  # W36-W41: what a name may answer; "public" to some library or deny-list
    "mapped": "::ffff:127.0.0.1",
    "mapped-private": "::ffff:10.0.0.1",
    "nat64": "64:ff9b::a00:1",
    "nat64-local": "64:ff9b:1::a00:1",
    "6to4": "2002:7f00:1::",
    "teredo": "2001:0:7f00:1::",
    "site-local": "fec0::1",
    "unique-local": "fc00::1",
    "link-local": "fe80::1",
    "link-local-zone": "fe80::1%lo",
    "compatible": "::7f00:1",
    "multicast6": "ff02::1",
    "discard": "100::1",
    "orchid": "2001:20::1",
    "documentation6": "2001:db8::1",
    "documentation6-new": "3fff::1",
    "srv6": "5f00::1",
    "unassigned6": "4000::1",
    "carrier": "100.64.0.1",
    "metadata": "169.254.169.254",
    "metadata-ecs": "169.254.170.2",
    "metadata6": "fd00:ec2::254",
    "alibaba": "100.100.100.200",
    "azure": "168.63.129.16",
    "azure-mapped": "::ffff:168.63.129.16",
    "oracle": "192.0.0.192",
    "benchmark": "198.18.0.1",
    "multicast": "224.0.0.1",
    "class-e": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "this-network": "0.0.0.0",
    "private-10": "10.0.0.1",
    "private-172": "172.31.255.255",
    "private-192": "192.168.1.1",
    "6to4-relay": "192.88.99.1",
    "not-an-address": "localhost",
}


@pytest.mark.parametrize("host", LOOPBACK_HOSTS.values(), ids=LOOPBACK_HOSTS.keys())
async def test_no_spelling_of_loopback_is_fetched(host: str) -> None:
    async with world() as there:
        result = await there.client.call_tool("web_fetch", {"url": f"http://{host}:{there.secret.port}/secret"})
        assert result.is_error
        there.inside_untouched(str(result))


@pytest.mark.parametrize("address", RESOLVED.values(), ids=RESOLVED.keys())
async def test_a_name_that_leads_inside_is_refused_and_the_address_is_not_told(address: str) -> None:
    async with world(names={"inside.example": [[address]]}) as there:
        said = await there.refused("http://inside.example/secret")
        assert address not in said


async def test_one_private_answer_refuses_the_whole_name() -> None:  # W35
    async with world(names={"mixed.example": [["198.51.100.7", EVIL], [EVIL, "127.0.0.1"]]}) as there:
        await there.refused("http://mixed.example/")
        await there.refused(f"http://mixed.example:{there.secret.port}/secret")
        assert there.evil.requests == []


@pytest.mark.parametrize("host", ["metadata.google.internal", "metadata", "instance-data.ec2.internal"])
async def test_the_names_of_metadata_servers_lead_nowhere(host: str) -> None:  # W40
    async with world(names={host: [["169.254.169.254"]]}) as there:
        await there.refused(f"http://{host}/computeMetadata/v1/")


def test_a_network_of_the_operator_does_not_open_the_metadata_address_in_it() -> None:
    wide, narrow = Ground((ip_network("169.254.0.0/16"),)), Ground((ip_network("169.254.169.254/32"),))
    assert wide.admits("169.254.1.1")
    assert not wide.admits("169.254.169.254")
    assert not wide.admits("::ffff:169.254.169.254")
    assert narrow.admits("169.254.169.254")


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_the_public_internet_is_public(address: str) -> None:
    assert Ground().admits(address)
    assert not Ground().opens(address)


@given(address=st.ip_addresses())
def test_what_is_public_here_is_global_to_the_standard_library_too(address: IPv4Address | IPv6Address) -> None:
    assert not is_public(address) or (address.is_global and not address.is_multicast)


@given(address=st.ip_addresses(v=4))
def test_every_spelling_of_an_ipv4_address_is_judged_as_that_address(address: IPv4Address) -> None:
    assert is_public(IPv6Address(f"::ffff:{address}")) == is_public(address)
    assert is_public(IPv6Address(int(IPv6Address("64:ff9b::")) | int(address))) == is_public(address)
    for carrier in (0x2002 << 112 | int(address) << 80, 0x20010000 << 96 | int(address) ^ 0xFFFF_FFFF, int(address)):
        assert not is_public(IPv6Address(carrier))

"""Which network addresses a public page may live at.

IPv4 is everything but the special-purpose blocks; IPv6 is the reverse, an allow-list: global unicast minus its special
blocks, because most of the IPv6 space means "not routed" today and something internal tomorrow. Forms that carry an
IPv4 address inside (mapped, NAT64) are judged by the address they carry.
Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190), RFC 4291 (IPv6 architecture),
RFC 6052 (NAT64), RFC 1112 (class E), and the addresses at which clouds serve metadata (`CLOUD`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

IPV4_HOLES: tuple[Network, ...] = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private use, RFC 1918
        "100.64.0.0/10",  # shared address space of carriers, RFC 6598
        "127.0.0.0/8",  # loopback, RFC 1122
        "169.254.0.0/16",  # link local, RFC 3927; cloud metadata
        "172.16.0.0/12",  # private use, RFC 1918
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.31.196.0/24",  # AS112, RFC 7535
        "192.52.193.0/24",  # AMT, RFC 7450
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "192.168.0.0/16",  # private use, RFC 1918
        "192.175.48.0/24",  # AS112, RFC 7534
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/3",  # multicast, reserved (class E) and broadcast, RFC 1112, RFC 919
    )
)
IPV6_UNICAST = IPv6Network("2000::/3")  # global unicast, RFC 4291
IPV6_HOLES: tuple[Network, ...] = tuple(
    ip_network(block)
    for block in (
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarking, RFC 2928
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, RFC 3056: carries any IPv4 address
        "2620:4f:8000::/48",  # AS112, RFC 7534
        "3fff::/20",  # documentation, RFC 9637
    )
)
CLOUD: tuple[Network, ...] = tuple(
    ip_network(block)
    for block in (
        "168.63.129.16/32",  # Azure's wire server: looks public, answers only from inside
        "192.200.0.192/27",  # Oracle's services inside a region
    )
)
METADATA: tuple[Address, ...] = tuple(
    ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, Google, Azure, Oracle, OpenStack, DigitalOcean
        "169.254.170.2",  # AWS ECS
        "169.254.170.23",  # AWS EKS
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS EKS
        "fd20:ce::254",  # Google
        "100.100.100.200",  # Alibaba
        "169.254.0.23",  # Tencent
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure
    )
)
"""Where clouds hand out credentials. A network that the operator opens does not open these, only their own /32."""
NAT64: tuple[IPv6Network, ...] = (IPv6Network("64:ff9b::/96"),)  # RFC 6052, the well-known prefix


def is_public(address: Address) -> bool:
    """Return whether anyone on the internet could reach `address`."""
    inner = carried(address)
    if inner is not None:
        return is_public(inner)
    if isinstance(address, IPv6Address):
        if address.scope_id is not None or address not in IPV6_UNICAST:
            return False
        return not contains(IPV6_HOLES, address)
    return not contains(IPV4_HOLES, address) and not contains(CLOUD, address)


def carried(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that this IPv6 address is another spelling of, if it is one."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if contains(NAT64, address):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def contains(networks: Iterable[Network], address: Address) -> bool:
    """Return whether one of `networks` holds `address`; another IP version never matches."""
    return any(network.version == address.version and address in network for network in networks)


@dataclass(frozen=True)
class Ground:
    """Where the fetcher may step: the public internet, and what the operator added."""

    allowed: tuple[Network, ...] = ()
    """Private networks that the operator opened (`--allow-cidr`)."""

    def admits(self, address: str) -> bool:
        """Return whether a connection to this address (as a resolver printed it) is fine."""
        try:
            return is_public(ip_address(address)) or self.opens(address)
        except ValueError:  # a resolver that answers with another name
            return False

    def opens(self, address: str) -> bool:
        """Return whether the operator opened this very address, in whichever spelling it comes."""
        parsed = ip_address(address)
        real = carried(parsed) or parsed
        allowed = self.allowed if real not in METADATA else (net for net in self.allowed if net.num_addresses == 1)
        return contains(allowed, real)

"""The command line of the fetch server, and the settings it asks for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from ipaddress import ip_network

from servers.fetch.addresses import Ground, Network
from servers.fetch.guard import Ports
from servers.fetch.urls import Domains, as_host
from servers.fetch.web import Settings
from servers.serving import CannotServe


def add_options(line: argparse.ArgumentParser) -> None:
    """Add what only this server asks on its command line."""

    def several(name: str, metavar: str, text: str) -> None:
        line.add_argument(name, action="append", default=[], metavar=metavar, help=text)

    several("--allow-cidr", "NET", "a private network to fetch from, at any port unless --allow-port is given")
    several("--allow-port", "PORT", "a port beside 80 and 443")
    several("--allow-domain", "NAME", "fetch only from it and the names below it")
    several("--deny-domain", "NAME", "never fetch from it or the names below it")
    line.add_argument("--ignore-robots", action="store_true", help="do not ask robots.txt before a model reads a page")
    line.add_argument("--searxng", metavar="URL", help="a SearXNG to search with; else $BRAVE_API_KEY, $TAVILY_API_KEY")


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings that the command line asks for. Raises `CannotServe`."""
    if options.searxng and not str(options.searxng).startswith(("http://", "https://")):
        raise CannotServe("--searxng: give the URL of a SearXNG, such as http://searxng:8080.")
    return Settings(
        ground=Ground(tuple(network_of(text) for text in options.allow_cidr)),
        ports=Ports(tuple(port_of(text) for text in options.allow_port)),
        domains=Domains(domains_of(options, "allow"), domains_of(options, "deny")),
        robots=not options.ignore_robots,
    )


def domains_of(options: argparse.Namespace, what: str) -> tuple[str, ...]:
    """Return the domains of `--allow-domain` or `--deny-domain`. Raises `CannotServe` for what no host is called."""
    written: list[str] = getattr(options, f"{what}_domain")
    names: list[str] = []
    for text in written:
        name = as_host(text)
        if name is None:
            raise CannotServe(
                f"--{what}-domain: {text!r} is no name of a host."
                " Write one such as example.com; it stands for the names below it too."
            )
        names.append(name)
    return tuple(names)


def network_of(text: str) -> Network:
    """Return the network. Raises `CannotServe` if it is none, or all there is."""
    try:
        network = ip_network(text)
    except ValueError as wrong:
        raise CannotServe(f"--allow-cidr: {wrong}. Write a network such as 10.1.0.0/16.") from None
    if network.prefixlen == 0:
        raise CannotServe("--allow-cidr: a /0 would switch the guard off. Name the networks you mean.")
    return network


def port_of(text: str) -> int:
    """Return the port. Raises `CannotServe` if it is none."""
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise CannotServe(f"--allow-port: {text!r} is no port. Write a number such as 8080.")
    return int(text)


def posture(options: argparse.Namespace) -> Mapping[str, list[str] | bool]:
    """Return what `--check` says about these options; no secrets."""
    return {
        "private_networks": [str(network_of(text)) for text in options.allow_cidr],
        "ports": ["80", "443", *options.allow_port],
        "allowed_domains": list(options.allow_domain),
        "denied_domains": list(options.deny_domain),
        "robots": not options.ignore_robots,
    }

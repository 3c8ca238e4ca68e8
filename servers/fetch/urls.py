"""What may be asked for: the URL before anything is looked up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import httpx2

from servers.fetch.failures import Denied, Invalid

LONGEST = 2_048
SCHEMES = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Domains:
    """The operator's lists, in ASCII as `as_host` gives it. A name stands for itself and every name below it."""

    allowed: tuple[str, ...] = ()
    """When not empty, only these."""
    denied: tuple[str, ...] = ()
    """Never these, also when allowed."""

    def check(self, url: httpx2.URL) -> None:
        """Raise `Denied` if the operator does not want the host of this URL, in whichever script it was written."""
        name = url.raw_host.decode("ascii").rstrip(".").lower()
        if below(name, self.denied) or (self.allowed and not below(name, self.allowed)):
            raise Denied(f"The operator of this server does not allow {name}. Use another source.")


def below(name: str, domains: Iterable[str]) -> bool:
    """Return whether `name` is one of `domains` or a name below one."""
    return any(name == domain or name.endswith("." + domain) for domain in (d.lower().strip(".") for d in domains))


def as_host(text: str) -> str | None:
    """Return a name as it is compared, international ones in ASCII (`xn--...`); None if `text` is not just a name."""
    name = text.strip(".")
    if not name or any(letter in ":/@?#*\\%[]" or letter <= " " for letter in name):
        return None
    try:
        return httpx2.URL(f"http://{name}").raw_host.decode("ascii").lower() or None
    except (httpx2.InvalidURL, ValueError):
        return None


def parse(text: str) -> httpx2.URL:
    """Return the URL in `text`, without its fragment, with a host in ASCII.

    Raises:
        Invalid: it is no absolute http or https URL, or holds characters that no URL has.
        Denied: it carries credentials.
    """
    if len(text) > LONGEST:
        raise Invalid(f"The URL is longer than {LONGEST} characters. Ask for a shorter one.")
    if any(character <= " " or character == "\x7f" or character == "\\" for character in text):
        raise Invalid("The URL holds a space, a backslash or a control character. Percent-encode it and ask again.")
    try:
        url = httpx2.URL(text)
        port = url.port
    except (httpx2.InvalidURL, ValueError):
        raise Invalid("This is not a URL. Give a whole one, such as https://example.com/page.") from None
    if url.scheme not in SCHEMES:
        raise Invalid("Only http and https URLs can be fetched. Give a whole one, such as https://example.com/page.")
    if not url.host:
        raise Invalid("The URL names no host. Give a whole one, such as https://example.com/page.")
    if url.userinfo or "@" in url.netloc.decode("ascii", "replace"):
        raise Denied("The URL carries credentials. Ask again without the part before the @.")
    if port is not None and not 0 < port < 65_536:
        raise Invalid(f"{port} is no port. Ask again without it.")
    return url.copy_with(fragment=None)


def port_of(url: httpx2.URL) -> int:
    """Return the port a connection would go to."""
    return url.port or SCHEMES[url.scheme]


def shown(url: httpx2.URL) -> str:
    """Return the URL as text that is safe in one line: ASCII, percent-encoded."""
    return str(url)

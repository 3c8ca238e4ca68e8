"""Everything that can go wrong with a page, as texts the model can act on.

Refusal
├── Invalid       invalid: what was asked for is no fetchable URL, or no place in the page
├── Denied        denied: the guard, the operator or robots.txt says no
├── NoSuchPage    not_found: the server answered 404 or 410, or nothing is cached under this id
├── TooLarge      too_large: the page cannot be had within the limits
├── TooSlow       timeout: it did not arrive, or could not be read, in time
├── WrongType     invalid: the page is there, but not text
└── Unavailable   unavailable: no such host, no connection, TLS failed, 4xx and 5xx

No text names an address that a host resolved to, quotes a robots.txt, or repeats what the page said.
"""

from __future__ import annotations

from servers.refusals import Refusal


class Invalid(Refusal):
    """Not something that can be asked for."""

    code = "invalid"


class Denied(Refusal):
    """The guard, the operator or the site says no."""

    code = "denied"


class NoSuchPage(Refusal):
    """The server says there is no such page."""

    code = "not_found"


class TooLarge(Refusal):
    """More than the limits allow."""

    code = "too_large"


class TooSlow(Refusal):
    """It took longer than it may."""

    code = "timeout"


class WrongType(Refusal):
    """The page is not text of any kind that can be read here."""

    code = "invalid"


class Unavailable(Refusal):
    """It cannot be had now."""

    code = "unavailable"

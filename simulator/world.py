"""What one simulator remembers between requests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from simulator.buckets import Buckets
from simulator.caching import Cache
from simulator.faults import PASS, Fault
from simulator.files import Files
from simulator.ledger import Ledger
from simulator.mind import Mind
from simulator.reply import Block
from simulator.settings import Settings

MOST_KNOWN = 20_000


class World:
    """The state of one simulator; nothing of it is shared with another."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.mind = Mind(settings.scenario)
        self.cache = Cache()
        self.buckets = Buckets(settings.limits)
        self.ledger = Ledger(settings.ledger)
        self.files = Files()
        self.thinking: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        """The signatures of the thinking in the message of a tool use, by the id of the tool use."""
        self._faults = list(settings.faults)

    def now(self) -> float:
        """Return the time, in seconds since 1970."""
        return self.settings.clock()

    def next_fault(self) -> Fault:
        """Return the fault that meets this request, or `PASS`."""
        return self._faults.pop(0) if self._faults else PASS

    def remember(self, blocks: Iterable[Block]) -> None:
        """Remember which thinking came with which call."""
        wires = [block.wire for block in blocks]
        signatures = tuple(str(wire["signature"]) for wire in wires if wire["type"] == "thinking")
        for wire in wires:
            if wire["type"] == "tool_use" and signatures:
                self.thinking[str(wire["id"])] = signatures
        while len(self.thinking) > MOST_KNOWN:
            self.thinking.popitem(last=False)

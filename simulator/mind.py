"""Who answers: the scenario where one of its rules fits, else the brain."""

from __future__ import annotations

from collections import Counter

from simulator import brain
from simulator.answer import Answer
from simulator.faults import Fault
from simulator.scenario import Rule, Scenario
from simulator.situation import Situation


class Mind:
    """Answers situations; counts how often a rule was used, since some are used only so often."""

    def __init__(self, scenario: Scenario | None) -> None:
        self._rules: tuple[Rule, ...] = scenario.rules if scenario else ()
        self._used: Counter[int] = Counter()

    def fault(self, situation: Situation) -> Fault | None:
        """Return the failure that the scenario has for a situation, and count it."""
        found = self._rule(situation)
        if found is None or self._rules[found].fail is None:
            return None
        self._used[found] += 1
        return self._rules[found].fail

    def answer(self, situation: Situation, *, parallel: bool = True, may_call: bool = True) -> Answer:
        """Return the answer to a situation."""
        found = self._rule(situation)
        if found is None or self._rules[found].fail is not None:
            return brain.think(situation, parallel=parallel, may_call=may_call)
        self._used[found] += 1
        return self._rules[found].answer(situation)

    def _rule(self, situation: Situation) -> int | None:
        for number, rule in enumerate(self._rules):
            if (rule.times is None or self._used[number] < rule.times) and rule.fits(situation):
                return number
        return None

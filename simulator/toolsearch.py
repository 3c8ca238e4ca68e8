"""The API's own search over deferred tools, by pattern or by words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.clauses import words_of
from simulator.shapes import Json
from simulator.situation import Tool

MOST_FOUND = 5
LONGEST_PATTERN, LONGEST_WORDS = 200, 500
ANY_TOOL = re.compile(r"tool_search_tool_(regex|bm25)")


@dataclass(frozen=True)
class Found:
    """What a search brought: tools, or an error code."""

    tools: tuple[Tool, ...] = ()
    error: str | None = None

    def content(self) -> Json:
        """Return it as the content of the result block."""
        if self.error:
            return {"type": "tool_search_tool_result_error", "error_code": self.error, "error_message": None}
        references = [{"type": "tool_reference", "tool_name": tool.name} for tool in self.tools]
        return {"type": "tool_search_tool_search_result", "tool_references": references}


def find(kind: str, query: str, tools: Sequence[Tool]) -> Found:
    """Return at most five of `tools`: by a regular expression (`tool_search_tool_regex`) or by BM25."""
    return by_pattern(query, tools) if kind == "tool_search_tool_regex" else by_words(query, tools)


def by_pattern(pattern: str, tools: Sequence[Tool]) -> Found:
    """Return the first tools in whose name, description or parameters a pattern is found, whatever the case."""
    if len(pattern) > LONGEST_PATTERN:
        return Found(error="invalid_tool_input")
    try:
        wanted = re.compile(pattern, re.IGNORECASE)
    except re.error:
        return Found(error="invalid_tool_input")
    return Found(tuple(tool for tool in tools if wanted.search(text_of(tool)))[:MOST_FOUND])


def by_words(query: str, tools: Sequence[Tool]) -> Found:
    """Return the tools that score best for the words of a query (BM25, k1 1.2, b 0.75)."""
    if len(query) > LONGEST_WORDS:
        return Found(error="invalid_tool_input")
    wanted = words_of(query)
    documents = [words_of(text_of(tool)) for tool in tools]
    average = sum(map(len, documents)) / max(1, len(documents))
    scored: list[tuple[float, int]] = []
    for number, document in enumerate(documents):
        score = 0.0
        for word in wanted & document:
            holding = sum(word in other for other in documents)
            rarity = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
            score += rarity * 2.2 / (1 + 1.2 * (0.25 + 0.75 * len(document) / max(1.0, average)))
        if score > 0:
            scored.append((-score, number))
    return Found(tuple(tools[number] for _, number in sorted(scored)[:MOST_FOUND]))


def text_of(tool: Tool) -> str:
    """Return all that a search reads of a tool."""
    parts = [tool.name, tool.description]
    for name, schema in tool.parameters.items():
        parts += [name, str(schema.get("description", ""))]
    return "\n".join(parts)

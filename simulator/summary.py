"""The simulator's summaries: extractive and deterministic, so that what was kept can be measured.

A summary quotes the beginning of every message, call and result, in order. Words of the instructions keep the lines
that hold them whole. Of a long conversation the middle is dropped first. The user's last request is kept to the letter,
with the calls made for it, so that the work goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from simulator.blocks import Block, Compaction, McpToolResult, McpToolUse, Text, ToolResult, ToolUse
from simulator.clauses import words_of
from simulator.request import Message
from simulator.shapes import Json

REQUEST, CALLS, LOG = "The user's last request:", "Calls made for it:", "What happened before:"
USER, ASSISTANT, CALL, RESULT = 600, 300, 200, 240
LONGEST_LOG = 24_000
CALLED = re.compile(r"^- (\S+) (\{.*\}) -> (failed: )?(.*)$")


def summarize(messages: Sequence[Message], instructions: str | None = None) -> str:
    """Return the summary of a conversation."""
    last = max((n for n, one in enumerate(messages) if is_request(one)), default=-1)
    carried = next((block for block in _blocks(messages) if isinstance(block, Compaction) and block.content), None)
    request = text_of(messages[last]) if last >= 0 else recovered_request(carried.content or "") if carried else ""
    calls = "\n".join(_called(messages[last + 1 :]))
    if last < 0 and carried:
        calls = "\n".join(filter(None, ["\n".join(_section(carried.content or "", CALLS)), calls]))
    log = _shortened(list(_log(messages, words_of(instructions or ""))))
    parts = [f"{REQUEST}\n{request}" if request else "", f"{CALLS}\n{calls}" if calls else "", f"{LOG}\n{log}"]
    return "\n\n".join(part for part in parts if part)


def recovered_request(summary: str) -> str:
    """Return the user's last request from a summary."""
    return "\n".join(_section(summary, REQUEST))


def recovered_calls(summary: str) -> tuple[tuple[str, Json, str, bool], ...]:
    """Return the calls that a summary tells: name, input, result, and whether it failed."""
    found = (CALLED.match(line) for line in _section(summary, CALLS))
    return tuple(
        (one.group(1), json.loads(one.group(2)), one.group(4).replace("\\n", "\n"), bool(one.group(3)))
        for one in found
        if one
    )


def _section(summary: str, title: str) -> list[str]:
    lines = summary.split("\n")
    if title not in lines:
        return []
    rest = lines[lines.index(title) + 1 :]
    end = next((n for n, line in enumerate(rest) if line in (REQUEST, CALLS, LOG)), len(rest))
    return "\n".join(rest[:end]).strip("\n").split("\n")


def is_request(message: Message) -> bool:
    """Whether the user speaks in a message, and not only tools answer."""
    return message.role == "user" and any(isinstance(block, Text) for block in message.content)


def text_of(message: Message) -> str:
    """Return the text of a message."""
    return "\n".join(block.text for block in message.content if isinstance(block, Text))


def _blocks(messages: Sequence[Message]) -> Iterator[Block]:
    return (block for message in messages for block in message.content)


def _called(messages: Sequence[Message]) -> Iterator[str]:
    results = {one.tool_use_id: one for one in _blocks(messages) if isinstance(one, ToolResult | McpToolResult)}
    for block in _blocks(messages):
        if isinstance(block, ToolUse | McpToolUse) and block.id in results:
            result = results[block.id]
            text = _line(result_text(result.content), 1_600)
            failed = "failed: " if result.is_error else ""
            yield f"- {block.name} {json.dumps(block.input, ensure_ascii=False)} -> {failed}{text}"


def _log(messages: Sequence[Message], wanted: frozenset[str]) -> Iterator[str]:
    for message in messages:
        for block in message.content:
            if isinstance(block, Text):
                yield f"{message.role}: {_kept(block.text, wanted, USER if message.role == 'user' else ASSISTANT)}"
            elif isinstance(block, ToolUse | McpToolUse):
                yield f"called {block.name} {_line(json.dumps(block.input, ensure_ascii=False), CALL)}"
            elif isinstance(block, ToolResult | McpToolResult):
                yield f"result: {_kept(result_text(block.content), wanted, RESULT)}"
            elif isinstance(block, Compaction) and block.content:
                yield from _section(block.content, LOG)


def _kept(text: str, wanted: frozenset[str], most: int) -> str:
    """Return the beginning of a text, and every later line that holds a wanted word."""
    begin, rest = text[:most], text[most:]
    lines = [line for line in rest.split("\n") if wanted and words_of(line) & wanted]
    return _line("\n".join([begin, *lines]), most + 4_000)


def result_text(content: Sequence[Block]) -> str:
    """Return the text of a result; a picture or a document is named by its kind."""
    return "\n".join(block.text if isinstance(block, Text) else f"[{block.type}]" for block in content)


def _line(text: str, most: int) -> str:
    return text.strip()[:most].replace("\n", "\\n")


def _shortened(lines: Sequence[str]) -> str:
    """Return the lines, those in the middle dropped until the rest is short enough."""
    head = list(lines[:4])
    size = sum(map(len, head))
    tail: list[str] = []
    for line in reversed(lines[4:]):
        size += len(line) + 1
        if size > LONGEST_LOG:
            dropped = len(lines) - len(head) - len(tail)
            return "\n".join([*head, f"({dropped} entries dropped)", *reversed(tail)])
        tail.append(line)
    return "\n".join([*head, *reversed(tail)])

"""From a checked request to a finished reply."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulator import editing, instance, prefix, reply, sampling, signatures, summary, thinkcheck, tokens, toolchanges
from simulator.answer import Answer, Call, Piece, Say, Think, Whole
from simulator.betas import MCP_LISTING
from simulator.caching import Pending
from simulator.catalog import ModelCard, card
from simulator.connector import Connections, Listing, connections
from simulator.editing import Edited
from simulator.errors import Refused
from simulator.parsing import Request
from simulator.reply import Block, Frame, Reply, Written, new_id
from simulator.request import Body, Message, ThinkingConfig
from simulator.shapes import Json
from simulator.summarycheck import changes_text
from simulator.usage import Input, cost
from simulator.validation import Verdict
from simulator.world import World

MOST_CHANGES = 10_000


@dataclass(frozen=True)
class Iteration:
    """One sampling: what it read and wrote."""

    kind: str
    model: ModelCard
    given: Input
    output: int

    def counts(self) -> Json:
        """Return it as `usage.iterations` tells it."""
        named = {} if self.kind == "compaction" else {"model": self.model.id}
        return {"type": self.kind, **named, **self.given.counts(), "output_tokens": self.output}


@dataclass(frozen=True)
class Finished:
    """A reply, and what is to be done when it begins."""

    reply: Reply
    pending: Pending
    iterations: tuple[Iteration, ...]

    @property
    def usd(self) -> float:
        """What all of it costs."""
        fast = self.reply.usage["speed"] == "fast"
        return sum(cost(one.model, one.given, one.output, fast=fast) for one in self.iterations)

    def metered(self) -> int:
        """Return the input tokens that a rate limit counts: all but those read from the cache."""
        return sum(one.given.total - one.given.read for one in self.iterations)


async def finish(request: Request[Body], verdict: Verdict, world: World) -> Finished:
    """Return the reply to a request. Raises `Refused` for what only now comes to light."""
    async with connections(request.body.mcp_servers, world.settings.allow_loopback) as linked:
        found = await sampling.listings(request, linked)
        return await _Generation(request, verdict, world, linked, found).run()


class _Generation:
    """One request on its way."""

    def __init__(
        self, request: Request[Body], verdict: Verdict, world: World, linked: Connections, found: list[Listing]
    ) -> None:
        self.request, self.verdict, self.world, self.linked, self.found = request, verdict, world, linked, found
        sent = world.files.resolved(request.sent)
        self.edited = editing.apply(seen(sent, verdict, found), request.body.context_management, request.model)
        self.messages = [Message.model_validate(message) for message in self.edited.sent["messages"]]
        self.tools = sampling.toolbox(request, self.messages, found)

    async def run(self) -> Finished:
        """Return the finished reply."""
        if self.edited.total > self.request.model.context:
            raise Refused(f"prompt is too long: {self.edited.total} tokens > {self.request.model.context} maximum")
        if self.request.body.compaction is not None:
            return self._summarized()
        if self.edited.compact is not None:
            return await self._compacted(self.edited)
        pending = self._take(self.edited.sent)
        if self.request.body.max_tokens == 0:
            return self._finish(Written((), "max_tokens"), pending, [self._iteration("message", pending, 0)])
        answer = await self._answer(self.request.model)
        if answer.stop == "refusal" and self.request.body.fallbacks:
            return await self._fallen_back(answer, pending)
        written = reply.write(self._opened(answer), self._frame(self.request.model, self._state))
        return self._finish(written, pending, [self._iteration("message", pending, written.tokens)], answer)

    def _take(self, sent: Json) -> Pending:
        known = self.edited.sized if sent is self.edited.sent else None
        return self.world.cache.take(self.request, sent, self.world.now(), known)

    def _iteration(self, kind: str, pending: Pending, output: int) -> Iteration:
        return Iteration(kind, self.request.model, pending.given, output)

    async def _answer(self, model: ModelCard, is_fallback: bool = False) -> Answer:
        start = sampling.situation(self.messages, self.tools, is_fallback)
        answer = await sampling.sample(start, self.world.mind, self.tools, self.linked, self.request)
        output = self.request.body.output_config
        if output and output.format and answer.stop_reason == "end_turn":
            said = "\n".join(piece.text for piece in answer.pieces if isinstance(piece, Say))
            text = instance.fitting(output.format.schema_, said, start.text)
            answer = replace(answer, pieces=(*(p for p in answer.pieces if not isinstance(p, Say)), Say(text)))
        return self._forced(answer, start.tools)

    def _forced(self, answer: Answer, tools: Sequence[Any]) -> Answer:
        """Return an answer that calls a tool if `tool_choice` insists on one."""
        choice = self.request.body.tool_choice
        if not choice or choice.type not in ("any", "tool") or answer.stop_reason == "refusal":
            return answer
        calls = [p for p in answer.pieces if isinstance(p, Call) and (choice.type == "any" or p.name == choice.name)]
        if not calls:
            tool = next((one for one in tools if choice.type == "any" or one.name == choice.name), None)
            calls = [Call(tool.name, _least(tool.schema))] if tool else []
        return Answer(tuple(calls))

    def _opened(self, answer: Answer, model: ModelCard | None = None) -> Answer:
        """Return an answer with what precedes it: listings; without the thinking that the model does not do."""
        pieces: list[Piece] = list(answer.pieces)
        model = model or self.request.model
        if not thinks(self.request.body.thinking, model):
            pieces = [piece for piece in pieces if not isinstance(piece, Think)]
        if model.thinks_between:
            pieces = _thought_between(pieces)
        if MCP_LISTING in self.request.caller.betas:
            pieces = [*(Whole(listing.block()) for listing in self.found if listing.fetched), *pieces]
        return replace(answer, pieces=tuple(pieces))

    @property
    def _state(self) -> str:
        """The prefix to which new thinking is bound: the request as the client sent it."""
        if self.edited.sent is self.request.sent and self.edited.sized:
            return self.edited.sized[-1].position.digest
        return prefix.end(self.request.sent)

    def _frame(self, model: ModelCard, state: str) -> Frame:
        return frame(self.request, model, state)

    def _summary(self, instructions: str | None) -> str:
        return summary.summarize(self.messages, instructions)

    def _summarized(self) -> Finished:
        """Answer a compaction request: one signed block."""
        body, model = self.request.body, self.request.model
        pending = self._take(self.edited.sent)
        text = self._summary(body.compaction.instructions if body.compaction else None)
        changes = [one.model_dump(exclude_unset=True) for one in toolchanges.changes(body.messages)]
        if len(changes) > MOST_CHANGES:
            raise Refused("compaction: too many tool changes", code="compaction_too_many_tool_references")
        block: Json = {"type": "compaction", "content": text}
        if changes:
            block["tool_changes"] = changes
        block["signature"] = signatures.of_summary(text, changes_text(block), model.id)
        size = tokens.of_text(text, model)
        done = Iteration("compaction", model, pending.given, min(size, body.max_tokens))
        if size > body.max_tokens:
            return self._finish(Written((), "max_tokens"), pending, [done], silent=True)
        written = Written((Block(block, 0),), "compaction")
        return self._finish(written, pending, [done], silent=True)

    async def _compacted(self, edited: Edited) -> Finished:
        """Answer a request whose prompt passed the trigger: a summary first, then the answer, unless it is to pause."""
        edit, model = edited.compact, self.request.model
        assert edit is not None
        pending = self._take(edited.sent)
        text = self._summary(edit.instructions)
        block = {"type": "compaction", "content": text}
        size = tokens.of_text(text, model)
        first = Iteration("compaction", model, pending.given, size)
        opening = Block(block, 0)
        if edit.pause_after_compaction:
            return self._finish(Written((opening,), "compaction"), pending, [first], silent=True)
        short = edited.sent | {"messages": [{"role": "assistant", "content": [block]}]}
        second = self._take(short)
        answer = await self._answer(model)
        state = prefix.end(self.request.sent | {"messages": short["messages"]})
        written = reply.write(self._opened(answer), self._frame(model, state))
        whole = replace(written, blocks=(opening, *written.blocks))
        return self._finish(whole, second, [first, self._iteration("message", second, written.tokens)], answer)

    async def _fallen_back(self, refused: Answer, pending: Pending) -> Finished:
        """Answer with the first fallback that does not refuse; each seam is a block."""
        entries = self.request.body.fallbacks
        names = self.request.model.fallbacks if entries == "default" else [one.model for one in entries or []]
        iterations = [self._iteration("message", pending, 0)]
        seams: list[Piece] = []
        serving, answer = self.request.model, refused
        for name in names:
            following = card(name)
            assert following is not None
            trigger = {"type": "refusal", "category": (answer.stop_details or {}).get("category")}
            seam = {"type": "fallback", "from": {"model": serving.id}, "to": {"model": name}, "trigger": trigger}
            seams.append(Whole(seam))
            serving, answer = following, await self._answer(following, is_fallback=True)
            moved = replace(self.request, model=serving)
            pending = self.world.cache.take(moved, self.edited.sent, self.world.now())
            iterations.append(Iteration("fallback_message", serving, pending.given, 0))
            if answer.stop != "refusal":
                break
        opened = self._opened(answer, serving)
        written = reply.write(replace(opened, pieces=(*seams, *opened.pieces)), self._frame(serving, self._state))
        iterations[-1] = replace(iterations[-1], output=written.tokens)
        return self._finish(written, pending, iterations, answer, serving=serving)

    def _finish(
        self,
        written: Written,
        pending: Pending,
        iterations: list[Iteration],
        answer: Answer | None = None,
        *,
        silent: bool = False,
        serving: ModelCard | None = None,
    ) -> Finished:
        """Return the reply. A `silent` one has only its compaction to bill, which the top-level counts leave out."""
        given = Input(0) if silent else pending.given
        details = {"thinking_tokens": 0 if silent else written.thinking_tokens}
        usage = given.counts() | {
            "output_tokens": 0 if silent else written.tokens,
            "output_tokens_details": details,
            "server_tool_use": None,
            "service_tier": "standard",
            "inference_geo": self.request.body.inference_geo or "global",
            "speed": self.request.body.speed or "standard",
        }
        if self.request.body.fallback_credit_token is not None:
            usage["fallback_credit"] = {
                "status": {"type": "not_applied", "reason": "expired", "remove_to_redeem": None}
            }
        if len(iterations) > 1 or silent:
            usage["iterations"] = [one.counts() for one in iterations]
        message = Reply(
            new_id("msg"),
            (serving or self.request.model).id,
            written.blocks,
            written.stop_reason,
            usage,
            written.stop_sequence,
            answer.stop_details if answer and written.stop_reason == "refusal" else None,
            {"start": self._start(pending), "delta": self._late()},
        )
        return Finished(message, pending, tuple(iterations))

    def _start(self, pending: Pending) -> Json:
        """Return what the message tells at once: why the cache missed, what thinking was dropped."""
        found: Json = {"diagnostics": None}
        asked = self.request.body.diagnostics
        if asked and asked.previous_message_id is not None:
            reason = self.world.cache.diagnose(asked.previous_message_id, pending)
            found["diagnostics"] = {"cache_miss_reason": reason} if reason else None
        if self.verdict.dropped:
            found["input_transformations"] = [one.reported() for one in self.verdict.dropped]
        return found

    def _late(self) -> Json:
        """Return what the message tells at its end: the edits."""
        if self.request.body.context_management is None:
            return {}
        return {"context_management": {"applied_edits": list(self.edited.applied)}}


def seen(sent: Json, verdict: Verdict, found: Sequence[Listing] = ()) -> Json:
    """Return a request as the model reads it: without dropped thinking, toolsets with the tools that they stand for."""
    if verdict.dropped:
        sent = thinkcheck.without(sent, verdict.dropped)
    if not found:
        return sent
    listed = {one.server: [tool.name for tool, deferred in one.enabled() if not deferred] for one in found}
    schemas = {one.server: {tool.name: tool.model_dump() for tool in one.tools} for one in found}
    sets: list[Json] = sent.get("tools") or []
    tools = [
        tool | {"tools": [schemas[tool["mcp_server_name"]][name] for name in listed[tool["mcp_server_name"]]]}
        if tool.get("type") == "mcp_toolset"
        else tool
        for tool in sets
    ]
    return sent | {"tools": tools}


def thinks(config: ThinkingConfig | None, model: ModelCard) -> bool:
    """Whether the model thinks before it answers."""
    return model.thinking != "off" if config is None else config.type in ("adaptive", "enabled")


def shows_thinking(config: ThinkingConfig | None) -> bool:
    """Whether thinking comes with its text."""
    if config is None:
        return False
    if config.type == "between_tools":
        return True
    return config.type == "enabled" if config.display is None else config.display != "omitted"


def _thought_between(pieces: Sequence[Piece]) -> list[Piece]:
    """Return pieces with the words before a call as thinking."""
    last = max((n for n, piece in enumerate(pieces) if not isinstance(piece, Say | Think)), default=-1)
    return [Think(piece.text) if isinstance(piece, Say) and n < last else piece for n, piece in enumerate(pieces)]


def frame(request: Request[Body], model: ModelCard, state: str) -> Frame:
    """Return how an answer of `model` is put into blocks, its thinking bound to the prefix `state`."""

    def sign(text: str, size: int, blocks: Sequence[Json]) -> str:
        bound = state
        for block in blocks:
            bound = prefix.extend(bound, "assistant", block)
        return signatures.of_thinking(text, size, model.id, bound)

    body = request.body
    return Frame(model, body.max_tokens, body.stop_sequences, shows_thinking(body.thinking), sign)


def _least(schema: Json) -> Json:
    """Return the smallest arguments that a schema takes."""
    made: Json = json.loads(instance.fitting({**schema, "type": "object"}, "simulator", ""))
    required: list[str] = schema.get("required") or []
    return {name: made[name] for name in required if name in made}

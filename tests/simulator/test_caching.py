"""The prompt cache's accounts: the examples of the API's documentation, and laws."""

from __future__ import annotations

import itertools
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import parsing, sizes, tokens
from simulator.caching import Cache
from simulator.catalog import ModelCard, card
from simulator.request import Body
from simulator.serving import Settings
from simulator.usage import Input, cost

OPUS = "claude-opus-5-5"
MARK: dict[str, Any] = {"type": "ephemeral"}
HOUR: dict[str, Any] = {"type": "ephemeral", "ttl": "1h"}
MODEL: ModelCard = card(OPUS) or pytest.fail("no such model")
BYTES = 3  # bytes per token of the estimate, so that a text of any number of tokens can be made


def words(size: int, letter: str = "a", **more: Any) -> dict[str, Any]:
    """Return a text block of exactly `size` tokens."""
    return {"type": "text", "text": letter * (size * BYTES)} | more


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Account:
    """A cache with one caller, whose requests are answered at once."""

    def __init__(self) -> None:
        self.cache, self.clock, self.last = Cache(), Clock(), ""

    def take(self, begin: bool = True, model: str = OPUS, **body: Any) -> Input:
        request = parsing.request(
            Body,
            parsing.Caller("key", parsing.NEW, frozenset()),
            {"model": model, "max_tokens": 10, "messages": [user(words(1))]} | body,
        )
        self.pending = self.cache.take(request, request.sent, self.clock.now)
        if begin:
            self.last = f"msg_{id(self.pending)}"
            self.cache.begin(self.pending, self.last)
        return self.pending.given


def fresh_after(size: int) -> dict[str, Any]:
    """Return a user message that costs exactly `size` tokens with its frame."""
    return user(words(size - tokens.PER_MESSAGE))


def test_pride_and_prejudice() -> None:
    """Docs, build-with-claude/prompt-caching, first example: 188,086 tokens written, then read; 21 fresh both times."""
    account = Account()
    system = [words(100), words(188_086 - 100 - sizes.PROMPT_FRAME, "b", cache_control=MARK)]
    first = account.take(system=system, messages=[fresh_after(21)])
    second = account.take(system=system, messages=[fresh_after(21)])
    assert first == Input(fresh=21, written_5m=188_086)
    assert second == Input(fresh=21, read=188_086)


def test_tokens_after_the_last_breakpoint_are_the_fresh_ones() -> None:
    """Docs, prompt-caching, "Tracking cache performance": 100,000 read, none written, 50 fresh, 100,050 in all."""
    account = Account()
    system = [words(100_000 - sizes.PROMPT_FRAME, cache_control=MARK)]
    account.take(system=system, messages=[fresh_after(9)])
    again = account.take(system=system, messages=[fresh_after(50)])
    assert again == Input(fresh=50, read=100_000)
    assert again.total == 100_050


def test_mixed_lifetimes_are_billed_in_three_parts() -> None:
    """Docs, prompt-caching, "Mixing different TTLs": 1,800 read, 100 written for 1 h, 148 for 5 m, 2,048 fresh.

    A is the highest hit, B the highest one-hour breakpoint after it, C the last breakpoint.
    """
    account = Account()
    a = words(1_800 - sizes.PROMPT_FRAME, cache_control=HOUR)
    account.take(system=[a])
    b, c = words(100, "b", cache_control=HOUR), words(148, "c", cache_control=MARK)
    mixed = account.take(system=[a, b, c], messages=[fresh_after(2_048)])
    assert mixed == Input(fresh=2_048, read=1_800, written_1h=100, written_5m=148)
    assert mixed.counts()["cache_creation_input_tokens"] == 248


def test_a_growing_conversation_reads_what_it_wrote_and_writes_what_is_new() -> None:
    """Docs, prompt-caching, "Automatic caching": each request reads the previous ones' part and writes the rest."""
    account = Account()
    system = [words(1_000)]
    turns = [user(words(100)), {"role": "assistant", "content": [words(50, "b")]}, user(words(100, "c"))]
    first = account.take(system=system, messages=turns[:1], cache_control=MARK)
    second = account.take(system=system, messages=turns[:3], cache_control=MARK)
    assert (first.read, first.fresh) == (0, 0)
    assert second.read == first.written_5m
    assert second.written_5m == 50 + 100 + 2 * tokens.PER_MESSAGE
    assert second.fresh == 0


def blocks(count: int, marked: int) -> list[Any]:
    """Return one user message of so many blocks, one of them marked (counted from 1)."""
    return [
        user(
            *(
                words(100, "abcdefgh"[n % 8], **({"cache_control": MARK} if n == marked else {}))
                for n in range(1, count + 1)
            )
        )
    ]


@pytest.mark.parametrize(
    ("written", "asked", "hits"), [(15, 35, False), (15, 34, True), (10, 20, True), (30, 30, True)]
)
def test_the_look_back_ends_after_twenty_positions(written: int, asked: int, hits: bool) -> None:
    """Docs, prompt-caching, "lookback window": written at 15, a breakpoint at 35 misses; it counts as first."""
    account = Account()
    account.take(messages=blocks(written, written))
    assert (account.take(messages=blocks(asked, asked)).read > 0) is hits


def test_neighbouring_calls_are_one_position_and_so_are_their_results() -> None:
    """Docs, prompt-caching: a run of consecutive `tool_use` blocks, or of `tool_result` blocks, is one position."""
    account = Account()
    tool = {"name": "t", "input_schema": {"type": "object"}}
    uses = [{"type": "tool_use", "id": f"toolu_{n}", "name": "t", "input": {}} for n in range(30)]
    results = [{"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": "x"} for n in range(30)]
    start = user(words(1_000, cache_control=MARK))
    first = account.take(tools=[tool], messages=[start])
    turns = [start, {"role": "assistant", "content": uses}, user(*results)]
    assert account.take(tools=[tool], messages=turns, cache_control=MARK).read == first.written_5m


def test_an_earlier_breakpoint_is_found_when_the_last_one_is_out_of_reach() -> None:
    account = Account()
    system = [words(1_000, cache_control=MARK)]
    account.take(system=system)
    many = user(*(words(10, "abcdefgh"[n % 8]) for n in range(60)))
    assert account.take(system=system, messages=[many], cache_control=MARK).read == 1_000 + sizes.PROMPT_FRAME


@pytest.mark.parametrize(
    ("ttl", "after", "hits"), [("5m", 299, True), ("5m", 300, False), ("1h", 3_599, True), ("1h", 3_600, False)]
)
def test_an_entry_lives_as_long_as_it_was_paid_for(ttl: str, after: int, hits: bool) -> None:
    account = Account()
    system = [words(1_000, cache_control=MARK | {"ttl": ttl})]
    account.take(system=system)
    account.clock.now += after
    assert (account.take(system=system).read > 0) is hits


def test_reading_renews_an_entry() -> None:
    account = Account()
    system = [words(1_000, cache_control=MARK)]
    account.take(system=system)
    for _ in range(5):
        account.clock.now += 200
        assert account.take(system=system).read > 0


def test_an_entry_can_be_read_only_once_its_response_has_begun() -> None:
    account = Account()
    system = [words(1_000, cache_control=MARK)]
    first = account.take(begin=False, system=system)
    pending = account.pending
    second = account.take(begin=False, system=system)
    assert first.written_5m == second.written_5m > 0
    account.cache.begin(pending, "msg_1")
    assert account.take(system=system).read == first.written_5m


@pytest.mark.parametrize(
    ("model", "least"),
    [("claude-opus-5-5", 512), ("claude-opus-4-8", 1024), ("claude-opus-4-7", 2048), ("claude-opus-4-6", 4096)],
)
def test_a_prefix_below_the_least_length_is_not_stored_and_costs_nothing_extra(model: str, least: int) -> None:
    """Docs, prompt-caching, "Cache limitations"."""
    size = BYTES if model != "claude-opus-4-6" else 4
    for tokens_in, stored in ((least - 1, 0), (least, least)):
        text = {"type": "text", "text": "a" * ((tokens_in - sizes.PROMPT_FRAME) * size), "cache_control": MARK}
        assert Account().take(model=model, system=[text]).written_5m == stored


TOOL: dict[str, Any] = {"name": "t", "description": "d" * 3_000, "input_schema": {"type": "object"}}
BASE: dict[str, Any] = {
    "model": "claude-opus-5",
    "tools": [TOOL | {"cache_control": MARK}],
    "system": [words(1_000, cache_control=MARK)],
    "messages": [user(words(1_000, cache_control=MARK), words(5))],
}
WHAT_IS_LOST: dict[str, tuple[dict[str, Any], int]] = {
    "nothing": ({}, 3),
    "the tools": ({"tools": [TOOL | {"description": "e" * 3_000, "cache_control": MARK}]}, 0),
    "the system prompt": ({"system": [words(1_000, "z", cache_control=MARK)]}, 1),
    "the messages": ({"messages": [user(words(1_000, "z", cache_control=MARK), words(5))]}, 2),
    "speed": ({"speed": "fast"}, 1),
    "tool_choice": ({"tool_choice": {"type": "any"}}, 2),
    "thinking": ({"thinking": {"type": "disabled"}}, 2),
    "effort": ({"output_config": {"effort": "low"}}, 2),
    "a format": ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, 1),
    "what comes after the last breakpoint": ({"messages": [user(words(1_000, cache_control=MARK), words(9))]}, 3),
    "the model": ({"model": "claude-opus-4-8"}, 0),
}


@pytest.mark.parametrize("change", WHAT_IS_LOST)
def test_a_change_loses_what_the_documentation_says(change: str) -> None:
    """Docs, prompt-caching, "What invalidates the cache": tools, then system, then messages."""
    more, kept = WHAT_IS_LOST[change]
    account = Account()
    first = account.take(**BASE)
    assert first.written_5m > 2_000
    request = parsing.request(Body, parsing.Caller("k", parsing.NEW, frozenset()), {"max_tokens": 9} | BASE)
    totals = [
        0,
        *(one.total for one in sizes.measure(request.sent, request.model) if "cache_control" in one.position.block),
    ]
    assert account.take(**(BASE | more)).read == totals[kept]


def test_a_marker_is_no_part_of_what_is_compared() -> None:
    account = Account()
    account.take(system=[words(1_000, cache_control=MARK)], messages=[user(words(9))])
    moved = [words(1_000), words(9, "b", cache_control=MARK)]
    assert account.take(system=moved).read == 1_000 + sizes.PROMPT_FRAME


def test_deferred_tools_are_outside_the_prefix() -> None:
    account = Account()
    system = [words(1_000, cache_control=MARK)]
    tools = [TOOL, *({"name": f"d{n}", "input_schema": {"type": "object"}, "defer_loading": True} for n in range(5))]
    first = account.take(tools=tools, system=system)
    assert account.take(tools=tools[:3], system=system).read == first.written_5m


CHUNKS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 900), st.booleans()), min_size=1, max_size=12)


def conversation(chunks: list[tuple[str, int, bool]], automatic: bool) -> dict[str, Any]:
    marked = [n for n, (_, _, mark) in enumerate(chunks) if mark][-3:]
    roles = itertools.cycle(("user", "assistant"))
    messages = [
        {"role": role, "content": [words(size, letter, **({"cache_control": MARK} if n in marked else {}))]}
        for n, ((letter, size, _), role) in enumerate(zip(chunks, roles, strict=False))
    ]
    return {"messages": messages} | ({"cache_control": MARK} if automatic else {})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(CHUNKS, st.booleans(), st.integers(0, 400)), min_size=1, max_size=6))
def test_read_written_and_fresh_are_always_the_whole_input(requests: list[Any]) -> None:
    account = Account()
    for chunks, automatic, wait in requests:
        body = conversation(chunks, automatic)
        account.clock.now += wait
        taken = account.take(**body)
        request = parsing.request(
            Body, parsing.Caller("k", parsing.NEW, frozenset()), {"model": OPUS, "max_tokens": 9} | body
        )
        assert taken.fresh + taken.read + taken.written_5m + taken.written_1h == sizes.total(request.sent, MODEL)
        assert min(taken.fresh, taken.read, taken.written_5m, taken.written_1h) >= 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CHUNKS, st.data())
def test_a_longer_identical_prefix_never_costs_more(chunks: list[tuple[str, int, bool]], data: Any) -> None:
    """After the same first request, the one that shares more of it is never the dearer of two equally long ones."""
    shared = sorted(data.draw(st.lists(st.integers(0, len(chunks)), min_size=2, max_size=2)))
    costs: list[float] = []
    for same in shared:
        account = Account()
        account.take(**conversation(chunks, automatic=True))
        other = [(letter if n < same else "z", size, mark) for n, (letter, size, mark) in enumerate(chunks)]
        costs.append(cost(MODEL, account.take(**conversation(other, automatic=True)), 0))
    assert costs[1] <= costs[0] + 1e-12


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CHUNKS)
def test_the_same_request_again_reads_all_that_it_wrote(chunks: list[tuple[str, int, bool]]) -> None:
    account = Account()
    body = conversation(chunks, automatic=True)
    first, second = account.take(**body), account.take(**body)
    assert second.read == first.written_5m
    assert second.written_5m == 0


def reason(account: Account, previous: str) -> Any:
    return account.cache.diagnose(previous, account.pending)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("the model", "model_changed"),
        ("the tools", "tools_changed"),
        ("the system prompt", "system_changed"),
        ("the messages", "messages_changed"),
        ("tool_choice", "messages_changed"),
    ],
)
def test_a_miss_is_explained(change: str, kind: str) -> None:
    account = Account()
    account.take(**BASE)
    previous = account.last
    account.take(**(BASE | WHAT_IS_LOST[change][0]))
    found = reason(account, previous)
    assert found["type"] == kind
    assert found["cache_missed_input_tokens"] > 0


def test_an_appended_conversation_has_no_miss_to_explain() -> None:
    account = Account()
    account.take(**BASE)
    previous = account.last
    later = [*BASE["messages"], {"role": "assistant", "content": [words(5)]}, user(words(5))]
    later_request: dict[str, Any] = BASE | {"messages": later}
    account.take(**later_request)
    assert reason(account, previous) is None
    assert reason(account, "msg_none") == {"type": "previous_message_not_found"}


@pytest.mark.anyio
async def test_usage_and_diagnostics_reach_the_sdk_streamed_or_not(talk: Any) -> None:
    clock = Clock()
    async with talk(Settings(clock=clock)) as client:
        asked: dict[str, Any] = {
            "model": OPUS,
            "max_tokens": 200,
            "system": [words(1_000, cache_control=MARK)],
            "messages": [user(words(5))],
        }
        first = await client.beta.messages.create(**asked, diagnostics={"previous_message_id": None})
        assert first.usage.cache_creation.ephemeral_5m_input_tokens == 1_003
        assert first.diagnostics is None
        async with client.beta.messages.stream(**asked, diagnostics={"previous_message_id": first.id}) as stream:
            second = await stream.get_final_message()
        assert second.usage.cache_read_input_tokens == 1_003
        assert second.usage.input_tokens + 1_003 == first.usage.input_tokens + 1_003
        assert second.diagnostics is None
        clock.now += 301
        changed = asked | {"system": [words(1_000, "b", cache_control=MARK)]}
        third = await client.beta.messages.create(**changed, diagnostics={"previous_message_id": first.id})
        assert third.usage.cache_read_input_tokens == 0
        assert third.diagnostics.cache_miss_reason.type == "system_changed"


@pytest.mark.anyio
async def test_requests_that_start_together_all_miss(talk: Any) -> None:
    """Docs, prompt-caching: a cache entry only becomes available after the first response begins."""
    async with talk(Settings(first_token_s=1.0)) as client:
        read: list[int] = []

        async def ask(client: Any) -> None:
            system: Any = [words(1_000, cache_control=MARK)]
            message = await client.messages.create(
                model=OPUS, max_tokens=50, system=system, messages=[{"role": "user", "content": "hello"}]
            )
            read.append(message.usage.cache_read_input_tokens or 0)

        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                for _ in range(4):
                    group.start_soon(ask, client)
            await ask(client)
        assert read[:4] == [0, 0, 0, 0]
        assert read[4] > 0

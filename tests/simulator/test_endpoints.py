"""Batches, files, limits, the ledger, and many streams at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anthropic
import anyio
import pytest

from simulator.catalog import card
from simulator.ledger import Ledger
from simulator.serving import Settings
from simulator.settings import Limits
from simulator.usage import Input, cost

pytestmark = pytest.mark.anyio

OPUS = "claude-opus-5-5"


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def asked(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"model": OPUS, "max_tokens": 500, "messages": [{"role": "user", "content": text}]} | more


def batch_of(*params: Any) -> list[Any]:
    return [{"custom_id": f"r{n}", "params": one} for n, one in enumerate(params)]


async def test_a_batch_runs_from_its_creation_to_results_out_of_order(talk: Any) -> None:
    clock = Clock()
    async with talk(Settings(clock=clock, batch_seconds=60)) as client:
        batches = client.messages.batches
        batch = await batches.create(requests=batch_of(asked(), asked("/call x {}"), asked(max_tokens=10**9)))
        assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 3)
        assert batch.results_url is None
        with pytest.raises(anthropic.AnthropicError):
            await batches.results(batch.id)
        clock.now += 60
        ended = await batches.retrieve(batch.id)
        assert ended.processing_status == "ended"
        results = [one async for one in await batches.results(batch.id)]
        assert [one.custom_id for one in results] == ["r2", "r1", "r0"]
        assert [one.result.type for one in results] == ["errored", "succeeded", "succeeded"]
        assert results[0].result.error.error.type == "invalid_request_error"
        assert results[1].result.message.stop_reason == "tool_use"
        assert results[2].result.message.usage.service_tier == "batch"
        counts = (await batches.retrieve(batch.id)).request_counts
        assert (counts.succeeded, counts.errored) == (2, 1)
        assert [one.id async for one in batches.list()] == [batch.id]
        assert (await batches.delete(batch.id)).type == "message_batch_deleted"
        with pytest.raises(anthropic.NotFoundError):
            await batches.retrieve(batch.id)


async def test_a_batch_can_be_canceled_until_it_ends(talk: Any) -> None:
    async with talk(Settings(batch_seconds=600)) as client:
        batches = client.messages.batches
        batch = await batches.create(requests=batch_of(asked(), asked()))
        with pytest.raises(anthropic.BadRequestError, match="cancel it first"):
            await batches.delete(batch.id)
        canceled = await batches.cancel(batch.id)
        assert canceled.cancel_initiated_at
        assert [one.result.type async for one in await batches.results(batch.id)] == ["canceled", "canceled"]
        assert (await batches.retrieve(batch.id)).request_counts.canceled == 2
        with pytest.raises(anthropic.BadRequestError, match="already ended"):
            await batches.cancel(batch.id)


async def test_a_batch_that_takes_more_than_a_day_expires(talk: Any) -> None:
    clock = Clock()
    async with talk(Settings(clock=clock, batch_seconds=200_000)) as client:
        batch = await client.messages.batches.create(requests=batch_of(asked()))
        clock.now += 24 * 3600
        results = [one async for one in await client.messages.batches.results(batch.id)]
        assert [one.result.type for one in results] == ["expired"]


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        ([], "at least 1 item"),
        ([{"custom_id": "a", "params": {}}] * 2, "custom_id must be unique"),
        ([{"custom_id": "a b", "params": {}}], "should match pattern"),
        ([{"custom_id": "a"}], "requests.0.params: Field required"),
    ],
    ids=["none", "twice", "bad id", "no params"],
)
async def test_a_batch_that_is_none_is_refused(client: Any, requests: Any, words: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=words):
        await client.messages.batches.create(requests=requests)


async def test_a_file_is_uploaded_read_by_the_model_and_downloaded(client: Any) -> None:
    file = await client.files.upload(file=("notes.txt", b"tea " * 500, "text/plain"))
    assert (file.filename, file.mime_type, file.size_bytes) == ("notes.txt", "text/plain", 2_000)
    source = {"type": "document", "source": {"type": "file", "file_id": file.id}}
    with_file = asked(messages=[{"role": "user", "content": [source, {"type": "text", "text": "hello"}]}])
    message = await client.messages.create(**with_file)
    plain = await client.messages.create(**asked())
    assert message.usage.input_tokens > plain.usage.input_tokens + 500
    downloaded = await client.files.download(file.id)
    assert await downloaded.read() == b"tea " * 500
    assert [one.id async for one in client.files.list()] == [file.id]
    assert (await client.files.retrieve_metadata(file.id)).id == file.id
    await client.files.delete(file.id)
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.create(**with_file)


@pytest.mark.parametrize("name", ["a/b.txt", "a:b", "x" * 256], ids=["slash", "colon", "long"])
async def test_a_file_name_the_api_would_not_take_is_refused(client: Any, name: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match="filename must be"):
        await client.files.upload(file=(name, b"x", "text/plain"))


async def test_a_text_file_is_no_picture(client: Any) -> None:
    file = await client.files.upload(file=("notes.txt", b"tea", "text/plain"))
    source = {"type": "image", "source": {"type": "file", "file_id": file.id}}
    with pytest.raises(anthropic.BadRequestError, match="needs an image"):
        await client.messages.create(**asked(messages=[{"role": "user", "content": [source]}]))


async def test_requests_beyond_the_limit_wait_as_long_as_they_are_told(talk: Any) -> None:
    clock = Clock()
    async with talk(Settings(clock=clock, limits=Limits(requests=2, input_tokens=100_000))) as client:
        raw = await client.messages.with_raw_response.create(**asked())
        assert raw.headers["anthropic-ratelimit-requests-limit"] == "2"
        assert raw.headers["anthropic-ratelimit-requests-remaining"] == "1"
        assert raw.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
        assert int(raw.headers["anthropic-ratelimit-input-tokens-remaining"]) % 1000 == 0
        await client.messages.create(**asked())
        with pytest.raises(anthropic.RateLimitError) as raised:
            await client.messages.create(**asked())
        wait = int(raised.value.response.headers["retry-after"])
        assert 25 <= wait <= 30
        clock.now += wait
        await client.messages.create(**asked())


async def test_reading_from_the_cache_is_not_counted_against_the_limit(talk: Any) -> None:
    clock = Clock()
    system = [{"type": "text", "text": "rule " * 3_000, "cache_control": {"type": "ephemeral"}}]
    async with talk(Settings(clock=clock, limits=Limits(input_tokens=9_000))) as client:
        await client.messages.create(**asked(system=system))
        for _ in range(3):
            await client.messages.create(**asked(system=system))
        other = [system[0] | {"text": "other " * 3_000}]
        with pytest.raises(anthropic.RateLimitError, match="9000 input tokens per minute"):
            await client.messages.create(**asked(system=other))


async def test_each_key_has_buckets_of_its_own(talk: Any) -> None:
    async with talk(Settings(clock=Clock(), limits=Limits(requests=1))) as client:
        await client.messages.create(**asked())
        await client.with_options(api_key="other").messages.create(**asked())
        with pytest.raises(anthropic.RateLimitError):
            await client.messages.create(**asked())


async def test_the_ledger_has_every_request_with_its_cost(talk: Any, tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    async with talk(Settings(ledger=path)) as client:
        message = await client.messages.create(**asked())
        await client.messages.create(**asked(model="claude-haiku-5-5"))
        with pytest.raises(anthropic.BadRequestError):
            await client.messages.create(**asked(max_tokens=10**9))
    first, second, refused = (json.loads(line) for line in path.read_text().splitlines())
    opus = card(OPUS)
    assert opus
    assert first["id"] == message.id
    expected = cost(opus, Input(message.usage.input_tokens), message.usage.output_tokens)
    assert first["usd"] == pytest.approx(expected, abs=1e-8)
    assert second["usd"] < first["usd"] / 10
    assert refused["status"] == 400
    assert refused["error"].startswith("max_tokens: ")


def test_the_table_tells_how_many_requests_got_an_error() -> None:
    ledger = Ledger()
    assert ledger.table() == ""
    for status in (529, 400, 529):
        ledger.refuse(0.0, "req_1", status, "")
    assert ledger.table() == "requests that got an error: 1 x 400, 2 x 529"


def test_the_price_is_that_of_the_table() -> None:
    opus, haiku = card(OPUS), card("claude-haiku-5-5")
    assert opus
    assert haiku
    million = 1_000_000
    assert cost(opus, Input(million), million) == pytest.approx(4 + 20)
    assert cost(opus, Input(0, read=million, written_5m=million, written_1h=million), 0) == pytest.approx(0.20 + 5 + 8)
    assert cost(opus, Input(million), 0, batch=True) == pytest.approx(2)
    assert cost(haiku, Input(50_000), 0) == pytest.approx(0.005)
    assert cost(haiku, Input(200_000), 0) == pytest.approx(0.1)


async def test_two_hundred_streams_are_served_at_once(talk: Any) -> None:
    """All of them are open at the same time: each waits, after its first event, until every other has had its own."""
    many = 200
    begun = 0
    all_begun = anyio.Event()
    finished: list[str] = []

    async def stream(client: Any, number: int) -> None:
        nonlocal begun
        events = await client.messages.create(**asked(f"hello {number}"), stream=True)
        async for event in events:
            if event.type == "message_start":
                begun += 1
                if begun == many:
                    all_begun.set()
                await all_begun.wait()
            if event.type == "message_delta":
                finished.append(str(event.delta.stop_reason))

    async with talk(timeout=60.0) as client:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                for number in range(many):
                    group.start_soon(stream, client, number)
    assert finished == ["end_turn"] * many


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_as_a_program_it_tells_where_it_is_and_at_the_end_what_was_spent(tmp_path: Path, stop: signal.Signals) -> None:
    scenario = tmp_path / "tea.yaml"
    scenario.write_text("name: Tea\nrules:\n  - when the user says: tea\n    say: Earl Grey.\n")
    command = [sys.executable, "-m", "simulator", "--port", "0", "--scenario", str(scenario), "--fault", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout
            line = program.stdout.readline()
            url = line.split(" at ")[1].split(". ")[0]
            assert "Scenario: Tea" in line
            client = anthropic.Anthropic(api_key="k", base_url=url, timeout=60, max_retries=0)
            with client:
                message = client.messages.create(**asked("some tea, please"))
            assert message.content[-1].text == "Earl Grey."
            os.kill(program.pid, stop)
            out, err = program.communicate(timeout=60)
        finally:
            program.kill()
    assert OPUS in out
    assert "US$" in out
    assert (program.returncode, err) == (0, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rules: [", "tea.yaml:1: this is no YAML"),
        ("rules:\n  - when the user say: tea\n    say: x\n", "tea.yaml:2: unknown key"),
    ],
    ids=["no YAML", "unknown key"],
)
def test_a_scenario_that_cannot_be_used_stops_it_with_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "tea.yaml"
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "--scenario", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert words in done.stderr

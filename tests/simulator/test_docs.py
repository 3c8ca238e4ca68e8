"""The words about the simulator are true: the table of fields, the example of a scenario."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic.resources.beta.messages import AsyncMessages

from simulator import faults, scenario, sizes
from simulator.catalog import ALIASES, CARDS, card
from simulator.request import Body

DOCS = (Path(__file__).parent.parent.parent / "docs" / "simulator.md").read_text(encoding="utf-8")
OF_THE_CLIENT = {"betas", "user_profile_id", "workspace_id", "extra_headers", "extra_query", "extra_body", "timeout"}
ONLY_FORMER = {"temperature", "top_p", "top_k"}


def rows() -> Iterator[tuple[str, str]]:
    """Yield field and fate from the table of the docs."""
    section = DOCS.split("## Fields of `beta.messages.create`")[1].split("\n## ")[0]
    for line in section.splitlines():
        if found := re.match(r"\| `(\w+)` \| ([^|]+) \|", line):
            yield found.group(1), found.group(2).strip()


def test_the_table_has_every_field_of_the_installed_sdk_and_no_other() -> None:
    parameters = [name for name in inspect.signature(AsyncMessages.create).parameters if name != "self"]
    named = [name for name, _ in rows()]
    assert sorted(named) == sorted(parameters)


def test_every_field_has_one_of_three_fates() -> None:
    assert {fate for _, fate in rows()} == {"honoured", "accepted and ignored", "refused"}


def test_what_is_not_refused_is_known_to_the_simulator_and_nothing_else_is() -> None:
    taken = {name for name, fate in rows() if fate != "refused"} - OF_THE_CLIENT
    assert taken == set(Body.model_fields) - ONLY_FORMER


SAMPLES: dict[str, Any] = {
    "billing_policy": {"type": "billing_policy", "bill_to": "self"},
    "container": "container_1",
    "inference_geo": "us",
    "metadata": {"user_id": "someone"},
    "service_tier": "standard_only",
    "extra_query": {"a": "b"},
    "timeout": 20.0,
    "user_profile_id": "profile_1",
    "workspace_id": "wrkspc_1",
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", [name for name, fate in rows() if fate == "accepted and ignored"])
async def test_an_ignored_field_is_taken_and_changes_nothing(client: Any, name: str) -> None:
    asked: dict[str, Any] = {
        "model": "claude-opus-5-5",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": "hello"}],
    }
    plain = await client.beta.messages.create(**asked)
    with_it = await client.beta.messages.create(**asked, **{name: SAMPLES[name]})
    assert with_it.content[-1].text == plain.content[-1].text
    assert with_it.usage.input_tokens == plain.usage.input_tokens


@pytest.mark.anyio
async def test_a_thread_is_refused_in_the_way_that_makes_clients_fall_back(client: Any) -> None:
    with pytest.raises(anthropic.BadRequestError) as raised:
        await client.beta.messages.create(
            model="claude-opus-5-5",
            max_tokens=5,
            messages=[{"role": "user", "content": "hello"}],
            thread={"type": "create"},
            betas=["message-threads-2026-08-12"],
        )
    assert raised.value.error_code == "thread_unsupported_request"


def test_the_number_of_models_is_right() -> None:
    assert f"{len(CARDS) + len(ALIASES)} ids and aliases" in DOCS


def test_the_scenario_of_the_docs_can_be_played() -> None:
    example = DOCS.split("```yaml\n")[1].split("```")[0]
    assert len(scenario.read(example).rules) == 4


def test_every_fault_of_the_docs_exists_and_none_is_left_out() -> None:
    section = DOCS.split("## Failures on demand")[1].split("Rate limits")[0]
    first = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = [text for cell in first for text in re.findall(r"`([^`]+)`", cell)]
    kinds = {text.split()[0] for text in named}
    for text in named:
        faults.parse(text)
    assert kinds == {*faults.STREAMED, *faults.WHOLE, "none", *(str(s) for s in faults.STATUSES)}


def test_the_published_count_is_met_as_closely_as_the_docs_say() -> None:
    """Docs, build-with-claude/token-counting, first example (Opus 4.6): 14."""
    model = card("claude-opus-4-6")
    assert model
    sent = {"system": "You are a scientist", "messages": [{"role": "user", "content": "Hello, Claude"}]}
    assert sizes.total(sent, model) == 16
    assert "16 instead of 14" in DOCS


@pytest.mark.anyio
async def test_the_python_of_the_docs_runs() -> None:
    example = DOCS.split("```python\n")[1].split("```")[0]
    lines = example.replace("    ...", "    found.append(base_url)").splitlines()
    indented = "\n".join(f"    {line}" for line in lines if not line.startswith("from "))
    imports = "\n".join(line for line in lines if line.startswith("from "))
    scope: dict[str, Any] = {"found": []}
    exec(f"{imports}\nasync def run():\n{indented}\n", scope)
    await scope["run"]()
    assert scope["found"][0].startswith("http://127.0.0.1:")

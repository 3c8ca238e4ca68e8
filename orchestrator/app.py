"""`open_app(config)`: the only room that knows all the others, and puts them together."""

from __future__ import annotations

import importlib
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from orchestrator import turn
from orchestrator.approvals import HumanDesk, HumanGate
from orchestrator.config import Config, ModelConfig, user_data_dir
from orchestrator.context.plan import Choice, ContextSettings, plan
from orchestrator.conversation import Conversation
from orchestrator.conversations import Conversations
from orchestrator.engine.lifeline import Lifeline
from orchestrator.engine.local import LocalEngine
from orchestrator.errors import NotFound
from orchestrator.feed.local import LocalFeed
from orchestrator.journal import Journal
from orchestrator.messages import Request, Tool
from orchestrator.models.breaking import BreakingModel
from orchestrator.models.claude import ClaudeModel, has_credentials
from orchestrator.models.endpoints import Endpoint
from orchestrator.models.fallback import FallbackModel
from orchestrator.models.limiting import LimitingModel, RateLimits
from orchestrator.models.retrying import RetryingModel
from orchestrator.models.simulated import SimulatedModel
from orchestrator.policy.grants import Grants
from orchestrator.policy.limits import TurnLimits
from orchestrator.policy.rules import STRICTEST, Policy, rules_of
from orchestrator.ports import Model, Toolbox
from orchestrator.store.sqlite import SqliteStore
from orchestrator.tools.toolbox import open_toolbox


@dataclass(frozen=True)
class App:
    """The house with the lights on."""

    conversations: Conversations
    toolbox: Toolbox
    config: Config
    model: str
    """The model that is asked."""
    endpoint: str
    """Where it is asked."""
    simulated: bool
    """Whether the simulator answers, because there is no credential."""
    crew: Callable[[Journal], turn.Crew]
    """Who takes part in a turn here."""
    policy: Callable[[], Policy]
    """The rules that hold now: the config's, and those that were given since."""


@dataclass(frozen=True)
class History:
    """What was said and which rules were given, without servers and without a model."""

    conversations: Conversations
    grants: Grants
    policy: Callable[[], Policy]


@asynccontextmanager
async def open_app(config: Config, *, env: Mapping[str, str]) -> AsyncGenerator[App]:
    """Open everything that a turn needs, and close it at the end; turns that still run stay open in the journal.

    Servers start in the background. Without a credential in `env` the simulator is started and answers.
    Raises `StoreError` if the history cannot be opened.
    """
    threading.Thread(target=importlib.import_module, args=("anthropic",), name="warm-up", daemon=True).start()
    async with AsyncExitStack() as stack:
        store = SqliteStore(config.data_dir / "journal.db")
        stack.push_async_callback(store.close)
        endpoint, simulated = await choose_endpoint(config, env, stack)
        limits = RateLimits(config.model.requests_per_minute, config.model.tokens_per_minute)
        claude = sign_in(config, endpoint, env, simulated, limits)
        stack.push_async_callback(claude.close)
        toolbox = await stack.enter_async_context(
            open_toolbox(
                config.mcp_servers,
                env=env,
                state_dir=config.data_dir / "servers",
                max_parallel=config.limits.max_parallel_calls,
                max_result_chars=config.limits.max_result_chars,
            )
        )
        lifeline = Lifeline(config.data_dir / "running")
        stack.callback(lifeline.close)
        grants = Grants(user_data_dir(env), Path.cwd())
        policy = policy_of(config, grants)
        model = patient(SimulatedModel(claude) if simulated else claude, endpoint, limits, config)
        crew = crew_of(config, toolbox, model, policy)
        conversations = Conversations(store, LocalFeed(), crew, lifeline.owner, lifeline.alive, grants.give)
        async with anyio.create_task_group() as tasks:
            conversations.engine = LocalEngine(tasks, conversations.run_turn)
            yield App(conversations, toolbox, config, config.model.name, endpoint, simulated, crew, policy)
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def open_history(config: Config, *, env: Mapping[str, str]) -> AsyncGenerator[History]:
    """Open what was recorded, for looking things up and for changes that need no model; no turn can run.

    Raises `StoreError` if the history cannot be opened.
    """
    async with AsyncExitStack() as stack:
        store = SqliteStore(config.data_dir / "journal.db")
        stack.push_async_callback(store.close)
        lifeline = Lifeline(config.data_dir / "running")
        stack.callback(lifeline.close)
        grants = Grants(user_data_dir(env), Path.cwd())
        conversations = Conversations(store, LocalFeed(), nobody, lifeline.owner, lifeline.alive, grants.give)
        yield History(conversations, grants, policy_of(config, grants))


def nobody(journal: Journal) -> turn.Crew:
    """Refuse to run a turn where only the history is open."""
    raise NotFound(f"Nobody is here to run turn {journal.turn.turn_id}.")


async def choose_endpoint(config: Config, env: Mapping[str, str], stack: AsyncExitStack) -> tuple[str, bool]:
    """Return where the model is asked (empty: the provider's own address), and whether that is the simulator."""
    endpoint = config.model.base_url or env.get("ANTHROPIC_BASE_URL", "")
    if endpoint or has_credentials(env) or config.model.provider != "anthropic":
        return endpoint, False
    from simulator.serving import Settings, running

    return await stack.enter_async_context(running(Settings())), True


def sign_in(config: Config, endpoint: str, env: Mapping[str, str], simulated: bool, limits: RateLimits) -> ClaudeModel:
    """Return the model's client: it signs with what the SDK finds in the environment, or not at all."""
    if simulated:
        return ClaudeModel(Endpoint(base_url=endpoint, api_key="simulator"), limits.heard)
    model = config.model
    clouds = model.provider != "anthropic"  # they sign in as their own tools do
    where = Endpoint(
        provider=model.provider,
        base_url=endpoint or None,
        signed=clouds or has_credentials(env),
        options=model.options,
        proxy=model.proxy,
        aiohttp=model.aiohttp,
    )
    return ClaudeModel(where, limits.heard)


def patient(model: Model, endpoint: str, limits: RateLimits, config: Config) -> Model:
    """Return the model with all that stands between a turn and a failure, from the inside out."""
    limited = LimitingModel(model, limits)
    retried = RetryingModel(BreakingModel(limited, endpoint))
    return FallbackModel(retried, config.model.fallbacks) if config.model.fallbacks else retried


def policy_of(config: Config, grants: Grants) -> Callable[[], Policy]:
    """Return the function that says which rules hold now; it raises `ConfigError` if the given ones cannot be read."""
    suite = {name for name, server in config.mcp_servers.items() if server.suite}
    written = tuple(rule for effect in STRICTEST for rule in rules_of(effect, getattr(config.policy, effect), "config"))
    trusted = frozenset(suite | set(config.policy.trust))

    def policy() -> Policy:
        return Policy((*written, *grants.rules()), trusted)

    return policy


def kinds_of(model: ModelConfig, default: Choice) -> dict[str, Choice]:
    """Return the models by what they are for; what the config does not say of one is as the usual one has it."""
    kinds = {"fast": (model.fast, model.fast_effort), "deep": (model.deep, model.deep_effort)}
    return {
        kind: replace(default, model=name, effort=effort or default.effort)
        for kind, (name, effort) in kinds.items()
        if name
    }


def crew_of(
    config: Config, toolbox: Toolbox, model: Model, policy: Callable[[], Policy]
) -> Callable[[Journal], turn.Crew]:
    """Return the function that says who takes part in the turn of a journal."""
    limits = TurnLimits(
        steps=config.limits.max_steps,
        calls=config.limits.max_calls,
        seconds=config.limits.max_seconds,
        tokens=config.limits.max_tokens,
        dollars=config.limits.max_cost,
    )
    default = Choice(config.model.name, config.model.max_tokens, config.model.effort, config.model.thinking)
    settings = ContextSettings(default, kinds_of(config.model, default))

    def planned(conversation: Conversation, tools: tuple[Tool, ...]) -> Request:
        rules = policy()
        return plan(conversation, [tool for tool in tools if not rules.hides(tool)], settings)

    def crew(journal: Journal) -> turn.Crew:
        return turn.Crew(
            model=model,
            toolbox=toolbox,
            gate=HumanGate(journal, policy, toolbox),
            desk=HumanDesk(journal),
            plan=planned,
            limits=limits,
            start_seconds=config.limits.start_seconds,
        )

    return crew

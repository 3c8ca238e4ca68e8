"""The configuration: one JSON file, a superset of what Claude Desktop and other hosts read, and its built-in default.

`load` finds the file, expands `${VAR}` and `${VAR:-default}` in its values and checks it. Everything that is wrong is
a `ConfigError` that names file, line and key. `$${VAR}` stands for a literal `${VAR}`.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Annotated, Literal, cast

from platformdirs import user_config_path, user_data_path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError, model_validator
from pydantic_core import ErrorDetails

from orchestrator.errors import ConfigError
from orchestrator.sheet import KeyPath, Sheet

APP = "orchestrator"
Origin = Literal["named", "project", "user", "built-in"]
"""Who chose the file: the user by name, the current folder, the user's config folder, or nobody."""

VARIABLE = re.compile(r"\$?\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}")
FOREIGN_KEYS = frozenset({"$schema", "globalShortcut", "preferences", "scale"})
"""Top-level keys of other hosts' files that mean nothing here and are passed over."""
SUITE_COMMANDS = frozenset({"mcp-files", "mcp-database", "mcp-fetch"})
SUITE_MODULE = re.compile(r"servers\.[a-z][a-z0-9_]*")


class Section(BaseModel):
    """A part of the file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, allow_inf_nan=False)


def one_name_per_transport(value: object) -> object:
    """Return the protocol's own name for a transport that hosts name in several ways."""
    return "http" if value in ("streamable-http", "streamableHttp", "streamable_http") else value


class ServerConfig(Section):
    """One MCP server, in the shape that every host reads under `mcpServers`."""

    type: Annotated[Literal["stdio", "http", "sse"] | None, BeforeValidator(one_name_per_transport)] = None
    """How to talk to it; may be left out: `command` means stdio, `url` means streamable HTTP."""
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    """Variables added to the few that every server gets (PATH, HOME, LANG, ...)."""
    cwd: str | None = None
    """Where it is started; relative to the config file. Otherwise in the current folder."""
    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    disabled: bool = False
    """No process, no network, no variables needed."""
    required: bool = False
    """Without this server nothing is asked of the model (exit code 4)."""
    connect_timeout: float = Field(default=30.0, gt=0)
    """Seconds from start to its list of tools."""
    call_timeout: float = Field(default=120.0, gt=0)
    """Seconds for one call."""

    @model_validator(mode="after")
    def has_one_way_to_reach_it(self) -> ServerConfig:
        """A server is either a program or an address."""
        if bool(self.command) == bool(self.url):
            raise ValueError("needs either 'command' (a program to start) or 'url' (an address), and not both")
        if self.type is not None and (self.type == "stdio") != bool(self.command):
            raise ValueError(f"type {self.type!r} needs {'command' if self.type == 'stdio' else 'url'!r}")
        return self

    @property
    def suite(self) -> bool:
        """Whether it is one of the servers that come with this program."""
        program = PurePath(self.command or "").name.removesuffix(".exe")
        if program in SUITE_COMMANDS:
            return True
        module = self.args[1:] if self.args[:1] == ("-P",) else self.args
        return (
            program.startswith("python")
            and module[:1] == ("-m",)
            and bool(SUITE_MODULE.fullmatch("".join(module[1:2])))
        )


Effort = Literal["", "low", "medium", "high", "xhigh", "max"]


class ModelConfig(Section):
    """Which model answers, and where. The key comes from the environment, as the provider's SDK reads it."""

    name: str = Field(default="claude-opus-5-5", min_length=1)
    max_tokens: int = Field(default=16_000, ge=1)
    """The most tokens of one answer."""
    base_url: str | None = None
    """A server that speaks the Messages API; `ANTHROPIC_BASE_URL` if left out."""
    effort: Effort = ""
    """How hard it shall think; left out, as hard as the provider sees fit."""
    thinking: Literal["", "summarized", "omitted"] = ""
    """Whether its thinking is shown; left out, as the provider does it."""
    fast: str = ""
    """The model that `--model fast` means."""
    fast_effort: Effort = ""
    """How hard that one shall think; left out, as hard as the usual one."""
    deep: str = ""
    """The model that `--model deep` means."""
    deep_effort: Effort = ""
    """How hard that one shall think; left out, as hard as the usual one."""
    fallbacks: tuple[str, ...] = ()
    """Models to ask when this one is overloaded, out of reach, or refuses."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    provider: Literal["anthropic", "bedrock", "vertex", "aws", "foundry", "google-cloud"] = "anthropic"
    options: dict[str, str] = Field(default_factory=dict)
    """What only this provider takes: `aws_region`; `region` and `project_id`; `resource`; ..."""
    proxy: str | None = None
    """The address of an HTTP proxy; left out, the environment's."""
    aiohttp: bool = False
    """Send requests through aiohttp."""


class ContextConfig(Section):
    """How the context is kept small; nothing can be set yet."""


class PolicyConfig(Section):
    """Rules for calls: globs over `server__tool`. The strictest that matches counts: deny, then ask, then allow."""

    allow: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    trust: tuple[str, ...] = ()
    """Servers whose own word that a tool is read-only is believed, besides the ones that come with this program."""


class Limits(Section):
    """Where a turn ends, and how much of it runs at once."""

    max_steps: int = Field(default=50, ge=1)
    """How often one turn may ask the model."""
    max_calls: int = Field(default=500, ge=1)
    """How many calls one turn may make."""
    max_seconds: float = Field(default=3600.0, gt=0)
    """How long one turn may work; the time in which you are asked does not count."""
    max_tokens: int | None = Field(default=None, ge=1)
    """How many tokens one turn may use, prompts and answers together."""
    max_cost: float | None = Field(default=None, gt=0)
    """How many US dollars one turn may cost."""
    start_seconds: float = Field(default=2.5, ge=0)
    """How long a turn waits for servers that are still starting; it goes on without them then."""
    max_parallel_calls: int = Field(default=8, ge=1)
    max_result_chars: int = Field(default=60_000, ge=1_000)
    """How much of one result the model gets; the rest is cut from the middle, and said to be."""


class ServiceConfig(Section):
    """The HTTP service; nothing can be set yet."""


class Config(Section):
    """The whole configuration, and where it came from."""

    mcp_servers: dict[str, ServerConfig] = Field(
        default_factory=dict, validation_alias="mcpServers", serialization_alias="mcpServers"
    )
    model: ModelConfig = ModelConfig()
    context: ContextConfig = ContextConfig()
    policy: PolicyConfig = PolicyConfig()
    limits: Limits = Limits()
    service: ServiceConfig = ServiceConfig()
    data_dir: Path
    """Conversations, samples and logs. `ORCHESTRATOR_DATA_DIR` goes before the file."""
    source: str = "built-in default"
    """The file this was read from, or `built-in default`."""
    origin: Origin = "built-in"
    fingerprint: str = ""
    """A hash of the file's content; empty for the built-in default."""
    needs_trust: bool = False
    """The file came with the folder, and obeying it starts programs, sends data somewhere or moves where it is kept."""


FOUND = frozenset({"source", "origin", "fingerprint", "needs_trust"})
"""Fields that say where a configuration was found; no file can set them."""


def load(path: Path | None, *, cwd: Path, env: Mapping[str, str]) -> Config:
    """Return the configuration that counts here.

    The first of these that exists: `path` (else `ORCHESTRATOR_CONFIG`; one of them named and missing is an error),
    `orchestrator.json` and `.mcp.json` in `cwd`, `orchestrator.json` in the user's config folder, the built-in default.

    Raises `ConfigError` with file, line and key.
    """
    named = path or (Path(env["ORCHESTRATOR_CONFIG"]) if env.get("ORCHESTRATOR_CONFIG") else None)
    if named is not None:
        return read(cwd / named.expanduser(), "named", env)
    for file in (cwd / "orchestrator.json", cwd / ".mcp.json"):
        if file.exists():
            return read(file, "project", env)
    if (file := user_config_file(env)).exists():
        return read(file, "user", env)
    return built_in(user_data_dir(env))


def user_config_file(env: Mapping[str, str]) -> Path:
    """Return where the user's own file is looked for; `ORCHESTRATOR_CONFIG_DIR` moves the folder."""
    folder = env.get("ORCHESTRATOR_CONFIG_DIR")
    return (Path(folder) if folder else user_config_path(APP)) / "orchestrator.json"


def user_data_dir(env: Mapping[str, str]) -> Path:
    """Return the user's own data folder, whatever a file says: what is trusted is remembered there."""
    folder = env.get("ORCHESTRATOR_DATA_DIR")
    return Path(folder).expanduser().absolute() if folder else user_data_path(APP)


def built_in(data_dir: Path) -> Config:
    """Return the configuration without any file: the current folder, a sample database, web pages."""
    # -P: a folder called `servers` in the current folder must not stand in for ours.
    suite = {
        "files": ("servers.files", "."),
        "database": ("servers.database", "--demo", str(data_dir / "sample.db")),
        "fetch": ("servers.fetch",),
    }
    servers = {name: ServerConfig(command=sys.executable, args=("-P", "-m", *args)) for name, args in suite.items()}
    # Our own servers are known to start; on a slow machine it is better to wait than to answer without them.
    return Config(mcp_servers=servers, data_dir=data_dir, limits=Limits(start_seconds=30))


def read(file: Path, origin: Origin, env: Mapping[str, str]) -> Config:
    """Return the configuration in `file`. Raises `ConfigError`."""
    try:
        raw = file.read_bytes()
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"There is no config file {file}.", "Name one that exists with --config.") from None
    except (OSError, UnicodeDecodeError) as failure:
        raise ConfigError(f"The config file {file} cannot be read: {failure}.", "It must be UTF-8 text.") from failure
    sheet = Sheet(file, text)
    values = expanded(sheet.values, sheet, env)
    values = {key: value for key, value in values.items() if key not in FOREIGN_KEYS}
    if unreadable := [((key,), unknown_key((key,))) for key in values if key in FOUND | {"mcp_servers"}]:
        raise sheet.wrong(unreadable)
    moves = "data_dir" in values
    values["data_dir"] = data_dir_of(values.get("data_dir"), file, env)
    try:
        config = Config.model_validate(values | {"source": str(file), "origin": origin})
    except ValidationError as failure:
        raise sheet.wrong([problem(error) for error in failure.errors()]) from None
    if nameless := [(("mcpServers", name), "a server needs a name") for name in config.mcp_servers if not name.strip()]:
        raise sheet.wrong(nameless)
    servers = {name: placed(server, file.parent) for name, server in config.mcp_servers.items()}
    active = any(not server.disabled for server in servers.values())
    needs_trust = origin == "project" and bool(active or moves or config.model.base_url)
    found = {"fingerprint": hashlib.sha256(raw).hexdigest(), "needs_trust": needs_trust}
    return config.model_copy(update={"mcp_servers": servers, **found})


def data_dir_of(value: JsonValue, file: Path, env: Mapping[str, str]) -> JsonValue:
    """Return the data folder that counts; what is not a path is left for the check to refuse."""
    if env.get("ORCHESTRATOR_DATA_DIR") or value is None:
        return str(user_data_dir(env))
    return str(file.parent / Path(value).expanduser()) if isinstance(value, str) else value


def placed(server: ServerConfig, folder: Path) -> ServerConfig:
    """Return the server with its working folder made absolute, seen from the config file."""
    if server.cwd is None:
        return server
    return server.model_copy(update={"cwd": str(folder / Path(server.cwd).expanduser())})


def expanded(values: dict[str, JsonValue], sheet: Sheet, env: Mapping[str, str]) -> dict[str, JsonValue]:
    """Return the values with their variables filled in. Raises `ConfigError` that names all missing ones."""
    missing: list[tuple[KeyPath, str]] = []

    def fill(value: JsonValue, path: KeyPath) -> JsonValue:
        if isinstance(value, dict):
            off = len(path) == 2 and path[0] == "mcpServers" and value.get("disabled") is True
            return value if off else {key: fill(one, (*path, key)) for key, one in value.items()}
        if isinstance(value, list):
            return [fill(one, (*path, number)) for number, one in enumerate(value)]
        return VARIABLE.sub(lambda match: variable(match, path), value) if isinstance(value, str) else value

    def variable(match: re.Match[str], path: KeyPath) -> str:
        name, has_default, default = match.groups()
        if match[0].startswith("$$"):
            return match[0][1:]
        if has_default:
            return env.get(name) or default
        if name not in env:
            advice = f"set it, or write ${{{name}:-a default}}"
            missing.append((path, f"the environment variable {name} is not set; {advice}"))
        return env.get(name, "")

    filled = {key: fill(value, (key,)) for key, value in values.items()}
    if missing:
        raise sheet.wrong(missing)
    return filled


def problem(error: ErrorDetails) -> tuple[KeyPath, str]:
    """Return where the checker found something wrong, and what, without the value (it may be a secret)."""
    path = error["loc"]
    if error["type"] == "extra_forbidden":
        return path, unknown_key(path)
    text = error["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("a valid tuple", "a list")
    text = text.replace("is not a valid path for <class 'pathlib.Path'>", "should be a path")
    if error["type"] == "string_too_short":
        return path, "should not be empty"
    found = json_type(cast("JsonValue", error["input"]))
    return path, text if error["type"] == "value_error" else f"{text}, and is {found}"


def unknown_key(path: KeyPath) -> str:
    """Return what to say about a key that nothing reads, with the nearest one that is read."""
    known = known_keys(path[:-1])
    key = str(path[-1])
    if len(path) == 1 and key.lower() in ("servers", "mcp", "mcp_servers", "context_servers"):
        return "unknown key; servers stand under 'mcpServers'"
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"unknown key; did you mean {near[0]!r}?"
    return f"unknown key; known here: {', '.join(known)}" if known else "unknown key; nothing can be set here yet"


def known_keys(path: KeyPath) -> list[str]:
    """Return the keys that may stand in the object at `path`."""
    section: type[BaseModel] = Config
    if path:
        kinds = {"mcpServers": ServerConfig, "model": ModelConfig, "context": ContextConfig, "policy": PolicyConfig}
        section = (kinds | {"limits": Limits, "service": ServiceConfig}).get(str(path[0]), Config)
    fields = {name: field.validation_alias or name for name, field in section.model_fields.items() if name not in FOUND}
    return [str(name) for name in fields.values()]


def json_type(value: JsonValue) -> str:
    """Return what a JSON value is, in words."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else "true or false"
    words = {str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return words.get(type(value), "something else")

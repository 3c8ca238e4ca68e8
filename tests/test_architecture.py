"""The house keeps its shape: who imports whom, how large a room may grow, what starts fast."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
PACKAGES = ("servers", "simulator", "orchestrator")

# A room imports only from rows above its own (earlier in this list); rooms of one row do not know each other.
ROWS: list[set[str]] = [
    {"errors"},
    {"sheet"},
    {"messages", "config", "logs"},
    {"events", "pricing"},
    {"conversation", "ports", "usage", "exporting"},
    {"policy", "context", "models", "tools", "store", "engine", "feed"},
    {"journal"},
    {"approvals", "turn"},
    {"conversations"},
    {"replaying"},
    {"app"},
    {"cli", "http"},
    {"__main__"},
]
SUITE_ROOMS = {path.stem for path in (HOUSE / "servers").glob("*.py")}  # what every server stands on: one file each
LONGEST_FILE, LONGEST_FUNCTION = 400, 50


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (HOUSE / package).rglob("*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[str]:
    """Every module this file imports, inside functions too, as dotted names."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def row_of(room: str) -> int:
    return next(number for number, rooms in enumerate(ROWS) if room in rooms)


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).with_suffix("").parts[1]


def name(path: object) -> str:
    return str(path.relative_to(HOUSE)) if isinstance(path, Path) else str(path)


ORCHESTRATOR = [path for path in sources() if path.is_relative_to(HOUSE / "orchestrator") and path.stat().st_size]
SERVERS = [path for path in sources() if path.is_relative_to(HOUSE / "servers") and path.stat().st_size]


@pytest.mark.parametrize("path", ORCHESTRATOR, ids=name)
def test_a_room_of_the_orchestrator_imports_only_from_rows_above_it(path: Path) -> None:
    room = room_of(path)
    row = row_of(room)
    for module in imports(path):
        package, _, rest = module.partition(".")
        if package == "servers":
            pytest.fail(f"{name(path)} imports {module}: servers are programs, the orchestrator only starts them")
        if package == "simulator":
            assert room in {"app", "cli"}, f"{name(path)} imports {module}: only app and cli may start the simulator"
        if package != "orchestrator" or not rest:
            continue
        other = rest.split(".")[0]
        assert other == room or row_of(other) < row, f"{name(path)} (row {row}) imports {module} (row {row_of(other)})"


@pytest.mark.parametrize("path", SERVERS, ids=name)
def test_a_server_imports_neither_the_orchestrator_nor_another_server(path: Path) -> None:
    room = room_of(path)
    for module in imports(path):
        package, *rest = module.split(".")
        assert package not in {"orchestrator", "simulator"}, f"{name(path)} imports {module}"
        if package == "servers":
            assert rest[0] in SUITE_ROOMS | {room} or room == "suite", f"{name(path)} imports {module}"


@pytest.mark.parametrize("path", [path for path in sources() if path.is_relative_to(HOUSE / "simulator")], ids=name)
def test_the_simulator_imports_neither_the_orchestrator_nor_a_server(path: Path) -> None:
    assert not [module for module in imports(path) if module.split(".")[0] in {"orchestrator", "servers"}]


@pytest.mark.parametrize("path", SERVERS, ids=name)
def test_only_the_server_room_of_a_server_knows_mcp(path: Path) -> None:
    """The thing itself (folder, database, page) raises its own errors and never imports mcp."""
    knows = [module for module in imports(path) if module.split(".")[0] in {"mcp", "mcp_types"}]
    outer = room_of(path) in SUITE_ROOMS | {"suite"} or path.name == "server.py" or path.parent.name == "protocol"
    assert outer or not knows, f"{name(path)} imports {knows}"


@pytest.mark.parametrize("path", sources(), ids=name)
def test_a_room_fits_in_the_head(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST_FILE, f"{lines} lines: split {name(path)} by noun"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{name(path)}:{node.lineno} {node.name} has {length} lines"


def test_every_init_is_empty() -> None:
    assert [name(path) for path in sources() if path.name == "__init__.py" and path.stat().st_size] == []


def test_help_imports_neither_mcp_nor_anthropic() -> None:
    script = (
        "import sys; from orchestrator.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "heavy = {'mcp', 'mcp_types', 'anthropic', 'pydantic', 'rich', 'apsw', 'httpx2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "chat" in done.stdout

"""A JSON file whose values know their lines, so that what is wrong with them can be said with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from orchestrator.errors import ConfigError

KeyPath = tuple[str | int, ...]
"""Where a value stands: the keys and numbers that lead to it."""
TOKEN = re.compile(r'(?P<word>"(?:[^"\\]|\\.)*")(?P<colon>\s*:)?|[-+.\w]+|[{}\[\],\n]')


class Sheet:
    """A JSON file whose values know their lines."""

    def __init__(self, file: Path, text: str) -> None:
        self.file = file
        self.lines: dict[KeyPath, int] = {}
        try:
            values: JsonValue = json.loads(text)
        except json.JSONDecodeError as failure:
            place = f"{file}:{failure.lineno}:{failure.colno}"
            raise ConfigError(
                f"{place}: this is not JSON: {failure.msg}.", "Look for a missing comma or quote, or a comma too many."
            ) from None
        except RecursionError:
            raise ConfigError(f"{file}: the file is nested too deeply.", "A config has four levels.") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{file}:1: the file must be one JSON object.", 'The least is {"mcpServers": {}}.')
        self.values = values
        self._scan(text)

    def wrong(self, problems: Sequence[tuple[KeyPath, str]]) -> ConfigError:
        """Return the error that lists `problems`, each with file, line and key."""
        places = [f"{self.file}:{self.line(path)}: {shown(path)}: " for path, _ in problems]
        return ConfigError("\n".join(place + text for place, (_, text) in zip(places, problems, strict=True)))

    def line(self, path: KeyPath) -> int:
        """Return the line of the value at `path`, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def _scan(self, text: str) -> None:
        """Note the line of every key and item. The text is known to be valid JSON, so that tokens suffice."""
        around: list[KeyPath] = []  # the containers that are open
        keys: list[str | int] = []  # where we are in each of them
        line = 1
        for token in TOKEN.finditer(text):
            first = token[0][0]
            if keys and isinstance(keys[-1], int) and first not in "]},\n":
                self.lines[(*around[-1], keys[-1])] = line
            if first in "{[":
                around.append((*around[-1], keys[-1]) if around else ())
                keys.append(0 if first == "[" else "")
            elif first in "}]":
                around.pop()
                keys.pop()
            elif first == "," and isinstance(number := keys[-1], int):
                keys[-1] = number + 1
            elif token["colon"]:
                keys[-1] = str(json.loads(token["word"]))
                self._note((*around[-1], keys[-1]), line)
            line += token[0].count("\n")

    def _note(self, path: KeyPath, line: int) -> None:
        if path in self.lines:
            raise self.wrong([(path, f"appears again in line {line}; every name may stand here once")])
        self.lines[path] = line


def shown(path: KeyPath) -> str:
    """Return a key path as people write it: `mcpServers.files.args[2]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or "the file"

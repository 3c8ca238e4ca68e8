"""Rules that people give while they work: for this session, for this folder, for themselves.

Session rules are in memory; the others in one file, which can be edited by hand as well: `rules.json` in the data
folder, {"user": [rule, …], "projects": {"/the/folder": [rule, …]}}.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from orchestrator.errors import ConfigError
from orchestrator.messages import Value
from orchestrator.policy.rules import Rule

FILE = "rules.json"


class Kept(Value):
    """What the file holds."""

    user: tuple[Rule, ...] = ()
    projects: dict[str, tuple[Rule, ...]] = Field(default_factory=dict)


KEPT: TypeAdapter[Kept] = TypeAdapter(Kept)


class Grants:
    """The rules given so far for `project` (a folder). Other processes' rules are seen at the next look."""

    def __init__(self, folder: Path, project: Path) -> None:
        self._path = folder / FILE
        self._project = str(project)
        self._session: tuple[Rule, ...] = ()

    def rules(self) -> tuple[Rule, ...]:
        """Return all rules that hold here. Raises `ConfigError` if the file cannot be used."""
        kept = self._read()
        return (*self._session, *kept.projects.get(self._project, ()), *kept.user)

    def give(self, rule: Rule) -> None:
        """Keep a rule, in the scope that it names. Raises `ConfigError` if the file cannot be used."""
        if rule.scope == "session":
            self._session = (*self._session, rule)
            return
        kept = self._read()
        if rule.scope == "user":
            kept = Kept(user=(*kept.user, rule), projects=kept.projects)
        else:
            here = (*kept.projects.get(self._project, ()), rule)
            kept = Kept(user=kept.user, projects=kept.projects | {self._project: here})
        self._write(kept)

    def _read(self) -> Kept:
        try:
            return KEPT.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Kept()
        except (OSError, ValidationError) as error:
            first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise ConfigError(f"{self._path} cannot be used: {first}.", "Mend the file, or delete it.") from error

    def _write(self, kept: Kept) -> None:
        text = json.dumps(KEPT.dump_python(kept, mode="json", exclude_defaults=True), indent=1)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=self._path.parent, prefix=FILE)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, self._path)

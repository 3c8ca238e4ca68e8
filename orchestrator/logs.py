"""The program's own log: a file that rotates and knows no secrets.

What happens in a conversation is in the journal; here is what a developer needs when something went wrong.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Generator, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path

LONGEST_FILE = 1_000_000
"""Bytes; three older files are kept beside the current one."""
FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
HIDDEN = "[hidden]"
SECRET_NAME = r"(?:[\w-]*(?:api[_-]?key|token|secret|password|authorization|cookie)[\w-]*)"
SHAPES = (
    re.compile(rf"(?i)(\b{SECRET_NAME}[\"']?\s*[:=]\s*[bru]?[\"']?)(?:(?:bearer|basic)\s+)?[^\s\"',;}})\]]{{4,}}"),
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"()\b(?:sk|pk|rk|ghp|gho|ghs|github_pat|glpat|xox[abps])[-_][A-Za-z0-9_-]{8,}"),
    re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)"),
)
SECRET_VARIABLE = re.compile(r"(?i)key|token|secret|password|credential")


def redacted(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Return `text` without the given secrets, and without anything that looks like a key, token or password."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    for shape in SHAPES:
        text = shape.sub(rf"\1{HIDDEN}", text)
    return text


def secrets_of(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of variables that are named like secrets; short ones are words, not keys."""
    return tuple(value for name, value in env.items() if SECRET_VARIABLE.search(name) and len(value) >= 8)


class Redacting(logging.Formatter):
    """Formats a record, its traceback included, and hides secrets in all of it."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__(FORMAT)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the line or lines that are written."""
        return redacted(super().format(record), self._secrets)


@contextlib.contextmanager
def logging_to(data_dir: Path, *, env: Mapping[str, str], verbose: bool = False) -> Generator[Path]:
    """Log to `logs/orchestrator.log` in `data_dir`, and to stderr too if `verbose`; yields the file's path.

    Where the folder cannot be written, warnings go to stderr: a log is no reason not to work.
    """
    file = data_dir / "logs" / "orchestrator.log"
    formatter = Redacting(secrets_of(env))
    handlers: list[logging.Handler] = []
    trouble = ""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(RotatingFileHandler(file, maxBytes=LONGEST_FILE, backupCount=3, encoding="utf-8"))
        file.chmod(0o600)
    except OSError as failure:
        trouble = f"no log file: {failure}"
    if verbose or trouble:
        handlers.append(logging.StreamHandler())
        handlers[-1].setLevel(logging.DEBUG if verbose else logging.WARNING)
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    if trouble:
        root.warning(trouble)
    try:
        yield file
    finally:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()

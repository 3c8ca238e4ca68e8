"""The last words of a command that failed."""

from __future__ import annotations

import logging
import os
import sys

from orchestrator.cli.cleaning import clean
from orchestrator.errors import OrchestratorError


def told(error: Exception) -> int:
    """Say on stderr what went wrong and what to do, and return the exit code; a bug's traceback goes to the log."""
    from orchestrator.conversations import cause

    failure = cause(error)
    if isinstance(failure, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    if isinstance(failure, OrchestratorError):
        sys.stderr.write(clean(f"! {failure.message}\n  {failure.advice}".rstrip()) + "\n")
        return failure.exit_code
    from orchestrator.config import user_data_dir
    from orchestrator.logs import logging_to

    with logging_to(user_data_dir(os.environ), env=os.environ) as file:
        logging.getLogger(__name__).error("a command failed", exc_info=error)
    sys.stderr.write(f"! This program failed ({type(failure).__name__}); the details are in {file}.\n")
    return 1

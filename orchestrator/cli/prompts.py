"""Where the user's messages come from: an editing prompt at a terminal, plain lines everywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from orchestrator.cli.lines import Lines
from orchestrator.cli.writer import Writer

PROMPT = "> "


class Prompt(Protocol):
    """Gives one message after the other."""

    async def next(self) -> str | None:
        """Return the next message, or None when there are no more. Raises `KeyboardInterrupt` for Ctrl-C."""
        ...


class Editor(Protocol):
    """Lets the user change one line."""

    async def edit(self, prompt: str, text: str) -> str | None:
        """Return what the user made of `text`, or None if it was left."""
        ...


class LinePrompt:
    """Each line is a message. With a writer the prompt is shown there: somebody sees it."""

    def __init__(self, lines: Lines, writer: Writer | None = None) -> None:
        self._lines = lines
        self._writer = writer

    async def next(self) -> str | None:
        """Return the next line."""
        if self._writer:
            self._writer.prompt(PROMPT)
        line = await self._lines.next()
        if self._writer and line is not None:
            self._writer.answered()
        return line


class EditingPrompt:
    """A line editor with history; Alt-Enter or a backslash at the end starts a new line."""

    def __init__(self, history: Path) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory
        from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

        keys = KeyBindings()

        @keys.add("escape", "enter")
        def _(event: KeyPressEvent) -> None:  # pyright: ignore[reportUnusedFunction]
            event.current_buffer.insert_text("\n")

        history.parent.mkdir(parents=True, exist_ok=True)
        history.touch(mode=0o600)  # what is typed here is nobody else's business
        self._session: PromptSession[str] = PromptSession(history=FileHistory(str(history)), key_bindings=keys)

    async def next(self) -> str | None:
        """Return what was typed up to Enter."""
        text = ""
        try:
            while True:
                # Our own receiver has the signals; at this prompt Ctrl-C is a key.
                text += await self._session.prompt_async("  " if text else PROMPT, handle_sigint=False)
                if not text.endswith("\\"):
                    return text
                text = text[:-1] + "\n"
        except EOFError:
            return None


class EditingLine:
    """One line that stands there already and can be changed, at a terminal."""

    async def edit(self, prompt: str, text: str) -> str | None:
        """Return what the line was when Enter was pressed; None after Ctrl-C or Ctrl-D."""
        from prompt_toolkit import PromptSession

        session: PromptSession[str] = PromptSession()
        try:
            return await session.prompt_async(prompt, default=text, handle_sigint=False)
        except (EOFError, KeyboardInterrupt):
            return None

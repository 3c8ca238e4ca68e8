"""`conversations search, fork, export, delete, salvage`: the history, without servers and without a model."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

from orchestrator.app import History
from orchestrator.cli.cleaning import one_line
from orchestrator.cli.looking import looked_up
from orchestrator.cli.options import Options
from orchestrator.cli.rows import plural
from orchestrator.cli.unfinished import elsewhere_advice
from orchestrator.errors import Conflict, UsageError
from orchestrator.exporting import as_json, as_markdown
from orchestrator.ports import Hit
from orchestrator.store.salvaging import Loss, Salvaged
from orchestrator.store.salvaging import salvage as salvaged

NOTHING_FOUND = 1
WHO = {"user": "you", "assistant": "model", "tool": "tool"}


def search(options: Options, words: str, *, results: bool, limit: int) -> int:
    """Show where all the words were said, the newest first; 1 if nowhere."""

    async def found(past: History) -> list[Hit]:
        return await past.conversations.search(words, limit, results)

    hits = looked_up(options, found)
    sys.stdout.writelines(f"{row}\n" for row in hit_rows(hits))
    if not hits:
        sys.stderr.write("Nothing was found. Each word may be the beginning of one; --results looks at tools.\n")
    return 0 if hits else NOTHING_FOUND


def hit_rows(hits: list[Hit]) -> list[str]:
    """Return the places, below the conversation that each is in."""
    rows: list[str] = []
    last = ""
    for hit in hits:
        if hit.conversation_id != last:
            rows.append(f"{hit.conversation_id}  {one_line(hit.title, 60)}")
        last = hit.conversation_id
        rows.append(f"  {hit.seq:>5}  {WHO[hit.kind]:<5}  {one_line(hit.snippet, 160)}")
    return rows


def fork(options: Options, name: str, at: int | None) -> int:
    """Copy a conversation and write the copy's id."""

    async def copied(past: History) -> str:
        head = await past.conversations.find(name)
        if at is not None and at > len(await past.conversations.events(head.id)):
            raise UsageError(
                f"Conversation {head.id} has no event {at}.", "`conversations show --numbers` shows their numbers."
            )
        return await past.conversations.fork(head.id, at)

    new = looked_up(options, copied)
    sys.stdout.write(f"{new}\n")
    sys.stderr.write(f"`orchestrator chat --resume {new}` goes on from here.\n")
    return 0


def export(options: Options, name: str, form: Literal["json", "markdown"], output: Path | None) -> int:
    """Write a conversation to a file or to stdout."""

    async def told(past: History) -> str:
        events = await past.conversations.events((await past.conversations.find(name)).id)
        return as_json(events) + "\n" if form == "json" else as_markdown(events)

    text = looked_up(options, told)
    if output is None:
        sys.stdout.write(text)
        return 0
    try:
        output.write_text(text, encoding="utf-8", errors="replace")
    except OSError as failure:
        raise UsageError(f"{output} cannot be written: {failure.strerror}.", "Name another file.") from None
    sys.stderr.write(f"Written: {output}\n")
    return 0


def delete(options: Options, name: str, *, sure: bool) -> int:
    """Forget a conversation, after asking. Raises `Conflict` if a turn of it is at work in another window."""
    if not sure and not sys.stdin.isatty():
        raise UsageError("There is no terminal, so nobody can be asked.", "Add --yes to delete it.")

    async def deleted(past: History) -> str:
        head = await past.conversations.find(name)
        if past.conversations.elsewhere(head):
            raise Conflict(f"Conversation {head.id} is at work in another window.", elsewhere_advice(head.id))
        if not sure:
            turns = f"{head.turns} turn{plural(head.turns)}"
            sys.stderr.write(f"{head.id}  {one_line(head.title, 60)}  {turns}\nDelete it for good? [y/N] ")
            sys.stderr.flush()
            if sys.stdin.readline().strip().lower() not in ("y", "yes"):
                return ""
        if head.open_turn:  # nobody is at work on it any more
            with suppress(Conflict):
                await past.conversations.cancel(head.id)
        await past.conversations.delete(head.id)
        return head.id

    gone = looked_up(options, deleted)
    sys.stderr.write(f"Deleted: {gone}\n" if gone else "Nothing was deleted.\n")
    return 0


def salvage(file: Path, output: Path) -> int:
    """Read a damaged history into a new file and say what was lost."""
    found = salvaged(file, output)
    sys.stdout.writelines(f"{row}\n" for row in salvage_rows(found, file, output))
    return 0


def salvage_rows(found: Salvaged, file: Path, output: Path) -> list[str]:
    """Return what was read, what was lost, and what to do next."""
    count = len(found.conversations)
    events = f"{found.events:,} event{plural(found.events)}"
    rows = [f"{count} conversation{plural(count)} with {events} {'is' if count == 1 else 'are'} in {output}."]
    rows += [loss_row(loss) for loss in found.losses]
    if found.unreadable:
        rows.append(f"! {found.unreadable} record{plural(found.unreadable)} could not be read at all.")
    if not found.losses and not found.unreadable:
        rows.append("As far as can be seen, nothing was lost.")
    old, log, new = (shlex.quote(str(path)) for path in (file, f"{file}-wal", output))
    return [
        *rows,
        "To go on with it, close every window, and put it in the place of the damaged file and its log:",
        f"  mv {old} {old}.damaged; rm -f {log} {shlex.quote(f'{file}-shm')}; mv {new} {old}",
    ]


def loss_row(loss: Loss) -> str:
    """Return what is missing of a conversation."""
    spans = [str(first) if first == last else f"{first}-{last}" for first, last in loss.spans]
    what = f"{loss.events} event{plural(loss.events)} lost ({one_line(', '.join(spans), 100)})"
    return f"! {loss.conversation_id}: {what}"

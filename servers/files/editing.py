"""Replace exact pieces of a text: every one as often as was said, or nothing at all."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from servers.cleaning import clean
from servers.files.charsets import line_end, looks_binary
from servers.files.errors import Ambiguous, Invalid, NotFound
from servers.files.folder import Folder
from servers.files.naming import quoted
from servers.files.patience import Patience
from servers.files.quota import refuse_large
from servers.files.writing import Before, in_charset, replace, snapshot

MOST_DIFF = 16_000
"""Characters of a diff that are shown."""
MOST_COMPARED = 3_000
"""Lines in which a diff is looked for; beyond, only their number is given."""
MOST_MIXED = 100_000
"""Lines of a file in which line ends of both kinds are kept apart."""
AROUND = 3
"""Unchanged lines that a diff shows around a change."""
_NUMBER = re.compile(r"([-+])(\d+)")


@dataclass(frozen=True)
class Edit:
    """Put `new` in the place of `old`, which must stand there exactly `count` times."""

    old: str
    new: str
    count: int = 1


@dataclass(frozen=True)
class Edited:
    """What the edits did, or would do."""

    diff: str
    """Unified, with three lines around each change."""
    sha256: str
    """Of the whole file with the edits done."""
    replaced: int


@dataclass(frozen=True)
class Lines:
    """A text with the ends of its lines taken off and kept apart, so that `old` need not know them."""

    text: str
    """With plain line feeds."""
    ends: tuple[str, ...]
    """Of each line that ends, in order."""

    @classmethod
    def of(cls, text: str) -> Lines:
        """Return `text`, taken apart."""
        pieces = text.split("\n")
        ends = tuple("\r\n" if piece.endswith("\r") else "\n" for piece in pieces[:-1])
        bare = [piece[:-1] if end == "\r\n" else piece for piece, end in zip(pieces[:-1], ends, strict=True)]
        return cls("\n".join([*bare, pieces[-1]]), ends)

    def joined(self) -> str:
        """Return the text with its own line ends."""
        pieces = self.text.split("\n")
        return "".join(piece + end for piece, end in zip(pieces[:-1], self.ends, strict=True)) + pieces[-1]

    def replaced(self, start: int, end: int, new: str, usual: str) -> Lines:
        """Return the text with `new` from `start` to `end`; lines keep their ends, additional ones get `usual`."""
        first = self.text.count("\n", 0, start)
        last = first + self.text.count("\n", start, end)
        kept, wanted = self.ends[first:last], new.count("\n")
        ends = (kept + (usual,) * wanted)[:wanted]
        return Lines(self.text[:start] + new + self.text[end:], self.ends[:first] + ends + self.ends[last:])


def edited(text: str, edits: Sequence[Edit], patience: Patience) -> tuple[str, int]:
    """Return `text` with all `edits` done one after the other, and how many places that changed.

    Line ends stay as they are; `old` and `new` may be written with plain ones. Raises `Invalid`, `Ambiguous`,
    `NotFound`; then no edit counts.
    """
    ends = line_end(text)
    if ends == "mixed":
        return _edited_mixed(text, edits, patience)
    plain = text.replace("\r\n", "\n") if ends == "CRLF" else text
    done = 0
    for number, edit in enumerate(edits, 1):
        old, new = _checked(plain, number, edit, patience)
        plain = plain.replace(old, new)
        done += edit.count
    return plain.replace("\n", "\r\n") if ends == "CRLF" else plain, done


def _edited_mixed(text: str, edits: Sequence[Edit], patience: Patience) -> tuple[str, int]:
    """As `edited`, where every line may end in its own way."""
    if text.count("\n") > MOST_MIXED:
        raise Invalid(
            f"the file has mixed line ends and more than {MOST_MIXED} lines", "It can only be replaced whole."
        )
    usual = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    lines = Lines.of(text)
    done = 0
    for number, edit in enumerate(edits, 1):
        old, new = _checked(lines.text, number, edit, patience)
        at = 0
        for _ in range(edit.count):
            at = lines.text.index(old, at)
            lines = lines.replaced(at, at + len(old), new, usual)
            at += len(new)
            patience.check()
        done += edit.count
    return lines.joined(), done


def _checked(text: str, number: int, edit: Edit, patience: Patience) -> tuple[str, str]:
    """The texts to replace and to put there, with plain line ends, when that can be done as often as was said."""
    old, new = edit.old.replace("\r\n", "\n"), edit.new.replace("\r\n", "\n")
    if not old:
        raise Invalid(f"edit {number}: `old` is empty", "Give the text to replace; fs_write creates files.")
    places = text.count(old)
    if not places:
        raise NotFound(f"edit {number}: its `old` is not in the file", _nearest(text, old, patience))
    if places != edit.count:
        raise Ambiguous(
            f"edit {number}: {places} matches, not {edit.count}",
            f"They begin in lines {_line_numbers(text, old)}. Add more of the text around, or set count={places}.",
        )
    return old, new


def edit_file(
    folder: Folder,
    path: str,
    edits: Sequence[Edit],
    if_sha256: str | None,
    dry_run: bool,
    patience: Patience,
) -> Edited:
    """Do all `edits` in a file, or, with `dry_run`, only say what they would do. Raises `FilesError`."""
    with folder.changing, folder.parent(path) as (above, leaf):
        before = snapshot(above.fd, leaf, path, if_sha256, patience)
        if before is None:
            raise NotFound(f"nothing is called {quoted(path)}", "Use fs_list to see the names, fs_write to create it.")
        refuse_large(before.status.st_size)
        text = _text_of(before, path)
        after, done = edited(text, edits, patience)
        raw = in_charset(after, before.charset)
        refuse_large(len(raw))
        if not dry_run and raw != before.sample:
            folder.quota.take(len(raw))
            replace(above.fd, leaf, raw, before, path)
        return Edited(diff(text, after, path), hashlib.sha256(raw).hexdigest(), done)


def _text_of(before: Before, path: str) -> str:
    """The text of a file, if every byte of it comes back when the text is written again."""
    binary = looks_binary(before.sample[:8192])
    text = "" if binary else before.charset.decoded(before.sample, whole=True)[0]
    if binary or not _comes_back(text, before):
        raise Invalid(f"{quoted(path)} is not text that can be kept byte for byte", "It can only be replaced whole.")
    return text


def _comes_back(text: str, before: Before) -> bool:
    try:
        return before.charset.encoded(text) == before.sample
    except UnicodeEncodeError:
        return False


def _line_numbers(text: str, old: str) -> str:
    numbers: list[str] = []
    at = text.find(old)
    while at >= 0 and len(numbers) < 10:
        numbers.append(str(text.count("\n", 0, at) + 1))
        at = text.find(old, at + len(old))
    return ", ".join(numbers) + (" …" if at >= 0 else "")


def _nearest(text: str, old: str, patience: Patience) -> str:
    """Advice that names the line most like the first line that was looked for."""
    wanted = next((line.strip() for line in old.split("\n") if line.strip()), "")[:200]
    best, where = 0.6, 0
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    lines = text.split("\n", 5000)[:5000]
    for number, line in enumerate(lines, 1):
        seen = line.strip()[:200]
        if seen == wanted and wanted:
            best, where = 1.0, number
            break
        matcher.set_seq1(seen)
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and matcher.ratio() > best:
            best, where = matcher.ratio(), number
        if patience.over:
            break
    if not where:
        return "Read the file again; the text must match letter by letter."
    hidden = clean(lines[where - 1]).removed.total
    note = f" and holds {hidden} hidden characters" if hidden else ""
    shown = clean(lines[where - 1]).text.strip()[:200]
    return f"The nearest is line {where}{note}: {shown!r}. The text must match letter by letter, blanks too."


def diff(before: str, after: str, path: str) -> str:
    """Return what changed as a unified diff, cut where it is long. Costs what the changed part costs, not the file."""
    first = _common(before, after)
    last = _common(before[first:][::-1], after[first:][::-1])
    low = _lines_back(before, first)
    old = before[low : _lines_on(before, len(before) - last)].splitlines()
    new = after[low : _lines_on(after, len(after) - last)].splitlines()
    above = before.count("\n", 0, low)
    if max(len(old), len(new)) > MOST_COMPARED:
        return f"@@ -{above + 1},{len(old)} +{above + 1},{len(new)} @@ too long to show"
    lines = difflib.unified_diff(old, new, path, path, lineterm="", n=AROUND)
    text = clean("\n".join(_moved(line, above) if line.startswith("@@") else line for line in lines)).text
    return text if len(text) <= MOST_DIFF else text[:MOST_DIFF] + "\n… the diff is longer"


def _common(one: str, other: str) -> int:
    """How many letters both begin with; found by halving, for comparing slices is what the machine does fastest."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _lines_back(text: str, at: int) -> int:
    """Where the line begins that is `AROUND` lines above the one that holds `at`."""
    for _ in range(AROUND + 1):
        at = text.rfind("\n", 0, max(at, 0))
        if at < 0:
            return 0
    return at + 1


def _lines_on(text: str, at: int) -> int:
    """Where the line ends that is `AROUND` lines below the one that holds `at`."""
    for _ in range(AROUND + 1):
        at = text.find("\n", at) + 1
        if not at:
            return len(text)
    return at


def _moved(hunk: str, by: int) -> str:
    """A hunk's header with its line numbers moved, for the part above it was not compared."""
    return _NUMBER.sub(lambda match: f"{match[1]}{int(match[2]) + by}", hunk, count=2)

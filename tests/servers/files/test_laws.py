"""Laws of the files server: pages are the whole, edits are edits of a string, no name leaves its folder."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from servers.files.editing import Edit, Lines, diff, edited
from servers.files.errors import FilesError
from servers.files.folder import Folder
from servers.files.globs import Glob
from servers.files.listing import Listing, Sort, listed
from servers.files.naming import relative, shown, spellings
from servers.files.opening import kernel_opens, open_by_kernel, open_by_walk
from servers.files.patience import Patience
from servers.files.reading import TextPage, Wanted, page
from servers.files.roots import Root
from servers.files.searching import Match, Position, Search, search

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(max_examples=120, deadline=None)
WAIT = Patience.of(3600)

letters = st.text(st.sampled_from("ab é漢\U0001f600\n\n\t"), max_size=200)
lines = st.lists(st.text(st.sampled_from("ab "), max_size=6), max_size=30)


@contextmanager
def folder_of(files: dict[str, bytes]) -> Generator[Folder]:
    with tempfile.TemporaryDirectory() as root:
        for name, content in files.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        folder = Folder.at(Root("f", root, root, writable=True))
        try:
            yield folder
        finally:
            folder.close()


def pages_of(folder: Folder, name: str, wanted: Wanted) -> list[TextPage]:
    """All pages from the beginning on, each asked for as the one before says."""
    found: list[TextPage] = []
    while True:
        with folder.file(name) as opened:
            found.append(page(opened, wanted, WAIT))
        last = found[-1]
        if last.truncated is None:
            return found
        following = {"start_line": last.next_line} if last.next_line else {"offset": last.end}
        wanted = Wanted(max_lines=wanted.max_lines, max_bytes=wanted.max_bytes, **following)  # pyright: ignore[reportArgumentType]
        assert len(found) <= 1000, "the pages make no way"


@FEW
@given(text=letters, max_lines=st.integers(1, 8), max_bytes=st.integers(16, 60))
def test_pages_put_together_are_the_whole(text: str, max_lines: int, max_bytes: int) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        with folder_of({"t": text.encode(encoding)}) as folder:
            pages = pages_of(folder, "t", Wanted(max_lines=max_lines, max_bytes=max_bytes))
        assert "".join(each.text for each in pages) == text
        assert all(each.lines <= max_lines for each in pages)


@FEW
@given(text=lines, ending=st.sampled_from(["\n", "\r\n"]), last=st.booleans(), max_lines=st.integers(1, 5))
def test_pages_of_lines_are_numbered_as_the_lines_are(text: list[str], ending: str, last: bool, max_lines: int) -> None:
    whole = ending.join(text) + (ending if last and text else "")
    with folder_of({"t": whole.encode()}) as folder:
        pages = pages_of(folder, "t", Wanted(max_lines=max_lines))
        assert "".join(each.text for each in pages) == whole
        first = 1
        for each in pages:
            assert each.first_line == first
            first += each.lines
        assert pages[0].total_lines == first - 1
        with folder.file("t") as opened:
            tail = page(opened, Wanted(tail=max_lines), WAIT)
    assert whole.endswith(tail.text)
    assert tail.lines == min(max_lines, pages[0].total_lines or 0)


@FEW
@given(size=st.integers(0, 3000), chunk=st.integers(16, 700))
def test_a_large_file_is_paged_without_being_read_whole(size: int, chunk: int) -> None:
    """The same law where no page knows the number of lines: the file is made to look larger than it is read whole."""
    text = "".join(f"{number} {'x' * (number % 50)}\n" for number in range(size // 10))
    padding = "p" * 1023 + "\n"
    whole = text + padding * 1025
    with folder_of({"t": whole.encode()}) as folder, folder.file("t") as opened:
        first = page(opened, Wanted(max_bytes=chunk, max_lines=10_000), WAIT)
        assert whole.startswith(first.text)
        assert first.total_lines is None
        line = whole.count("\n") - 3
        far = page(opened, Wanted(start_line=line, max_lines=10), WAIT)
        assert far.text == padding * 4
        assert page(opened, Wanted(tail=2), WAIT).text == padding * 2


edits = st.lists(
    st.tuples(st.text(st.sampled_from("ab\n"), min_size=1, max_size=3), st.text(st.sampled_from("abc\n"), max_size=4)),
    min_size=1,
    max_size=6,
)


@MANY
@given(text=st.text(st.sampled_from("aab\n"), max_size=60), wanted=edits)
def test_any_sequence_of_edits_is_the_same_edits_on_a_string(text: str, wanted: list[tuple[str, str]]) -> None:
    expected = text
    done: list[Edit] = []
    for old, new in wanted:
        if places := expected.count(old):
            done.append(Edit(old, new, places))
            expected = expected.replace(old, new)
    assume(done)
    for ending in ("\n", "\r\n") if "\n" in text else ("\n",):
        result, replaced = edited(text.replace("\n", ending), done, WAIT)
        assert result == expected.replace("\n", ending)
        assert replaced == sum(edit.count for edit in done)


@MANY
@given(
    pieces=st.lists(st.tuples(st.text(st.sampled_from("ab"), max_size=3), st.sampled_from(["\n", "\r\n"]))),
    wanted=edits,
)
def test_edits_of_mixed_line_ends_change_nothing_else(
    pieces: list[tuple[str, str]], wanted: list[tuple[str, str]]
) -> None:
    text = "".join(itertools.chain.from_iterable(pieces))
    assert Lines.of(text).joined() == text
    plain = text.replace("\r\n", "\n")
    for old, new in wanted:
        if plain.count(old) == 1:
            result, _ = edited(text, [Edit(old, new)], WAIT)
            at = plain.index(old)
            assert result.replace("\r\n", "\n") == plain.replace(old, new)
            above = plain.count("\n", 0, at)
            assert Lines.of(result).ends[:above] == Lines.of(text).ends[:above]
            below = plain.count("\n", at + len(old))
            assert below == 0 or Lines.of(result).ends[-below:] == Lines.of(text).ends[-below:]
            return


@MANY
@given(text=st.text(st.sampled_from("ab\n"), max_size=80), wanted=edits)
def test_a_failed_edit_fails_the_whole(text: str, wanted: list[tuple[str, str]]) -> None:
    with pytest.raises(FilesError):
        edited(text, [*(Edit(*each) for each in wanted), Edit("not there", "x")], WAIT)


@MANY
@given(before=lines, after=lines)
def test_a_diff_turns_one_text_into_the_other(before: list[str], after: list[str]) -> None:
    old, new = "".join(f"{line}\n" for line in before), "".join(f"{line}\n" for line in after)
    text = diff(old, new, "t")
    patched, at = list[str](), 0
    source = old.splitlines()
    for line in text.splitlines()[2:]:
        if line.startswith("@@"):
            start, _, count = line.split()[1][1:].partition(",")
            begin = int(start) - (0 if count == "0" else 1)
            patched += source[at:begin]
            at = begin
        elif line.startswith("+"):
            patched.append(line[1:])
        else:
            assert source[at] == line[1:]
            at += 1
            patched += [] if line.startswith("-") else [line[1:]]
    assert patched + source[at:] == new.splitlines()


names = st.text(st.sampled_from("ab.AZ-"), min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
trees = st.dictionaries(st.lists(names, min_size=1, max_size=3).map("/".join), lines, min_size=1, max_size=12)


def made(tree: dict[str, list[str]]) -> dict[str, bytes]:
    """A tree in which no file is also a folder."""
    return {
        path: "\n".join(content).encode()
        for path, content in tree.items()
        if not any(other != path and other.startswith(path + "/") for other in tree)
    }


@FEW
@given(tree=trees, limit=st.integers(1, 4), query=st.sampled_from(["a", "b", " ", "ab"]), names_only=st.booleans())
def test_a_search_page_by_page_is_one_big_search(
    tree: dict[str, list[str]], limit: int, query: str, names_only: bool
) -> None:
    with folder_of(made(tree)) as folder:
        big = search(Search(folder, query, names=names_only, hidden=True, limit=10_000), WAIT)
        assert big.after is None
        paged: list[Match] = []
        after: Position | None = None
        while True:
            part = search(Search(folder, query, names=names_only, hidden=True, limit=limit, after=after), WAIT)
            assert len(part.matches) <= limit
            paged += part.matches
            if part.after is None:
                break
            after = part.after
    assert tuple(paged) == big.matches
    if not names_only:
        expected = {
            (path, number)
            for path, content in made(tree).items()
            for number, line in enumerate(content.decode().split("\n"), 1)
            if query in line
        }
        assert {(match.path, match.line) for match in big.matches} == expected


@FEW
@given(tree=trees, limit=st.integers(1, 4), sort=st.sampled_from(["name", "size", "mtime"]), depth=st.integers(1, 4))
def test_a_listing_page_by_page_is_one_big_listing(
    tree: dict[str, list[str]], limit: int, sort: Sort, depth: int
) -> None:
    with folder_of(made(tree)) as folder:
        big = listed(Listing(folder, depth=depth, sort=sort, hidden=True, limit=10_000), WAIT)
        paged: list[str] = []
        after = None
        while True:
            part = listed(Listing(folder, depth=depth, sort=sort, hidden=True, limit=limit, after=after), WAIT)
            paged += [entry.path for entry in part.entries]
            after = part.after
            if after is None:
                break
        everything = {
            os.path.relpath(os.path.join(above, name), folder.hosts[0])
            for above, folders, files in os.walk(folder.hosts[0])
            for name in [*folders, *files]
        }
    assert paged == [entry.path for entry in big.entries]
    assert set(paged) == {path for path in everything if path.count("/") < depth}


@MANY
@given(path=st.text(st.sampled_from("a./\\~%é:\0 "), max_size=20))
def test_no_path_climbs_out_of_its_folder(path: str) -> None:
    try:
        inside = relative(path)
    except FilesError:
        return
    assert not inside.startswith("/")
    assert ".." not in inside.split("/")
    assert "." not in inside.split("/")


@MANY
@given(name=st.text(st.characters(blacklist_characters="/\0"), min_size=1, max_size=12))
def test_what_is_shown_can_be_asked_for(name: str) -> None:
    assert shown(name).isprintable()
    assert name in spellings(shown(name)) or "\\u{" in name
    assert all("/" not in spelling for spelling in spellings(shown(name)))


@MANY
@given(path=st.lists(names, min_size=1, max_size=4).map("/".join))
def test_a_glob_of_the_path_itself_and_of_its_parts_matches(path: str) -> None:
    *above, name = path.split("/")
    assert Glob(path).matches(path)
    assert Glob("*").matches(path)
    assert Glob("**").matches(path)
    assert Glob(f"**/{name}").matches(path)
    assert Glob("/".join(["*"] * len(above) + [name])).matches(path)
    assert Glob(f"{{{name},other}}").matches(path)
    assert not Glob(f"{name}x").matches(path)


@pytest.mark.skipif(not kernel_opens(), reason="this kernel or its filter has no openat2")
@FEW
@given(path=st.lists(st.sampled_from(["..", ".", "a", "b", "f", "out", "in", ""]), max_size=6).map("/".join))
def test_both_ways_to_open_agree_but_for_links_that_stay_inside(path: str) -> None:
    with tempfile.TemporaryDirectory() as base:
        root = Path(base, "root")
        (root / "a" / "b").mkdir(parents=True)
        (root / "a" / "f").touch()
        (root / "out").symlink_to(base)
        (root / "in").symlink_to("a")
        top = os.open(root, os.O_RDONLY)
        try:
            found: list[int | None] = []
            for opener in (open_by_kernel, open_by_walk):
                try:
                    fd = opener(top, path, os.O_RDONLY, 0)
                except OSError:
                    found.append(None)
                else:
                    found.append(os.fstat(fd).st_ino)
                    os.close(fd)
            kernel, walk = found
            assert walk is None or walk == kernel
            inside = {os.stat(each).st_ino for each in [root, root / "a", root / "a/b", root / "a/f"]}
            assert kernel is None or kernel in inside
            assert walk == kernel or ".." in path or "in" in path.split("/")
        finally:
            os.close(top)

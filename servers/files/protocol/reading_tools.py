"""The tools that look: fs_list, fs_read, fs_search, fs_info."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, ContentBlock, TextContent, ToolAnnotations
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from servers.cleaning import clean_line
from servers.encoded import structured
from servers.files.errors import FilesError, Invalid
from servers.files.listing import Listed, Listing, Sort, listed
from servers.files.looking import look
from servers.files.naming import quoted
from servers.files.patience import SECONDS, Patience
from servers.files.protocol.texts import As, Reading, read_at_once, read_place
from servers.files.protocol.threads import in_thread, in_thread_telling, iso
from servers.files.reading import Wanted
from servers.files.results import FileInfo, FileList, FoundLines
from servers.files.searching import Match, Search, Tally, search
from servers.files.served import Served
from servers.toolserver import ToolServer

LOOKS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
MOST_BYTES = 1024 * 1024
FACTS = "files/pages"
"""The key of the facts about the pages in the result's `_meta`."""

Glob = Annotated[str | SkipJsonSchema[None], Field(description="E.g. `*.md`, `src/**/*.{ts,js}`")]
Cursor = Annotated[str | SkipJsonSchema[None], Field(description="`next` of the last page")]


def add_reading_tools(server: ToolServer[Any], served: Served) -> None:
    """Give `server` the tools that look at the folders in `served`."""
    _add_list(server, served)
    _add_read(server, served)
    _add_search(server, served)
    _add_info(server, served)


def _add_list(server: ToolServer[Any], served: Served) -> None:
    @server.tool(annotations=LOOKS)
    async def fs_list(
        path: str = ".",
        depth: Annotated[int, Field(ge=1, le=8, description="A tree if above 1.")] = 1,
        glob: Glob = None,
        kind: Literal["file", "dir"] | SkipJsonSchema[None] = None,
        sort: Sort = "name",
        hidden: bool = False,
        ignored: Annotated[bool, Field(description="What .gitignore leaves out.")] = False,
        limit: Annotated[int, Field(ge=1, le=2000)] = 200,
        cursor: Cursor = None,
    ) -> Annotated[CallToolResult, FileList]:
        """List files and folders, in pages."""
        asked = [path, depth, glob, kind, sort, hidden, ignored]
        places = served.places(path)
        if len(places) > 1:
            folders = await in_thread(lambda patience: _folders(served, patience))
            return structured({"truncated": None, "next": None, "entries": folders})
        after = server.cursors.open(cursor, "fs_list", {"of": asked}) if cursor else None
        what = Listing(
            places[0].folder, places[0].path, depth, glob, kind, sort, hidden, ignored, limit, after and tuple(after)
        )
        page = await in_thread(lambda patience: listed(what, patience))
        following = server.cursors.seal("fs_list", {"of": asked}, page.after) if page.after else None
        # No models for thousands of entries: they cost more than the disk. The tests hold them to the schema.
        entries = _entries(served, what, page)
        return structured({"truncated": page.truncated, "next": following, "entries": entries})


def _entries(served: Served, what: Listing, page: Listed) -> list[dict[str, Any]]:
    paths = served.all_shown(what.folder, [entry.path for entry in page.entries])
    return [
        {"path": path, "kind": kind, "mtime": iso(mtime)}
        if size is None
        else {"path": path, "kind": kind, "mtime": iso(mtime), "size": size}
        for path, (_, kind, size, mtime) in zip(paths, page.entries, strict=True)
    ]


def _folders(served: Served, patience: Patience) -> list[dict[str, Any]]:
    return [
        {"path": f"{folder.name}:/", "kind": "dir", "mtime": iso(look(folder, "", patience).mtime)}
        for folder in served.folders
    ]


def _add_read(server: ToolServer[Any], served: Served) -> None:
    @server.tool(annotations=LOOKS, structured_output=False)
    async def fs_read(
        path: str | SkipJsonSchema[None] = None,
        paths: Annotated[list[str] | SkipJsonSchema[None], Field(max_length=20)] = None,
        start_line: Annotated[int, Field(ge=1)] = 1,
        max_lines: Annotated[int, Field(ge=1, le=100_000)] = 400,
        tail: Annotated[int, Field(ge=1, description="Only so many last lines.")] | SkipJsonSchema[None] = None,
        offset: Annotated[int, Field(ge=0, description="Byte to go on at.")] | SkipJsonSchema[None] = None,
        max_bytes: Annotated[int, Field(ge=16, le=MOST_BYTES)] = 65536,
        as_: Annotated[As, Field(validation_alias="as")] = "auto",
        numbers: bool = False,
        encoding: str | SkipJsonSchema[None] = None,
    ) -> CallToolResult:
        """Read text, images, sound, PDF. The first line says which part this is, the sha256, and how to go on."""
        wanted = Wanted(start_line, max_lines, max_bytes, tail, offset, encoding)
        if (path is None) == (not paths):
            raise Invalid("give `path` or `paths`", "One of them, not both.")
        if path is not None:
            place = served.place(path)
            if (read := read_at_once(served, place, as_, wanted, numbers)) is not None:
                return _result([read])
            read = await in_thread(lambda patience: read_place(served, place, as_, wanted, numbers, patience))
            return _result([read])
        each = await in_thread(lambda patience: _several(served, paths or [], as_, wanted, numbers, patience))
        return _result(each)


def _several(
    served: Served, paths: list[str], how: As, wanted: Wanted, numbers: bool, patience: Patience
) -> list[Reading]:
    """Read one file after the other; one that cannot be read says so in its place."""
    results: list[Reading] = []
    room = MOST_BYTES
    for path in paths:
        try:
            if room <= 0:
                raise Invalid("the answer is full", "Read this file in another call.")
            read = read_place(served, served.place(path), how, wanted, numbers, patience)
        except FilesError as error:
            text = f"[{quoted(path)} · {error.code}: {error}]"
            read = Reading([TextContent(text=text)], {"path": path, "error": error.code})
        room -= sum(len(getattr(block, "text", "") or getattr(block, "data", "")) for block in read.blocks)
        results.append(read)
    return results


def _result(each: list[Reading]) -> CallToolResult:
    blocks: list[ContentBlock] = [block for read in each for block in read.blocks]
    return CallToolResult(content=blocks, _meta={FACTS: [read.facts for read in each]})


def _add_search(server: ToolServer[Any], served: Served) -> None:
    @server.tool(annotations=LOOKS)
    async def fs_search(
        ctx: Context[Any, Any],
        query: Annotated[str, Field(description="Text; RE2 if regex; for names also a glob")],
        path: str = ".",
        in_: Annotated[Literal["content", "name"], Field(validation_alias="in")] = "content",
        regex: bool = False,
        case: Literal["smart", "sensitive", "insensitive"] = "smart",
        glob: Glob = None,
        context: Annotated[int, Field(ge=0, le=5, description="Lines around.")] = 0,
        hidden: bool = False,
        ignored: bool = False,
        limit: Annotated[int, Field(ge=1, le=1000)] = 100,
        cursor: Cursor = None,
    ) -> Annotated[CallToolResult, FoundLines]:
        """Find lines in files, or files by name."""
        asked = [query, path, in_, regex, case, glob, hidden, ignored]
        whats = [
            Search(place.folder, query, place.path, in_ == "name", regex, case, glob, context, hidden, ignored, limit)
            for place in served.places(path)
        ]
        start = server.cursors.open(cursor, "fs_search", {"of": asked}) if cursor else [0, None]
        tally = Tally()

        async def tell(seconds: float) -> None:
            await ctx.report_progress(seconds, max(SECONDS, seconds), f"{tally.scanned} files looked at")

        page, following = await in_thread_telling(lambda patience: _search(served, whats, start, tally, patience), tell)
        page["next"] = server.cursors.seal("fs_search", {"of": asked}, following) if following else None
        return structured(page)


def _search(
    served: Served, whats: list[Search], start: list[Any], tally: Tally, patience: Patience
) -> tuple[dict[str, Any], list[Any] | None]:
    """Search one folder after the other; the page, and where the next one starts."""
    matches: list[dict[str, Any]] = []
    first, after = start[0], start[1] and tuple(start[1])
    truncated, following = None, None
    for number in range(first, len(whats)):
        what = whats[number]
        if len(matches) == what.limit:
            truncated, following = "rows", [number, None]
            break
        page = search(replace(what, limit=what.limit - len(matches), after=after), patience, tally)
        matches += _found(served, what, page.matches)
        after = None
        if page.truncated:
            truncated, following = page.truncated, [number, page.after]
            break
    skipped = {
        "binary": tally.binary, "large": tally.large, "ignored": tally.walk.ignored, "protected": tally.protected,
    }  # fmt: skip
    return {
        "truncated": truncated, "matches": matches, "files_scanned": tally.scanned, "skipped": skipped,
    }, following  # fmt: skip


def _found(served: Served, what: Search, matches: Sequence[Match]) -> list[dict[str, Any]]:
    paths = served.all_shown(what.folder, [match.path for match in matches])
    return [
        {"path": path} if match.line < 0 else _line(path, match) for path, match in zip(paths, matches, strict=True)
    ]


def _line(path: str, match: Match) -> dict[str, Any]:
    line: dict[str, Any] = {"path": path, "line": match.line, "text": clean_line(match.text)}
    if match.before:
        line["before"] = [clean_line(each) for each in match.before]
    if match.after:
        line["after"] = [clean_line(each) for each in match.after]
    return line


def _add_info(server: ToolServer[Any], served: Served) -> None:
    @server.tool(annotations=LOOKS)
    async def fs_info(path: str, hash: bool = False) -> FileInfo:
        """Size, time, type, charset, lines of a file."""
        place = served.place(path)
        seen = await in_thread(lambda patience: look(place.folder, place.path, patience, with_hash=hash))
        return FileInfo(
            path=served.shown(place.folder, place.path),
            kind=seen.kind,
            size=seen.size,
            mtime=iso(seen.mtime),
            mode=seen.mode,
            mime=seen.mime,
            charset=seen.charset,
            lines=seen.lines,
            sha256=seen.sha256,
        )

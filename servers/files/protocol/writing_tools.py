"""The tools that change something: fs_write, fs_edit, fs_move, fs_delete. They exist when a folder is writable."""

# No `from __future__ import annotations` here: the SDK reads the annotations, and the questions are made per server.

from typing import Annotated, Any

from mcp.server.mcpserver import Context, Elicit, ElicitationResult, Resolve
from mcp.types import ToolAnnotations
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from servers.files.copying import copy as copy_to
from servers.files.editing import Edit, edit_file
from servers.files.errors import Denied, FilesError
from servers.files.looking import look
from servers.files.moving import delete, move
from servers.files.naming import quoted
from servers.files.protocol.confirming import YES, Agreement, Asking, refuse_without
from servers.files.protocol.threads import in_thread, to_the_end
from servers.files.results import EditText, FileDeleted, FileEdited, FileMoved, FileWritten
from servers.files.served import Place, Served
from servers.files.writing import Mode, write
from servers.toolserver import ToolServer

IfHash = Annotated[str | SkipJsonSchema[None], Field(description="Only if the file still has this (12+ digits)")]


def add_writing_tools(server: ToolServer[Any], served: Served, asking: Asking, *, keep: bool) -> None:
    """Give `server` the tools that change files; `keep` moves what is deleted into the trash."""
    _add_write(server, served, asking)
    _add_edit(server, served)
    _add_move(server, served, asking)
    _add_delete(server, served, asking, keep=keep)


async def _would_be_lost(place: Place) -> bool:
    """Whether something is there that the tool may touch; whatever else is wrong, the tool itself says."""
    rules = place.folder.rules
    if not place.folder.writable or not place.path or rules.closed_to_writing(place.path):
        return False
    try:
        await in_thread(lambda patience: look(place.folder, place.path, patience))
    except FilesError:
        return False
    return True


def _acts(*, destroys: bool) -> ToolAnnotations:
    return ToolAnnotations(read_only_hint=False, destructive_hint=destroys, open_world_hint=False)


def _add_write(server: ToolServer[Any], served: Served, asking: Asking) -> None:
    async def agreed(path: str, mode: Mode, context: Context) -> Elicit[Agreement] | Agreement:
        place = served.place(path)
        if mode != "overwrite" or not await _would_be_lost(place):
            return YES
        return asking.question(f"Replace {quoted(served.shown(place.folder, place.path))}?", context)

    @server.tool(annotations=_acts(destroys=True))
    async def fs_write(
        path: str,
        content: str,
        agreement: Annotated[ElicitationResult[Agreement], Resolve(agreed)],
        mode: Mode = "create",
        if_sha256: IfHash = None,
        mkdirs: bool = False,
    ) -> FileWritten:
        """Create, replace or extend a text file of up to 5 MB. For changes use fs_edit."""
        refuse_without(agreement)
        place = served.place(path)
        done = await to_the_end(
            lambda patience: write(place.folder, place.path, content, mode, if_sha256, mkdirs, patience)
        )
        return FileWritten(
            path=served.shown(place.folder, place.path), bytes=done.bytes, sha256=done.sha256, created=done.created
        )


def _add_edit(server: ToolServer[Any], served: Served) -> None:
    @server.tool(annotations=_acts(destroys=False))
    async def fs_edit(
        path: str,
        edits: Annotated[list[EditText], Field(min_length=1, max_length=50)],
        if_sha256: IfHash = None,
        dry_run: bool = False,
    ) -> FileEdited:
        """Replace exact text: each `old` must occur `count` times. All edits are done, or none."""
        place = served.place(path)
        wanted = [Edit(edit.old, edit.new, edit.count) for edit in edits]
        done = await to_the_end(
            lambda patience: edit_file(place.folder, place.path, wanted, if_sha256, dry_run, patience)
        )
        return FileEdited(
            path=served.shown(place.folder, place.path), diff=done.diff, sha256=done.sha256, replaced=done.replaced
        )


def _add_move(server: ToolServer[Any], served: Served, asking: Asking) -> None:
    async def agreed(dst: str, overwrite: bool, context: Context) -> Elicit[Agreement] | Agreement:
        place = served.place(dst)
        if not overwrite or not await _would_be_lost(place):
            return YES
        return asking.question(f"Replace {quoted(served.shown(place.folder, place.path))}?", context)

    @server.tool(annotations=_acts(destroys=True))
    async def fs_move(
        src: str,
        dst: Annotated[str, Field(description="The whole new path")],
        agreement: Annotated[ElicitationResult[Agreement], Resolve(agreed)],
        copy: bool = False,
        overwrite: bool = False,
    ) -> FileMoved:
        """Rename, move or copy a file or folder, or take a `trash_id` back."""
        refuse_without(agreement)
        source, target = served.place(src), served.place(dst)
        if not target.folder.writable:
            raise Denied(f"the folder {target.folder.name!r} is served for reading", "Only the operator can change it.")
        if copy:
            await to_the_end(lambda patience: copy_to(source, target, overwrite=overwrite, patience=patience))
        else:
            await to_the_end(lambda _: move(source, target, overwrite=overwrite))
        return FileMoved(src=served.shown(source.folder, source.path), dst=served.shown(target.folder, target.path))


def _add_delete(server: ToolServer[Any], served: Served, asking: Asking, *, keep: bool) -> None:
    async def agreed(path: str, recursive: bool, context: Context) -> Elicit[Agreement] | Agreement:
        place = served.place(path)
        if not await _would_be_lost(place):
            return YES
        what = quoted(served.shown(place.folder, place.path)) + (" with all that it holds" if recursive else "")
        where = "" if keep else " for good"
        return asking.question(f"Delete {what}{where}?", context)

    @server.tool(annotations=_acts(destroys=True))
    async def fs_delete(
        path: str,
        agreement: Annotated[ElicitationResult[Agreement], Resolve(agreed)],
        recursive: bool = False,
    ) -> FileDeleted:
        """Delete a file, or a folder (recursive if not empty)."""
        refuse_without(agreement)
        place = served.place(path)
        done = await to_the_end(lambda patience: delete(place, recursive=recursive, keep=keep, patience=patience))
        return FileDeleted(
            path=served.shown(place.folder, place.path),
            entries=done.entries,
            trash_id=served.shown(place.folder, done.trash_path) if done.trash_path else None,
        )

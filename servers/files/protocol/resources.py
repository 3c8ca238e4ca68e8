"""Files as resources `files://folder/path`: read, listed, completed, and announced when they change."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from urllib.parse import quote, unquote

from mcp.types import Completion, Resource
from pydantic_core import to_json

from servers.cleaning import clean
from servers.files.errors import FilesError, Invalid, NotFound, TooLarge
from servers.files.folder import Folder
from servers.files.listing import Listing, listed
from servers.files.media import LARGEST, mime_of
from servers.files.naming import quoted, shown
from servers.files.patience import Patience
from servers.files.protocol.threads import iso
from servers.files.reading import MOST_TEXT, is_binary, text_of, whole
from servers.files.results import FileEntry
from servers.files.served import Place, Served

SCHEME = "files://"
TEMPLATE = "files://{root}/{+path}"
MOST_LISTED = 200
"""Files of the top of each folder that the list of resources names."""
MOST_COMPLETED = 100
"""The protocol's limit for one completion."""


def uri_of(folder: Folder, path: str) -> str:
    """Return the URI of what lies at `path` in `folder`."""
    return f"{SCHEME}{folder.name}/{quote(os.fsencode(path))}"


def mime_of_resource(uri: str, content: str | bytes) -> str:
    """Return the type of a resource that was read: folders end in a slash and are JSON."""
    if uri.endswith("/"):
        return "application/json"
    start = content[:16] if isinstance(content, bytes) else b""
    return mime_of(unquote(uri), start, binary=isinstance(content, bytes))


def place_of(served: Served, root: str, path: str) -> Place:
    """Return the place that a URI names. Raises `FilesError`."""
    if root not in served.names:
        raise NotFound(f"no folder is called {quoted(root)}", f"There are {', '.join(served.names)}.")
    return served.place(f"{root}:/{path}")


def read(served: Served, root: str, path: str, patience: Patience) -> str | bytes:
    """Return the text or the bytes of a file, or the entries of a folder as JSON. Raises `FilesError`."""
    place = place_of(served, root, path)
    if not path or path.endswith("/"):
        return _entries(served, place, patience)
    with place.folder.anything(place.path) as opened:
        if stat.S_ISDIR(opened.status.st_mode):
            raise Invalid(f"{quoted(path)} is a folder", "End its URI with a slash to list it.")
    with place.folder.file(place.path) as opened:
        if is_binary(opened):
            return whole(opened, LARGEST, patience)
        if opened.status.st_size > MOST_TEXT:
            raise TooLarge(f"too large: {opened.status.st_size} > {MOST_TEXT} bytes", "Use fs_read for a part of it.")
        return clean(text_of(opened, patience)).text


def _entries(served: Served, place: Place, patience: Patience) -> str:
    page = listed(Listing(place.folder, place.path, limit=1000), patience)
    entries = [
        FileEntry(path=served.shown(place.folder, entry.path), kind=entry.kind, size=entry.size, mtime=iso(entry.mtime))
        for entry in page.entries
    ]
    return to_json({"entries": entries, "truncated": page.truncated}).decode()


def resources(served: Served, patience: Patience) -> list[Resource]:
    """Return the folders, and the files at the top of each."""
    return [resource for folder in served.folders for resource in _resources(folder, patience)]


def _resources(folder: Folder, patience: Patience) -> Iterator[Resource]:
    yield Resource(uri=uri_of(folder, ""), name=folder.name, mime_type="application/json", description="A folder.")
    for entry in listed(Listing(folder, kind="file", limit=MOST_LISTED), patience).entries:
        if not folder.rules.closed_to_reading(entry.path):
            mime = mime_of(entry.path, b"", binary=False)
            yield Resource(uri=uri_of(folder, entry.path), name=shown(entry.path), mime_type=mime, size=entry.size)


def completed(served: Served, argument: str, value: str, root: str | None, patience: Patience) -> Completion:
    """Return how `value`, the beginning of `root` or `path`, may go on."""
    if argument == "root":
        found = [name for name in served.names if name.startswith(value)]
    else:
        found = _paths(served, root or served.names[0], value, patience)
    return Completion(values=found[:MOST_COMPLETED], total=len(found), has_more=len(found) > MOST_COMPLETED)


def _paths(served: Served, root: str, value: str, patience: Patience) -> list[str]:
    above, _, start = value.rpartition("/")
    try:
        place = place_of(served, root, above)
        page = listed(Listing(place.folder, place.path, hidden=start.startswith("."), limit=2000), patience)
    except FilesError:
        return []
    names = [(entry.path.rpartition("/")[2], entry.kind) for entry in page.entries]
    prefix = above + "/" if above else ""
    return [prefix + name + ("/" if kind == "dir" else "") for name, kind in names if name.startswith(start)]

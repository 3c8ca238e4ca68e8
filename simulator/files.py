"""Uploaded files: kept in memory, named by id in later requests."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.buckets import rfc3339
from simulator.errors import Refused
from simulator.prefix import blocks_of
from simulator.reply import new_id
from simulator.shapes import Json

LARGEST = 500 * 1024 * 1024
LONGEST_NAME = 255
FORBIDDEN = set('<>:"|?*\\/')


@dataclass(frozen=True)
class File:
    """One uploaded file."""

    id: str
    name: str
    mime: str
    content: bytes
    created: float

    def described(self) -> Json:
        """Return it as the Files API describes it. What a user uploads cannot be downloaded at the API; here it can."""
        return {
            "id": self.id,
            "type": "file",
            "filename": self.name,
            "mime_type": self.mime,
            "size_bytes": len(self.content),
            "created_at": rfc3339(self.created),
            "downloadable": True,
            "expires_at": None,
        }


class Files:
    """The files of one simulator."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}

    def add(self, name: str, mime: str, content: bytes, now: float) -> File:
        """Keep a file. Raises `Refused` for a name that the API would not take (400) or too much content (413)."""
        if len(content) > LARGEST:
            raise Refused("file: exceeds the maximum size of 500 MB", status=413)
        if not name or len(name) > LONGEST_NAME or FORBIDDEN & set(name) or any(ord(one) < 32 for one in name):
            raise Refused('file: filename must be 1-255 characters without < > : " | ? * \\ / or control characters')
        file = File(new_id("file"), name, mime, content, now)
        self._files[file.id] = file
        return file

    def get(self, file_id: str) -> File:
        """Return a file. Raises `Refused` (404)."""
        if file_id not in self._files:
            raise Refused(f"File not found: {file_id}", status=404)
        return self._files[file_id]

    def remove(self, file_id: str) -> Json:
        """Forget a file. Raises `Refused` (404)."""
        del self._files[self.get(file_id).id]
        return {"id": file_id, "type": "file_deleted"}

    def all(self) -> list[Json]:
        """Return all files, newest first."""
        return [file.described() for file in reversed(self._files.values())]

    def resolved(self, sent: Json) -> Json:
        """Return a request with the text of its uploaded documents in it. Raises `Refused` (404)."""
        if not any(_file_source(block) for message in sent["messages"] for block in blocks_of(message["content"])):
            return sent
        messages = [
            message | {"content": [self._resolved(block) for block in blocks_of(message["content"])]}
            for message in sent["messages"]
        ]
        return sent | {"messages": messages}

    def _resolved(self, block: Json) -> Json:
        file_id = _file_source(block)
        if not file_id:
            return block
        file = self.get(file_id)
        if block["type"] == "image" and not file.mime.startswith("image/"):
            raise Refused(f"file {file_id} is {file.mime}, an image block needs an image")
        if file.mime.startswith("text/"):
            text = file.content.decode("utf-8", "replace")
            return block | {"source": {"type": "text", "media_type": "text/plain", "data": text}}
        return block


def _file_source(block: Json) -> str | None:
    source: Json | None = block.get("source") if block.get("type") in ("image", "document") else None
    return str(source["file_id"]) if source and source.get("type") == "file" else None

"""Every tool, by every way to the server: in process, over stdio and HTTP, in both eras."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from mcp.types import ResourceTemplateReference

from tests.servers.files.talking import Talk, User, in_process, over_http, over_stdio, tree

pytestmark = pytest.mark.anyio
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=")

Way = Callable[..., AbstractAsyncContextManager[Talk]]
WAYS = [
    pytest.param(in_process, "auto", id="in-process-auto"),
    pytest.param(in_process, "legacy", id="in-process-legacy"),
    pytest.param(over_stdio, "auto", id="stdio-auto"),
    pytest.param(over_stdio, "legacy", id="stdio-legacy"),
    pytest.param(over_http, "auto", id="http-auto"),
    pytest.param(over_http, "legacy", id="http-legacy"),
]


@pytest.mark.parametrize(("way", "mode"), WAYS)
async def test_every_tool_does_its_work(way: Way, mode: Any, tmp_path: Path) -> None:
    tree(tmp_path, {"notes/tea.md": "# Tea\n\nGreen and black.\n", "dot.png": PNG, "sub/deep/x.txt": "x\n"})
    user = User()
    async with way(f"home={tmp_path}:rw", mode=mode, user=user) as talk:
        listing = await talk.data("fs_list", depth=3)
        assert [entry["path"] for entry in listing["entries"]] == [
            "dot.png", "notes", "notes/tea.md", "sub", "sub/deep", "sub/deep/x.txt",
        ]  # fmt: skip
        text, facts = await talk.page(path="notes/tea.md")
        assert text == "# Tea\n\nGreen and black.\n"
        picture = await talk.call("fs_read", path="dot.png")
        assert [block.type for block in picture.content] == ["text", "image"]
        found = await talk.data("fs_search", query="green")
        assert found["matches"] == [{"path": "notes/tea.md", "line": 3, "text": "Green and black."}]
        info = await talk.data("fs_info", path="notes/tea.md", hash=True)
        assert (info["sha256"], info["lines"], info["mime"]) == (facts["sha256"], 3, "text/markdown")

        written = await talk.data("fs_write", path="new/a.txt", content="one\n", mkdirs=True)
        assert (written["created"], (tmp_path / "new/a.txt").read_text()) == (True, "one\n")
        edited = await talk.data(
            "fs_edit", path="new/a.txt", edits=[{"old": "one", "new": "two"}], if_sha256=written["sha256"]
        )
        assert "-one\n+two" in edited["diff"]
        assert user.asked == []
        await talk.data("fs_write", path="new/a.txt", content="three\n", mode="overwrite")
        await talk.data("fs_move", src="new/a.txt", dst="b.txt")
        await talk.data("fs_move", src="b.txt", dst="c.txt", copy=True)
        await talk.data("fs_move", src="b.txt", dst="c.txt", overwrite=True)
        gone = await talk.data("fs_delete", path="c.txt")
        assert user.asked == ["Replace 'new/a.txt'?", "Replace 'c.txt'?", "Delete 'c.txt'?"]
        await talk.data("fs_move", src=gone["trash_id"], dst="back.txt")
        assert (tmp_path / "back.txt").read_text() == "three\n"

        assert "not_found" in await talk.refusal("fs_read", path="nothing.txt")
        assert "there is no `foo`" in await talk.refusal("fs_list", foo=1)


@pytest.mark.parametrize(("way", "mode"), [WAYS[0], WAYS[1], WAYS[2], WAYS[4]])
async def test_resources_are_listed_read_and_completed(way: Way, mode: Any, tmp_path: Path) -> None:
    tree(tmp_path, {"tea time.md": "Green\n", "sub/dot.png": PNG, ".env": "SECRET=1", "sub/other.txt": "x"})
    async with way(f"home={tmp_path}", mode=mode) as talk:
        listed = (await talk.client.list_resources()).resources
        assert [(each.uri, each.mime_type) for each in listed] == [
            ("files://home/", "application/json"),
            ("files://home/tea%20time.md", "text/markdown"),
        ]
        templates = (await talk.client.list_resource_templates()).resource_templates
        assert [each.uri_template for each in templates] == ["files://{root}/{+path}"]
        (text,) = (await talk.client.read_resource("files://home/tea%20time.md")).contents
        assert (getattr(text, "text", None), text.mime_type) == ("Green\n", "text/markdown")
        (picture,) = (await talk.client.read_resource("files://home/sub/dot.png")).contents
        assert (base64.b64decode(getattr(picture, "blob", "")), picture.mime_type) == (PNG, "image/png")
        (folder,) = (await talk.client.read_resource("files://home/sub/")).contents
        assert [each["path"] for each in json.loads(getattr(folder, "text", ""))["entries"]] == [
            "sub/dot.png",
            "sub/other.txt",
        ]
        reference = ResourceTemplateReference(uri="files://{root}/{+path}")
        for argument, context, values in (
            ({"name": "root", "value": "h"}, None, ["home"]),
            ({"name": "path", "value": "s"}, {"root": "home"}, ["sub/"]),
            ({"name": "path", "value": "sub/o"}, {"root": "home"}, ["sub/other.txt"]),
            ({"name": "path", "value": "../"}, {"root": "home"}, []),
            ({"name": "path", "value": "x"}, {"root": "nowhere"}, []),
        ):
            done = await talk.client.complete(reference, argument, context)
            assert done.completion.values == values


async def test_the_tool_list_fits_in_6_kb_and_says_what_every_tool_may_do(tmp_path: Path) -> None:
    async with in_process(f"{tmp_path}:rw") as talk:
        listed = await talk.client.list_tools()
        raw = json.dumps(
            {"tools": [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools]},
            separators=(",", ":"),
        )
        assert len(raw.encode()) <= 6 * 1024
        names = [tool.name for tool in listed.tools]
        assert names == ["fs_list", "fs_read", "fs_search", "fs_info", "fs_write", "fs_edit", "fs_move", "fs_delete"]
        for tool in listed.tools:
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint is (tool.name in names[:4])
            assert tool.annotations.open_world_hint is False
            if not tool.annotations.read_only_hint:
                assert tool.annotations.destructive_hint is (tool.name != "fs_edit")
            assert (tool.output_schema is None) is (tool.name == "fs_read")
            jsonschema_is_valid(tool.input_schema)


def jsonschema_is_valid(schema: dict[str, Any]) -> None:
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"


async def test_tools_that_write_exist_only_where_something_is_writable(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with in_process(f"a={tmp_path}/a", f"b={tmp_path}/b") as talk:
        assert [tool.name for tool in (await talk.client.list_tools()).tools] == [
            "fs_list", "fs_read", "fs_search", "fs_info",
        ]  # fmt: skip
    async with in_process(f"a={tmp_path}/a", f"b={tmp_path}/b:rw", confirm="allow") as talk:
        assert len((await talk.client.list_tools()).tools) == 8
        assert "denied" in await talk.refusal("fs_write", path="a:/x", content="x")
        await talk.data("fs_write", path="b:/x", content="x")
        assert "denied" in await talk.refusal("fs_move", src="b:/x", dst="a:/x")
        assert "denied" in await talk.refusal("fs_move", src="b:/x", dst="a:/x", copy=True)
        assert "denied" in await talk.refusal("fs_delete", path="a:/")
        assert list((tmp_path / "a").iterdir()) == []


async def test_several_folders_are_named_in_every_path(tmp_path: Path) -> None:
    tree(tmp_path, {"one/a.txt": "needle\n", "two/b.txt": "needle\nneedle\n"})
    async with in_process(f"one={tmp_path}/one", f"two={tmp_path}/two:rw", confirm="allow") as talk:
        roots = await talk.data("fs_list")
        assert [entry["path"] for entry in roots["entries"]] == ["one:/", "two:/"]
        assert [entry["path"] for entry in (await talk.data("fs_list", path="two:/"))["entries"]] == ["two:/b.txt"]
        assert "invalid" in await talk.refusal("fs_read", path="a.txt")
        assert (await talk.page(path="one:/a.txt"))[0] == "needle\n"
        assert (await talk.page(path=f"{tmp_path}/two/b.txt"))[1]["path"] == "two:/b.txt"
        everything = await talk.data("fs_search", query="needle")
        places = [(match["path"], match["line"]) for match in everything["matches"]]
        assert places == [("one:/a.txt", 1), ("two:/b.txt", 1), ("two:/b.txt", 2)]
        paged: list[tuple[str, int]] = []
        cursor: str | None = None
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = await talk.data("fs_search", query="needle", limit=1, **more)
            paged += [(match["path"], match["line"]) for match in page["matches"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert paged == places
        await talk.data("fs_move", src="one:/a.txt", dst="two:/copied.txt", copy=True)
        assert (tmp_path / "two/copied.txt").read_text() == "needle\n"

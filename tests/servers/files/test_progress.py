"""A search that takes long tells how far it is."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from servers.files.searching import LARGEST
from tests.servers.files.talking import Mode, in_process

pytestmark = pytest.mark.anyio
FILES = 250
"""Names of one file, as large as is searched: more work than any machine does between two words of progress."""


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_long_search_tells_how_far_it_is_and_goes_on(mode: Mode, tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b"Nothing of the kind.\n" * (LARGEST // 21))
    for number in range(1, FILES):
        os.link(tmp_path / "0", tmp_path / str(number))
    told: list[tuple[float, float | None, str | None]] = []

    async def listen(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async with in_process(str(tmp_path), mode=mode) as talk:
        with anyio.fail_after(30):
            arguments = {"query": "nowhere", "case": "insensitive"}
            result = await talk.client.call_tool("fs_search", arguments, progress_callback=listen)
    assert told
    assert [progress for progress, _, _ in told] == sorted({progress for progress, _, _ in told})
    assert all(total is not None and progress <= total for progress, total, _ in told)
    assert all(message is not None and message.endswith("files looked at") for _, _, message in told)
    assert result.is_error or result.structured_content is not None

"""The models as the API lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.catalog import CARDS, ModelCard, card
from simulator.errors import Refused
from simulator.shapes import Json

EFFORTS = ("low", "medium", "high", "max")
KINDS = ("adaptive", "enabled", "disabled", "between_tools")


def page(query: Mapping[str, str]) -> Json:
    """Return one page of models, newest first. Raises `Refused` for a limit or an id that cannot be used."""
    return paged([described(one) for one in CARDS], query)


def paged(things: list[Json], query: Mapping[str, str], default: int = 20) -> Json:
    """Return one page of `things`, each with an `id`, as the query's `limit`, `after_id` and `before_id` ask."""
    try:
        limit = int(query.get("limit", default))
    except ValueError:
        raise Refused("limit: Input should be a valid integer") from None
    if not 1 <= limit <= 1000:
        raise Refused("limit: Input should be between 1 and 1000")
    ids = [str(one["id"]) for one in things]
    after, before = query.get("after_id"), query.get("before_id")
    for name, given in (("after_id", after), ("before_id", before)):
        if given is not None and given not in ids:
            raise Refused(f"{name}: {given} is not in the list")
    if before is not None:
        end = ids.index(before)
        start = max(0, end - limit)
        more = start > 0
    else:
        start = ids.index(after) + 1 if after is not None else 0
        end = min(len(ids), start + limit)
        more = end < len(ids)
    found = things[start:end]
    return {
        "data": found,
        "has_more": more,
        "first_id": found[0]["id"] if found else None,
        "last_id": found[-1]["id"] if found else None,
    }


def one(model: str) -> Json:
    """Return one model by id or alias. Raises `Refused` (404)."""
    found = card(model)
    if found is None:
        raise Refused(f"model: {model}", status=404)
    return described(found)


def described(model: ModelCard) -> Json:
    """Return a model as the Models API describes it."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.name,
        "created_at": f"{model.created}T00:00:00Z",
        "lifecycle": model.lifecycle,
        "deprecated_at": None,
        "retires_at": f"{model.retires}T00:00:00Z" if model.retires else None,
        "line": model.line,
        "max_input_tokens": model.context,
        "max_tokens": model.output,
        "allowed_fallback_models": list(model.fallbacks) or None,
        "capabilities": _capabilities(model),
    }


def _yes(supported: bool = True, **more: Any) -> Json:
    return {"supported": supported, **more}


def _capabilities(model: ModelCard) -> Json:
    edits = {name: _yes() for name in ("clear_thinking_20251015", "clear_tool_uses_20250919")}
    return {
        "batch": _yes(),
        "citations": _yes(False),
        "code_execution": _yes(False),
        "compaction": _yes(model.summarize, summarize=_yes(model.summarize)),
        "context_management": _yes(True, **edits, compact_20260112=_yes(model.summarize)),
        "effort": _yes(
            model.effort, **{one: _yes(model.effort) for one in EFFORTS}, xhigh=_yes(model.effort and model.xhigh)
        ),
        "image_input": _yes(),
        "pdf_input": _yes(),
        "server_tools": _yes(False, web_search=_yes(False), code_execution=_yes(False)),
        "structured_outputs": _yes(),
        "thinking": _yes(types={kind: _yes(kind in model.kinds) for kind in KINDS}),
    }

"""Seals on what the client must send back unchanged: thinking and summaries.

The key is part of the program: a conversation begun on one simulator goes on at the next.
"""

from __future__ import annotations

import hashlib
import hmac

KEY = b"the simulator's own seal; it protects nothing, it only notices changes"
MARK = "SIM1"


def _mac(*parts: str) -> str:
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hmac.new(KEY, text, hashlib.sha256).hexdigest()[:32]


def of_thinking(text: str, tokens: int, model: str, prefix: str) -> str:
    """Return the signature of a thinking block: its size, the digest of what came before, the model's mark."""
    return f"{MARK}.{tokens}.{prefix[:16]}{_mac(model)[:8]}.{_mac('thinking', text, str(tokens), model, prefix)}"


def thinking_fault(text: str, signature: str, model: str, prefix: str) -> str | None:
    """Return what is wrong with a thinking block, or None: `forged`, `model` (another one's) or `prefix` (moved)."""
    parts = signature.split(".")
    if len(parts) != 4 or parts[0] != MARK or not parts[1].isdigit() or len(parts[2]) != 24:
        return "forged"
    if parts[2][16:] != _mac(model)[:8]:
        return "model"
    if hmac.compare_digest(parts[3], _mac("thinking", text, parts[1], model, prefix)):
        return None
    return "forged" if parts[2][:16] == prefix[:16] else "prefix"


def of_summary(content: str, changes: str, model: str) -> str:
    """Return the signature of an on-demand compaction block."""
    return f"{MARK}.{_mac('summary', content, model)}.{_mac('changes', changes, model)}"


def summary_fault(content: str, changes: str, model: str, signature: str) -> str | None:
    """Return the error code that fits a compaction block which does not match its signature, or None."""
    parts = signature.split(".")
    if len(parts) != 3 or parts[0] != MARK or any(len(part) != 32 for part in parts[1:]):
        return "compaction_signature_invalid"
    if not hmac.compare_digest(parts[1], _mac("summary", content, model)):
        return "compaction_content_mismatch"
    if not hmac.compare_digest(parts[2], _mac("changes", changes, model)):
        return "compaction_tool_changes_mismatch"
    return None

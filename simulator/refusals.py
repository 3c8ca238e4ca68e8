"""Refusals as the API makes them: an ordinary answer whose `stop_reason` is `refusal`."""

from __future__ import annotations

from simulator.answer import Answer, Piece

CATEGORIES = ("cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms")


def refusal(pieces: tuple[Piece, ...], category: str) -> Answer:
    """Return an answer that breaks off by refusing."""
    details = {
        "type": "refusal",
        "category": category if category in CATEGORIES else None,
        "explanation": "The simulator was told to refuse.",
        "recommended_model": None,
        "fallback_credit_token": None,
        "fallback_has_prefill_claim": None,
    }
    return Answer(pieces, "refusal", details)

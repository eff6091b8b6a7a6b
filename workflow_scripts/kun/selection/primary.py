"""Which documents become primary data: one question per reason, asked in a fixed order; the first that applies is the reason."""

from kun.books.tables import Row
from kun.settings.selection import Primary


def reason_to_drop(signals: Row, settings: Primary, max_perplexity: float, duplicate_of: str | None) -> tuple[str, str] | None:
    """(reason, detail), or None for a document that stays. `duplicate_of` is the locator of the text's owner."""
    if signals["characters"] < settings.min_characters:
        return "too_short", f"{signals['characters']} characters"
    if signals["tokens"] > settings.max_tokens:
        return "too_long", f"{signals['tokens']} tokens"
    if signals["han_share"] < settings.min_han_share:
        return "not_chinese", f"Han share {signals['han_share']:.2f}"
    if signals["perplexity"] is None or signals["perplexity"] > max_perplexity:
        return "high_perplexity", f"{signals['perplexity'] or float('nan'):.0f} > {max_perplexity:.0f}"
    if duplicate_of is not None:
        return "duplicate", f"of {duplicate_of}"
    return None

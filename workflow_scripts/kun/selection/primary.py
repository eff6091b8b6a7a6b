"""Which documents become primary data by their own signals: one question per reason, asked in a fixed order; the first that applies is
the reason. Asked of whole tables, because duplicates are sought among the documents that pass, and that is all of a corpus.
"""

import polars as pl

from kun.settings.selection import Primary

# Columns of the signals that the questions need.
COLUMNS = ("characters", "tokens", "han_share", "language", "repeated_grams", "repeated_lines", "markup_share", "perplexity")


def with_reasons(signals: pl.DataFrame, settings: Primary, max_perplexity: float | None) -> pl.DataFrame:
    """Columns `reason` and `detail`, a row for each document; null in both for one that passes. `max_perplexity` None: no cut."""
    questions = list(_questions(settings, max_perplexity))
    return signals.select(
        pl.coalesce(pl.when(applies).then(pl.lit(reason)) for reason, applies, _ in questions).alias("reason"),
        pl.coalesce(pl.when(applies).then(detail) for _, applies, detail in questions).alias("detail"),
    )


def _questions(settings: Primary, max_perplexity: float | None) -> list[tuple[str, pl.Expr, pl.Expr]]:
    """(reason, whether it applies, what to tell a person)"""
    characters, tokens = pl.col("characters"), pl.col("tokens")
    # Shares are stored in single precision and compared in it, so that one exactly at a limit is at the limit wherever it is read.
    han, grams, lines, markup = (
        pl.col(name).cast(pl.Float32) for name in ("han_share", "repeated_grams", "repeated_lines", "markup_share")
    )
    perplexity = pl.col("perplexity").cast(pl.Float64)
    foreign = pl.lit(False) if not settings.languages else ~pl.col("language").is_in(settings.languages)
    questions = [
        ("too_short", characters < settings.min_characters, pl.format("{} characters", characters)),
        ("too_long", tokens > settings.max_tokens, pl.format("{} tokens", tokens)),
        ("not_chinese", han < _limit(settings.min_han_share), pl.format("Han share {}", han.round(2))),
        ("not_chinese", foreign, pl.format("language {}", pl.col("language"))),
        ("repetitive", grams > _limit(settings.max_repeated_grams), pl.format("{} of its 8-grams are repeats", grams.round(2))),
        ("repetitive", lines > _limit(settings.max_repeated_lines), pl.format("{} of it are repeated lines", lines.round(2))),
        ("markup", markup > _limit(settings.max_markup_share), pl.format("{} of it are addresses and markup", markup.round(2))),
    ]
    if max_perplexity is not None:
        detail = pl.format("{} > {}", perplexity.round(0), pl.lit(round(max_perplexity)))
        questions.append(("high_perplexity", perplexity > max_perplexity, detail))
        questions.append(("high_perplexity", perplexity.is_null(), pl.lit("no character that the n-gram model could read")))
    return questions


def _limit(share: float) -> pl.Expr:
    return pl.lit(share, dtype=pl.Float32)

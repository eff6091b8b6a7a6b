"""Which documents become primary data by their own signals: one question per reason, asked in a fixed order; the first that applies is
the reason. Asked of whole tables, because duplicates are sought among the documents that pass, and that is all of a corpus.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from kun.selection.columns import TOKENS
from kun.selection.cut import Band
from kun.settings.selection import Primary

# Columns of the signals that the questions need.
COLUMNS = ("characters", "tokens", "han_share", "language", "repeated_grams", "repeated_lines", "markup_share")
COLUMNS += ("perplexity", "perplexity_tokens")


def with_reasons(signals: pl.DataFrame, settings: Primary, bands: Mapping[str, Band]) -> pl.DataFrame:
    """Columns `reason` and `detail`, a row for each document; null in both for one that passes.

    `bands`: which perplexities stay, by column; columns that are not named are not asked.
    """
    questions = [*_questions(settings), *(question for column, band in bands.items() for question in _about(column, band))]
    return signals.select(
        pl.coalesce(pl.when(applies).then(pl.lit(reason)) for reason, applies, _ in questions).alias("reason"),
        pl.coalesce(pl.when(applies).then(detail) for _, applies, detail in questions).alias("detail"),
    )


Question = tuple[str, pl.Expr, pl.Expr]  # (reason, whether it applies, what to tell a person)


def _questions(settings: Primary) -> list[Question]:
    characters, tokens = pl.col("characters"), pl.col("tokens")
    # Shares are stored in single precision and compared in it, so that one exactly at a limit is at the limit wherever it is read.
    han, grams, lines, markup = (
        pl.col(name).cast(pl.Float32) for name in ("han_share", "repeated_grams", "repeated_lines", "markup_share")
    )
    foreign = pl.lit(False) if not settings.languages else ~pl.col("language").is_in(settings.languages)
    return [
        ("too_short", characters < settings.min_characters, pl.format("{} characters", characters)),
        ("too_long", tokens > settings.max_tokens, pl.format("{} tokens", tokens)),
        ("not_chinese", han < _limit(settings.min_han_share), pl.format("Han share {}", han.round(2))),
        ("not_chinese", foreign, pl.format("language {}", pl.col("language"))),
        ("repetitive", grams > _limit(settings.max_repeated_grams), pl.format("{} of its 8-grams are repeats", grams.round(2))),
        ("repetitive", lines > _limit(settings.max_repeated_lines), pl.format("{} of it are repeated lines", lines.round(2))),
        ("markup", markup > _limit(settings.max_markup_share), pl.format("{} of it are addresses and markup", markup.round(2))),
    ]


def _about(column: str, band: Band) -> Iterator[Question]:
    """A text without a value (the model found nothing to read in it) is beyond any upper cut."""
    value = pl.col(column).cast(pl.Float64)
    factor = allowance(band.doubt, pl.col(TOKENS[column]))
    if band.high is not None:
        yield f"high_{column}", value > band.high * factor, pl.format("{} > {}", value.round(1), (band.high * factor).round(1))
        yield f"high_{column}", value.is_null(), pl.lit("nothing in it that the model could read")
    if band.low is not None:
        yield f"low_{column}", value < band.low / factor, pl.format("{} < {}", value.round(1), (band.low / factor).round(1))


def allowance(doubt: float, tokens: pl.Expr) -> pl.Expr:
    """The factor by which a text of so many tokens may be beyond a cut; 1 without doubt, however many there are or whether it is known."""
    return pl.lit(1.0) if not doubt else (doubt / tokens.cast(pl.Float64).sqrt()).exp()


def _limit(share: float) -> pl.Expr:
    return pl.lit(share, dtype=pl.Float32)

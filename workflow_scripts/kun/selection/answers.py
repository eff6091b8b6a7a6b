"""Which answers become pairs: thresholds over an answer's columns, and nothing else. The texts are not looked at."""

from collections import Counter

from kun.books.tables import Row
from kun.selection.phrases import of_preset
from kun.settings.roles import Answers

# What other thresholds would drop is counted for these, so that a person sees it before choosing.
CONSIDERED = {
    "min_related": (0.02, 0.05, 0.1, 0.2),
    "max_copied": (0.25, 0.5, 0.8, 0.95),
    "max_new": (0, 1, 3, 10),
    "max_repetition": (0.2, 0.3, 0.4, 0.5),
    "max_loop": (10, 30, 100),
    "min_han_share": (0.1, 0.2, 0.5, 0.8),
}


def reason_to_drop(row: Row, settings: Answers) -> tuple[str, str] | None:
    """(reason, detail) of the first threshold that an answer's columns do not meet, or None for an answer that stays."""
    if row["answer_characters"] < settings.min_characters:
        return "answer_short", f"{row['answer_characters']} characters"
    if _above(row["answer_echo"], settings.max_echo):
        return "answer_echo", f"{row['answer_echo']:.2f} of it repeats the instruction"
    if not settings.min_ratio <= row["answer_ratio"] <= settings.max_ratio:
        return "answer_ratio", f"{row['answer_ratio']:.3f} times as long as the text"
    if row["answer_han_share"] < settings.min_han_share:
        return "answer_language", f"{row['answer_han_share']:.2f} of its letters are Han"
    if settings.languages and row["answer_language"] not in settings.languages:
        return "answer_language", row["answer_language"]
    if row["answer_loop"] > settings.max_loop:
        return "answer_loop", f"{row['answer_loop']} characters of one unit again and again"
    if row["answer_repetition"] > settings.max_repetition:
        return "answer_repetition", f"{row['answer_repetition']:.2f} of its 8-grams are repeats"
    if hits := of_preset(row["answer_rules"].split(), settings.rules):
        return "answer_words", ", ".join(hits)
    if row["answer_related"] is not None and row["answer_related"] < settings.min_related:
        return "answer_unrelated", f"{row['answer_related']:.3f} of its pairs of characters are in the text"
    if _above(row["answer_copied"], settings.max_copied):
        return "answer_copied", f"{row['answer_copied']:.2f} of it is copied"
    if _above(row["answer_new_count"], settings.max_new):
        return "answer_new", row["answer_new"]
    return None


def considered(row: Row) -> list[tuple[str, str]]:
    """(setting, value) for each of CONSIDERED that would drop this answer by itself."""
    found = []
    for setting, values in CONSIDERED.items():
        kind, _, name = setting.partition("_")
        measured = row["answer_new_count" if name == "new" else f"answer_{name}"]
        found += [
            (setting, f"{value:g}")
            for value in values
            if measured is not None and (measured < value if kind == "min" else measured > value)
        ]
    return found


def counted(found: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """{setting: {value: how many answers it would drop}}, also of those that would drop none."""
    return {setting: {f"{value:g}": found[setting, f"{value:g}"] for value in values} for setting, values in CONSIDERED.items()}


def _above(value: float, most: float | None) -> bool:
    return most is not None and value > most

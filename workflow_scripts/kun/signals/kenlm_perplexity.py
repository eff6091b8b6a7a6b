"""N-gram perplexity by KenLM: the value, and the identity that it carries.

perplexity = 10^(−Σ log10 p / Σ (n + 1)) over the text's lines, each with its beginning and its end; n = number of words in a line. Nearly
every text is one line (kenlm_words.py says which are not). Values under another normal form, other pieces or another model mean
something else, so the identity names all three.
"""

from collections.abc import Callable, Iterator
from typing import Any

from kun.signals.forms import Codes, compatible
from kun.signals.kenlm_forms import NORMALISERS, SEEN, kun_of_compatible
from kun.signals.kenlm_words import Line, line_of_characters, line_of_tokens, lines_of_pieces, piece_model, tokens_of

# KenLM adds up a line in float32. The sum of so many words is off by 2e-5 at the very most, that of 600,000 by 4e-3.
AT_ONCE = 4096


def load(description: dict[str, Any]) -> "NgramPerplexity":
    """What train_kenlm describes: {path, fingerprint, normaliser, sentencepiece: {path, fingerprint} or None, …}.

    Raises ValueError, naming the file, for a model that cannot be read.
    """
    import kenlm

    try:
        model = kenlm.Model(description["path"])
    except OSError as error:
        raise ValueError(
            f"{description['path']} cannot be read as a KenLM model ({error}); correct perplexity.kenlm.model, or, where it was trained "
            "here, remove models/kenlm under the results"
        ) from None
    return NgramPerplexity(model, words_of(description), identity(description))


def identity(description: dict[str, Any]) -> str:
    """What values may be compared under: normal form with its version, kind of words (the pieces' file), model file."""
    pieces = description["sentencepiece"]
    unit = pieces["fingerprint"][:16] if pieces else "characters"
    return f"{NORMALISERS[description['normaliser']][0]}:{unit}:{description['fingerprint'][:16]}"


def words_of(description: dict[str, Any]) -> Callable[[list[str], Codes | None], Iterator[list[Line]]]:
    """How texts become lines of words: a function of the texts and, where they are at hand, their compatible codes."""
    name, pieces = description["normaliser"], description["sentencepiece"]
    if name == "kun" and not pieces:
        return lambda texts, form: map(line_of_tokens, tokens_of(form or compatible(texts)))
    normalise = NORMALISERS[name][1]
    if not pieces:
        return lambda texts, form: (line_of_characters(normalise(text)) for text in texts)
    encode = piece_model(pieces["path"]).encode_as_pieces

    def lines(text: str) -> list[Line]:
        # SentencePiece begins every text with a space of its own, which would be a word of a text that has none.
        return lines_of_pieces(encode(text)) if SEEN.search(text) else []

    if name == "kun":
        return lambda texts, form: (lines(kun_of_compatible(text)) for text in (form or compatible(texts)).texts())
    return lambda texts, form: (lines(normalise(text)) for text in texts)


class NgramPerplexity:
    """A model, how texts are cut for it, and who both are."""

    def __init__(self, model: Any, words: Callable[[list[str], Codes | None], Iterator[list[Line]]], identity: str):
        self.model, self.words, self.identity = model, words, identity

    def of(self, texts: list[str], form: Codes | None = None) -> list[float | None]:
        """A value a text, None for one without any word. `form`: the texts' `compatible` codes, if they are there already."""
        return self.columns(texts, form)["perplexity"]

    def columns(self, texts: list[str], form: Codes | None = None) -> dict[str, list]:
        """The same as a column, and a column of how many probabilities each value is the mean of (words and ends of lines)."""
        values, counts = [], []
        for lines in self.words(texts, form):
            values.append(perplexity(self.model, lines))
            counts.append(scored(lines))
        return {"perplexity": values, "perplexity_tokens": counts}


def perplexity(model: Any, lines: list[Line]) -> float | None:
    """Of a text by its lines under a `kenlm.Model`; None if there are none."""
    if not lines:
        return None
    total = sum([log10_probability(model, line) for line in lines])
    return 10.0 ** (-total / scored(lines))


def scored(lines: list[Line]) -> int:
    """How many probabilities there are: each line's words and its end."""
    return sum([line.count + 1 for line in lines])


def log10_probability(model: Any, line: Line) -> float:
    """log10 p(line, its end | its beginning). Long lines are asked for in parts, and the parts added up in float64.

    A part is asked for together with the words before it, as many as the model can see, and what these alone would have scored is taken
    off. Each question carries a sentence's beginning, out of sight for all but the first, and a sentence's end: that after a part is taken
    off by the next, whose words before it are the same. So the last one stays, as it should.
    """
    if line.count <= AT_ONCE:
        return model.score(line.words)
    part, before = _parts(line), model.order - 1
    total = model.score(part(0, AT_ONCE))
    for start in range(AT_ONCE, line.count, AT_ONCE):
        total += model.score(part(start - before, start + AT_ONCE)) - model.score(part(start - before, start))
    return total


def _parts(line: Line) -> Callable[[int, int], str]:
    """A function that gives the words from one number to another."""
    if len(line.words) == 2 * line.count - 1:  # of one character each
        return lambda start, end: line.words[2 * start : 2 * end]
    words = line.words.split(" ")
    return lambda start, end: " ".join(words[start:end])

"""The columns of a record on its way from primary data to a pair: each stage adds some. The choice among candidates leaves the others behind."""

import pyarrow as pa

from kun.corpus.documents import SCHEMA as DOCUMENT

PRIMARY = pa.schema([*DOCUMENT, ("tokens", pa.int32()), ("perplexity", pa.float32()), ("causal_perplexity", pa.float32())])
LABELLED = pa.schema(
    [
        *PRIMARY,
        ("candidates", pa.list_(pa.string())),  # different instructions, in the order in which they were drawn
        ("candidates_raw", pa.list_(pa.string())),  # the completions that they are from
        ("label_model", pa.string()),
        ("label_cut", pa.int32()),  # how many characters of the text the label model saw; None: all
    ]
)
SCORED = pa.schema(
    [
        *LABELLED,
        ("candidate_scores", pa.list_(pa.float64())),  # None for one that could not be scored
        ("candidate_outside", pa.list_(pa.float64())),
        ("score", pa.float64()),  # the best candidate's
        ("point_model", pa.string()),
    ]
)
CURATED = pa.schema(
    [
        *PRIMARY,
        ("instruction", pa.string()),
        ("instruction_raw", pa.string()),
        ("label_model", pa.string()),
        ("label_cut", pa.int32()),
        ("score", pa.float64()),
        ("score_outside", pa.float64()),
        ("point_model", pa.string()),
    ]
)
POLISHED = pa.schema(
    [*CURATED, ("output", pa.string()), ("output_raw", pa.string()), ("answer_model", pa.string()), ("answer_cut", pa.int32())]
)
# What is measured on an answer (kun/signals/answer_signals.py), of the answer without its tail.
ANSWER = pa.schema(
    [
        ("answer_characters", pa.int32()),
        ("answer_ratio", pa.float32()),  # characters of the answer to those of the text
        ("answer_han_share", pa.float32()),  # of the letters
        ("answer_language", pa.string()),  # as fastText's lid.176 names it
        ("answer_repetition", pa.float32()),  # share of the character 8-grams that occurred before
        ("answer_loop", pa.int32()),  # characters of the longest stretch that is one unit again and again
        ("answer_echo", pa.float32()),  # share of it that repeats the instruction's beginning
        ("answer_copied", pa.float32()),  # share of it in 13-grams of the text
        ("answer_related", pa.float32()),  # share of its pairs of Han characters that are in the text; None: it has none
        ("answer_new", pa.string()),  # numbers and Latin names that neither text nor instruction has
        ("answer_new_count", pa.int32()),
        ("answer_rules", pa.string()),  # rules that it hits, of all presets, as preset:rule
        ("answer_tail", pa.string()),  # hedging sentences at its end
    ]
)
CHECKED = pa.schema([*POLISHED, *ANSWER])
PAIR = pa.schema([("source", pa.string()), ("shard", pa.string()), *CHECKED])

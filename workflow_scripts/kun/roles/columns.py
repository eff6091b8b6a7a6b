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
PAIR = pa.schema([("source", pa.string()), ("shard", pa.string()), *POLISHED])

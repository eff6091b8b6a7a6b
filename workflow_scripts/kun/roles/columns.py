"""The columns of a record on its way from primary data to a pair: each stage adds some and takes none away."""

import pyarrow as pa

from kun.corpus.documents import SCHEMA as DOCUMENT

PRIMARY = pa.schema([*DOCUMENT, ("tokens", pa.int32()), ("perplexity", pa.float32()), ("causal_perplexity", pa.float32())])
LABELLED = pa.schema([*PRIMARY, ("instruction", pa.string()), ("instruction_raw", pa.string()), ("label_model", pa.string())])
SCORED = pa.schema([*LABELLED, ("score", pa.float64()), ("score_outside", pa.float64()), ("point_model", pa.string())])
POLISHED = pa.schema([*SCORED, ("output", pa.string()), ("output_raw", pa.string()), ("answer_model", pa.string())])
PAIR = pa.schema([("source", pa.string()), ("shard", pa.string()), *POLISHED])

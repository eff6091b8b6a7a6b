"""A SentencePiece model whose pieces are characters, so that peers that know KenLM through SentencePiece alone can use a character model.

Arguments: a file of texts, one a line; the rules of normalisation (code points in hexadecimal: from, tab, to); the file to write. No piece
is put before a text, and the rules take out spaces: ▁ would be a word that KenLM has never seen.
"""

import sys
from pathlib import Path

import sentencepiece

text, rules, model = sys.argv[1:]
sentencepiece.SentencePieceTrainer.train(
    input=text,
    model_prefix=str(Path(model).with_suffix("")),
    model_type="char",
    vocab_size=65_000,
    hard_vocab_limit=False,
    character_coverage=1.0,
    normalization_rule_tsv=rules,
    add_dummy_prefix=False,
    max_sentence_length=1 << 20,
    num_threads=1,
    minloglevel=2,
)

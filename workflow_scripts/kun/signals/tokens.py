"""How many tokens a text has, by a model's own tokenizer, several times faster than by tokenizing the text.

A byte-pair tokenizer never joins two characters that stand side by side in no entry of its vocabulary. Cut at all such places, a Chinese
text falls into pieces of one to four characters, nearly all of them met before: their counts are remembered and added up. The sum is
exact; the first texts are counted both ways, and a tokenizer that disagrees, or is built another way, is simply called for every text.
"""

import json
from itertools import pairwise

import numpy as np
from tokenizers import Encoding, Tokenizer

from kun.signals.forms import codes_of
from kun.signals.token_cuts import COMMA, Cuts, is_bytewise, may_be_cut
from kun.signals.token_pieces import Memory, Pieces


class TokenCounter:
    """Call it with texts for their numbers of tokens, without special tokens; control tokens in a text count as text."""

    def __init__(self, tokenizer: Tokenizer):
        tokenizer.encode_special_tokens = True
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer = tokenizer
        built = json.loads(tokenizer.to_str())
        self.cuts = Cuts(tokenizer, is_bytewise(built)) if may_be_cut(built) else None
        self.checked = False
        # Longer pieces are addresses, programs, other scripts, and seldom come again.
        self.memories = [Memory(0, 4, bits=20), Memory(4, 16, bits=20)]

    def __call__(self, texts: list[str]) -> list[int]:
        if self.cuts is None:
            return self._tokenized(texts)
        if not self.checked and texts:
            self.checked = True
            sample = texts[:64]
            if self._added_up(sample) != self._tokenized(sample):
                self.cuts = None
        return self._tokenized(texts) if self.cuts is None else self._added_up(texts)

    def _tokenized(self, texts: list[str]) -> list[int]:
        return list(map(len, self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)))

    def _added_up(self, texts: list[str]) -> list[int]:
        form, joined = codes_of(texts), "".join(texts)
        if not joined:
            return [0] * len(texts)
        if "\0" in joined:  # it would be lost in the memories
            return self._tokenized(texts)
        pieces = Pieces.of(joined, form.codes, np.flatnonzero(self.cuts.before(form.codes, form.offsets)))
        counts = np.zeros(len(pieces), dtype=np.int64)
        for memory in self.memories:
            fitting = np.flatnonzero((pieces.sizes > memory.least) & (pieces.sizes <= memory.most))
            counts[fitting] = memory.recall(pieces.some(fitting), self._counted)
        firsts = np.searchsorted(pieces.starts, form.offsets)  # each text begins with a piece of its own
        before = np.concatenate(([0], np.cumsum(counts)))
        long = pieces.some(np.flatnonzero(pieces.sizes > self.memories[-1].most))
        owners = np.searchsorted(form.offsets, long.starts, side="right") - 1
        return (np.diff(before[firsts]) + self._totals(long, owners, len(texts))).tolist()

    def _counted(self, pieces: Pieces) -> np.ndarray:
        """Tokens of each piece. A call costs more than a short piece, so those that commas part go together, and commas are looked for."""
        texts = pieces.texts()
        counts = np.zeros(len(texts), dtype=np.int32)
        counted = np.zeros(len(texts), dtype=bool)
        apart = np.flatnonzero(self.cuts.apart(*pieces.edges())).tolist()
        together = [number for number in apart if COMMA not in texts[number]]
        groups = [together[start : start + 256] for start in range(0, len(together), 256)]
        for group, encoding in zip(groups, self._parted([[texts[number] for number in group] for group in groups]), strict=True):
            commas = np.flatnonzero(np.array(encoding.ids) == self.cuts.comma)
            if len(commas) == len(group) + 1:
                counts[group] = np.diff(commas) - 1
                counted[group] = True
        rest = np.flatnonzero(~counted)
        counts[rest] = self._tokenized([texts[number] for number in rest])
        return counts

    def _totals(self, pieces: Pieces, owners: np.ndarray, count: int) -> np.ndarray:
        """Tokens that the longest pieces add to each of `count` texts; nothing is remembered."""
        totals = np.zeros(count, dtype=np.int64)
        apart = self.cuts.apart(*pieces.edges())
        np.add.at(totals, owners[~apart], self._tokenized(pieces.some(~apart).texts()))
        texts, owned = pieces.some(apart).texts(), owners[apart]
        borders = [*np.flatnonzero(np.diff(owned, prepend=-1)).tolist(), len(texts)]
        groups = [texts[start:end] for start, end in pairwise(borders)]
        for border, group, encoding in zip(borders[:-1], groups, self._parted(groups), strict=True):
            totals[owned[border]] += len(encoding) - (len(group) + 1)
        return totals

    def _parted(self, groups: list[list[str]]) -> list[Encoding]:
        return self.tokenizer.encode_batch_fast([COMMA + COMMA.join(group) + COMMA for group in groups], add_special_tokens=False)

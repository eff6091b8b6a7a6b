"""How many tokens a text has, by a model's own tokenizer, several times faster than by tokenizing the text.

A byte-pair tokenizer never joins two characters that stand side by side in no entry of its vocabulary. Cut at all such places, a Chinese
text falls into pieces of one to four characters, nearly all of them met before: their counts are remembered and added up. The sum is
exact; the first texts are counted both ways, and a tokenizer that disagrees, or is built another way, is simply called for every text.
"""

import json

import numpy as np
from tokenizers import Tokenizer

from kun.signals.forms import codes_of

_PLANE = 0x10000
_PAIR_BITS = 21  # of a cell in the table of pairs; two pairs in one cell cost a cut, never a token
_SHORT = 4  # characters of 16 bits that make a key of 64
_SLOTS = 1 << 19  # of the table of short pieces
_REMEMBERED = 16  # characters; longer pieces are names, addresses, other scripts, and seldom come again
_MOST = 1_000_000  # remembered pieces, about 100 MB
_COMMA = "，"


class TokenCounter:
    """Call it with texts for their numbers of tokens, without special tokens; control tokens in a text count as text."""

    def __init__(self, tokenizer: Tokenizer):
        tokenizer.encode_special_tokens = True
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer = tokenizer
        self.cuts = _Cuts(tokenizer) if _may_be_cut(json.loads(tokenizer.to_str())) else None
        self.checked = False
        self.known: dict[str, int] = {}
        comma = tokenizer.encode(_COMMA, add_special_tokens=False).ids
        self.comma = comma[0] if len(comma) == 1 else None
        # The short pieces met last, by a hash of their characters: looked up for a whole batch at once.
        self.keys, self.counts = np.zeros(_SLOTS, dtype=np.uint64), np.zeros(_SLOTS, dtype=np.int64)

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
        return [len(encoding.ids) for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def _added_up(self, texts: list[str]) -> list[int]:
        form = codes_of(texts)
        if not len(form.codes):
            return [0] * len(texts)
        starts = np.flatnonzero(self.cuts.before(form.codes, form.offsets))
        ends = np.append(starts[1:], len(form.codes))
        keys = _keys(form.codes, starts, ends - starts)
        slots = _slots(keys)
        counts = np.where(self.keys[slots] == keys, self.counts[slots], -1)
        missing = np.flatnonzero((counts < 0) | (keys == 0))
        if len(missing):
            joined = "".join(texts)
            pieces = list(map(joined.__getitem__, map(slice, starts[missing].tolist(), ends[missing].tolist())))
            counts[missing] = self._looked_up(pieces)
            short = missing[keys[missing] > 0]
            self.keys[slots[short]] = keys[short]
            # Two pieces may claim one slot in one batch: whichever numpy wrote last into `keys` has to own the count as well.
            own = short[self.keys[slots[short]] == keys[short]]
            self.counts[slots[own]] = counts[own]
        before = np.concatenate(([0], np.cumsum(counts)))
        firsts = np.searchsorted(starts, form.offsets)  # each text begins with a piece of its own
        return np.diff(before[firsts]).tolist()

    def _looked_up(self, pieces: list[str]) -> list[int]:
        known = self.known
        if len(known) > _MOST:
            known.clear()
        counts = list(map(known.get, pieces))
        if None in counts:
            found = self._counted(list({piece: 0 for piece, count in zip(pieces, counts, strict=True) if count is None}))
            known.update((piece, count) for piece, count in found.items() if len(piece) <= _REMEMBERED)
            counts = [found[piece] if count is None else count for piece, count in zip(pieces, counts, strict=True)]
        return counts

    def _counted(self, pieces: list[str]) -> dict[str, int]:
        """Tokens of each piece. Calling the tokenizer costs more than a short piece, so those that a comma parts go in one text."""
        parted = set(self.cuts.parted(pieces, _COMMA)) if self.comma is not None else set()
        alone, together = [piece for piece in pieces if piece not in parted], [piece for piece in pieces if piece in parted]
        counts = dict(zip(alone, self._tokenized(alone), strict=True))
        groups = [together[start : start + 64] for start in range(0, len(together), 64)]
        lines = [_COMMA + _COMMA.join(group) + _COMMA for group in groups]
        for group, encoding in zip(groups, self.tokenizer.encode_batch_fast(lines, add_special_tokens=False), strict=True):
            commas = np.flatnonzero(np.array(encoding.ids) == self.comma)
            apart = len(commas) == len(group) + 1
            counts.update(zip(group, (np.diff(commas) - 1).tolist() if apart else self._tokenized(group), strict=True))
        return counts


def _keys(codes: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The characters of each piece as one number, 0 for a piece that is too long or beyond the first plane."""
    plain = np.concatenate((codes, np.zeros(_SHORT, dtype=np.uint32))).astype(np.uint64)
    ahead = plain[: len(codes)].copy()  # each character with the three after it
    for place in range(1, _SHORT):
        ahead |= plain[place : len(codes) + place] << np.uint64(16 * place)
    keys = ahead[starts] & _MASKS[np.minimum(lengths, _SHORT + 1)]
    if codes.max() >= _PLANE:  # these spill over into their neighbours' bits
        high = np.concatenate(([0], np.cumsum(codes >= _PLANE)))
        keys[high[starts + lengths] > high[starts]] = 0
    return keys


# By a piece's length, up to one beyond the longest that has a key.
_MASKS = np.array([0, *(2 ** (16 * length) - 1 for length in range(1, _SHORT + 1)), 0], dtype=np.uint64)


def _slots(keys: np.ndarray) -> np.ndarray:
    return ((keys * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(45)).astype(np.intp)


class _Cuts:
    """Where a text may be cut: between two characters, both Han or Chinese signs, that no token holds side by side.

    White space and other scripts are never cut from their neighbours, because the rules that split a text into words look around there.
    """

    def __init__(self, tokenizer: Tokenizer):
        self.alone = _characters_that_may_stand_alone(tokenizer)
        self.together = np.zeros(1 << _PAIR_BITS, dtype=bool)
        # Tokens that begin or end within a character (byte-level ones may): bit k of `left` for a character that may end the left part
        # of the k-th such token, of `right` for one that may begin its right part. Tokens share bits when there are more than 64.
        self.left, self.right = np.zeros(_PLANE, dtype=np.uint64), np.zeros(_PLANE, dtype=np.uint64)
        pairs: set[tuple[int, int]] = set()
        torn = 0
        for token in _tokens_as_bytes(tokenizer):
            for left, right in _sides(token):
                if _is_whole(left) and _is_whole(right):
                    pairs.add((ord(left.decode()), ord(right.decode())))
                else:
                    bit = np.uint64(1) << np.uint64(torn % 64)
                    torn += 1
                    self.left[_ending(left)] |= bit
                    self.right[_beginning(right)] |= bit
        self.torn = torn > 0
        if pairs:
            both = np.array(sorted(pairs), dtype=np.uint32)
            self.together[_cell(both[:, 0], both[:, 1])] = True

    def before(self, codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """For each character, whether a piece begins with it. `offsets`: where texts begin (and the end)."""
        low = np.minimum(codes, _PLANE - 1).astype(np.intp)  # the last code of the plane is no character
        alone = self.alone[low]
        begins = np.ones(len(codes), dtype=bool)
        begins[1:] = alone[:-1] & alone[1:] & ~self.together[_cell(low[:-1], low[1:])]
        if self.torn:
            begins[1:] &= (self.left[low[:-1]] & self.right[low[1:]]) == 0
        begins[offsets[:-1][offsets[:-1] < len(codes)]] = True
        return begins

    def parted(self, pieces: list[str], sign: str) -> list[str]:
        """The pieces that stay apart from the sign when it stands before and after each."""
        form = codes_of([sign + piece for piece in pieces] + [sign])
        begins = self.before(form.codes, np.array([0, len(form.codes)]))
        firsts = form.offsets[:-1]
        apart = begins[firsts[:-1] + 1] & begins[firsts[1:]]
        return [piece for piece, fits in zip(pieces, apart.tolist(), strict=True) if fits and sign not in piece]


def _may_be_cut(built: dict) -> bool:
    """Is it byte-pair encoding that spells unknown characters as bytes, without marks added to a text's or a word's ends?"""
    model = built["model"]
    steps = _steps(built["pre_tokenizer"], "pretokenizers")
    bytewise = model.get("byte_fallback") or any(step["type"] == "ByteLevel" for step in steps)
    plain = not any(model.get(name) for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"))
    return (
        model["type"] == "BPE"
        and bool(bytewise)
        and plain
        and all(
            step["type"] in ("ByteLevel", "Split", "Digits", "Punctuation") and not step.get("add_prefix_space") for step in steps
        )
        and all(step["type"] in ("Replace", "NFC", "NFKC", "NFD", "NFKD") for step in _steps(built["normalizer"], "normalizers"))
    )


def _steps(part: dict | None, inner: str) -> list[dict]:
    return [] if part is None else part[inner] if part["type"] == "Sequence" else [part]


def _characters_that_may_stand_alone(tokenizer: Tokenizer) -> np.ndarray:
    """Han characters, Chinese and full-width signs that the tokenizer's own normaliser leaves as they are."""
    alone = np.zeros(_PLANE, dtype=bool)
    for first, last in ((0x3001, 0x3020), (0x3400, 0x9FFF), (0xFF01, 0xFF60)):
        alone[first : last + 1] = True
    if tokenizer.normalizer is not None:
        for code in np.flatnonzero(alone).tolist():
            alone[code] = tokenizer.normalizer.normalize_str(chr(code)) == chr(code)
    return alone


def _tokens_as_bytes(tokenizer: Tokenizer) -> list[bytes]:
    steps = _steps(json.loads(tokenizer.to_str())["pre_tokenizer"], "pretokenizers")
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    words = list(tokenizer.get_vocab(with_added_tokens=False))
    if any(step["type"] == "ByteLevel" for step in steps):
        spelled = _alphabet_of_bytes()
        return [bytes(map(spelled.get, word)) for word in words if all(map(spelled.__contains__, word))] + [
            word.encode() for word in added
        ]
    return [word.encode() for word in words + added]


def _alphabet_of_bytes() -> dict[str, int]:
    """GPT-2's spelling of bytes as printable characters: printable Latin-1 as itself, the others in order from U+0100 on."""
    itself = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in itself]
    return {chr(byte): byte for byte in itself} | {chr(0x100 + place): byte for place, byte in enumerate(others)}


def _sides(token: bytes) -> list[tuple[bytes, bytes]]:
    """For each place between two characters of a token: the last character before it and the first after it, either maybe torn."""
    borders = [place for place in range(1, len(token)) if token[place] & 0xC0 != 0x80]
    edges = [0, *borders, len(token)]
    return [(token[a:b], token[b:c]) for a, b, c in zip(edges, edges[1:], edges[2:], strict=False)]


def _is_whole(part: bytes) -> bool:
    try:
        return len(part.decode()) == 1
    except UnicodeDecodeError:
        return False


def _utf8_of_plane() -> np.ndarray:
    """The three UTF-8 bytes of each character from U+0800 on, in rows by code point."""
    codes = np.arange(_PLANE)
    return np.stack([0xE0 | codes >> 12, 0x80 | codes >> 6 & 0x3F, 0x80 | codes & 0x3F], axis=1).astype(np.uint8)


_UTF8 = _utf8_of_plane()


def _ending(part: bytes) -> np.ndarray:
    """Which characters of three bytes end with these bytes."""
    return (_UTF8[:, 3 - len(part) :] == np.frombuffer(part, np.uint8)).all(axis=1) if len(part) <= 3 else np.zeros(_PLANE, bool)


def _beginning(part: bytes) -> np.ndarray:
    return (_UTF8[:, : len(part)] == np.frombuffer(part, np.uint8)).all(axis=1) if len(part) <= 3 else np.zeros(_PLANE, bool)


def _cell(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    mixed = left.astype(np.uint32) * np.uint32(0x9E3779B1)
    mixed ^= right.astype(np.uint32) * np.uint32(0x85EBCA77)
    return mixed >> np.uint32(32 - _PAIR_BITS)

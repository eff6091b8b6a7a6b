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

_PLANE = 0x10000
_SPACE = 0x20
_PAIR_BITS = 21  # of a cell in the table of pairs; two pairs in one cell cost a cut, never a token
_SHORT = 4  # characters of 16 bits that make a key of 64
_SLOT_BITS = 20  # of the table of short pieces
_REMEMBERED = 16  # characters; longer pieces are addresses, programs, other scripts, and seldom come again
_MOST = 300_000  # remembered pieces beyond the short ones, about 40 MB
_COMMA = "，"


class TokenCounter:
    """Call it with texts for their numbers of tokens, without special tokens; control tokens in a text count as text."""

    def __init__(self, tokenizer: Tokenizer):
        tokenizer.encode_special_tokens = True
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer = tokenizer
        built = json.loads(tokenizer.to_str())
        self.cuts = _Cuts(tokenizer, _is_bytewise(built)) if _may_be_cut(built) else None
        self.checked = False
        # The short pieces met before, by a hash of their characters: looked up for a whole batch at once. A newcomer takes the place
        # of an older piece with the same hash.
        self.keys, self.counts = np.zeros(1 << _SLOT_BITS, dtype=np.uint64), np.zeros(1 << _SLOT_BITS, dtype=np.int32)
        self.known: dict[str, int] = {}  # longer ones

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
        form = codes_of(texts)
        if not len(form.codes):
            return [0] * len(texts)
        joined = "".join(texts)
        starts = np.flatnonzero(self.cuts.before(form.codes, form.offsets))
        ends = np.append(starts[1:], len(form.codes))
        keys = _keys(form.codes, starts, ends - starts)
        slots = _slots(keys)
        known = (self.keys[slots] == keys) & (keys > 0)
        counts = np.where(known, self.counts[slots], 0)

        new = np.flatnonzero(~known & (keys > 0))
        unique, first, places = np.unique(keys[new], return_index=True, return_inverse=True)
        first = new[first]
        found = self._counted(joined, starts[first], ends[first], form.codes)
        counts[new] = found[places]
        self.keys[slots[first]], self.counts[slots[first]] = unique, found

        longer = np.flatnonzero((keys == 0) & (ends - starts <= _REMEMBERED))
        counts[longer] = self._remembered(joined, starts[longer], ends[longer], form.codes)

        firsts = np.searchsorted(starts, form.offsets)  # each text begins with a piece of its own
        before = np.concatenate(([0], np.cumsum(counts)))
        long = np.flatnonzero((keys == 0) & (ends - starts > _REMEMBERED))
        owners = np.searchsorted(form.offsets, starts[long], side="right") - 1
        totals = np.diff(before[firsts]) + self._totals(joined, starts[long], ends[long], form.codes, owners, len(texts))
        return totals.tolist()

    def _remembered(self, joined: str, starts: np.ndarray, ends: np.ndarray, codes: np.ndarray) -> list[int]:
        """Tokens of each piece: mostly words of several characters, and other scripts' words."""
        if len(self.known) > _MOST:
            self.known.clear()
        pieces = _slices(joined, starts, ends)
        places = {piece: place for place, piece in enumerate(pieces) if piece not in self.known}
        if places:
            asked = np.fromiter(places.values(), dtype=np.int64, count=len(places))
            self.known.update(zip(places, self._counted(joined, starts[asked], ends[asked], codes).tolist(), strict=True))
        return list(map(self.known.__getitem__, pieces))

    def _counted(self, joined: str, starts: np.ndarray, ends: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Tokens of each piece. A call costs more than a short piece, so those that commas part go together, and commas are looked for."""
        pieces = _slices(joined, starts, ends)
        counts = np.zeros(len(pieces), dtype=np.int32)
        counted = np.zeros(len(pieces), dtype=bool)
        apart = np.flatnonzero(self.cuts.apart(codes[starts], codes[ends - 1])).tolist()
        together = [number for number in apart if _COMMA not in pieces[number]]
        groups = [together[start : start + 64] for start in range(0, len(together), 64)]
        for group, encoding in zip(groups, self._parted([[pieces[number] for number in group] for group in groups]), strict=True):
            commas = np.flatnonzero(np.array(encoding.ids) == self.cuts.comma)
            if len(commas) == len(group) + 1:
                counts[group] = np.diff(commas) - 1
                counted[group] = True
        rest = np.flatnonzero(~counted)
        counts[rest] = self._tokenized([pieces[number] for number in rest])
        return counts

    def _totals(
        self, joined: str, starts: np.ndarray, ends: np.ndarray, codes: np.ndarray, owners: np.ndarray, count: int
    ) -> np.ndarray:
        """Tokens that the longest pieces add to each of `count` texts; nothing is remembered."""
        totals = np.zeros(count, dtype=np.int64)
        apart = self.cuts.apart(codes[starts], codes[ends - 1])
        alone = np.flatnonzero(~apart)
        np.add.at(totals, owners[alone], self._tokenized(_slices(joined, starts[alone], ends[alone])))
        pieces, owned = _slices(joined, starts[apart], ends[apart]), owners[apart]
        borders = [*np.flatnonzero(np.diff(owned, prepend=-1)).tolist(), len(pieces)]
        groups = [pieces[start:end] for start, end in pairwise(borders)]
        for border, group, encoding in zip(borders[:-1], groups, self._parted(groups), strict=True):
            totals[owned[border]] += len(encoding) - (len(group) + 1)
        return totals

    def _parted(self, groups: list[list[str]]) -> list[Encoding]:
        return self.tokenizer.encode_batch_fast(
            [_COMMA + _COMMA.join(group) + _COMMA for group in groups], add_special_tokens=False
        )


def _slices(joined: str, starts: np.ndarray, ends: np.ndarray) -> list[str]:
    return list(map(joined.__getitem__, map(slice, starts.tolist(), ends.tolist())))


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
    return ((keys * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - _SLOT_BITS)).astype(np.intp)


class _Cuts:
    """Where a text may be cut: between two characters that no token holds side by side, neither of them white space and one of them
    Han; and before a single space.

    Rules that divide a text into words before merging look at what stands around white space, at runs of signs, of digits, of Latin
    letters; beside a Han character they end a run whatever comes, and a single space they leave to the word after it. Where there are
    no such rules a text may be cut anywhere.
    """

    def __init__(self, tokenizer: Tokenizer, bytewise: bool):
        self.han = _may_stand_alone(tokenizer, (0x3400, 0x9FFF))
        self.alone = self.han | _may_stand_alone(tokenizer, (0x21, 0x7E), (0x3001, 0x3020), (0xFF01, 0xFF60))
        word = self.han | _may_stand_alone(tokenizer, (0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A))
        if tokenizer.pre_tokenizer is None:
            self.alone |= _may_stand_alone(tokenizer, (0x0A, 0x0A))
            self.han = word = self.alone
        # Llama and its kin write a space as ▁, in the text as in the vocabulary.
        self.space = tokenizer.normalizer is None or tokenizer.normalizer.normalize_str(" a b") in (" a b", "▁a▁b")
        self.together = np.zeros(1 << _PAIR_BITS, dtype=bool)
        # Tokens that begin or end within a character (byte-level ones may): bit k of `left` for a character that may end the left part
        # of the k-th such token, of `right` for one that may begin its right part. Tokens share bits when there are more than 64.
        self.left, self.right = np.zeros(_PLANE, dtype=np.uint64), np.zeros(_PLANE, dtype=np.uint64)
        pairs: set[tuple[int, int]] = set()
        torn = 0
        for token in _tokens_as_bytes(tokenizer, bytewise):
            for left, right in _sides(token.replace("▁".encode(), b" ")):
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
        comma = tokenizer.encode(_COMMA, add_special_tokens=False).ids
        self.comma = comma[0]
        every, sign = np.arange(_PLANE), np.full(_PLANE, ord(_COMMA))
        usable = self.alone[sign] & (len(comma) == 1)
        after, ending = word.copy(), word
        after[_SPACE] = self.space
        self.after_comma = usable & after & ~self.together[_cell(sign, every)] & ((self.left[sign] & self.right) == 0)
        self.before_comma = usable & ending & ~self.together[_cell(every, sign)] & ((self.left & self.right[sign]) == 0)

    def before(self, codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """For each character, whether a piece begins with it. `offsets`: where texts begin (and the end)."""
        low = np.minimum(codes, _PLANE - 1).astype(np.intp)  # the last code of the plane is no character
        alone, han = self.alone[low], self.han[low]
        fits = np.zeros(len(codes), dtype=bool)
        fits[1:] = alone[:-1] & alone[1:] & (han[:-1] | han[1:])
        if self.space:
            blank = np.append(low <= _SPACE, True)  # the text's end counts as white space
            spaces = np.flatnonzero(low == _SPACE)
            spaces = spaces[spaces > 0]
            fits[spaces] = alone[spaces - 1] & ~blank[spaces + 1]
        fits[1:] &= ~self.together[_cell(low[:-1], low[1:])]
        if self.torn:
            fits[1:] &= (self.left[low[:-1]] & self.right[low[1:]]) == 0
        fits[offsets[:-1][offsets[:-1] < len(codes)]] = True
        return fits

    def apart(self, firsts: np.ndarray, lasts: np.ndarray) -> np.ndarray:
        """For each piece, by its first and last character, whether commas on both sides stay tokens of their own."""
        return self.after_comma[np.minimum(firsts, _PLANE - 1)] & self.before_comma[np.minimum(lasts, _PLANE - 1)]


def _may_be_cut(built: dict) -> bool:
    """Is it byte-pair encoding that spells unknown characters as bytes, without marks added to a text's or a word's ends?"""
    model = built["model"]
    steps = _steps(built["pre_tokenizer"], "pretokenizers")
    plain = not any(model.get(name) for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"))
    return (
        model["type"] == "BPE"
        and (model.get("byte_fallback", False) or _is_bytewise(built))
        and plain
        and all(
            step["type"] in ("ByteLevel", "Split", "Digits", "Punctuation") and not step.get("add_prefix_space") for step in steps
        )
        and all(step["type"] in ("Replace", "NFC", "NFKC", "NFD", "NFKD") for step in _steps(built["normalizer"], "normalizers"))
    )


def _is_bytewise(built: dict) -> bool:
    """Does it take texts apart into bytes, and spell its tokens in bytes?"""
    return any(step["type"] == "ByteLevel" for step in _steps(built["pre_tokenizer"], "pretokenizers"))


def _steps(part: dict | None, inner: str) -> list[dict]:
    return [] if part is None else part[inner] if part["type"] == "Sequence" else [part]


def _may_stand_alone(tokenizer: Tokenizer, *ranges: tuple[int, int]) -> np.ndarray:
    """The characters in these ranges that the tokenizer's own normaliser leaves as they are."""
    alone = np.zeros(_PLANE, dtype=bool)
    for first, last in ranges:
        alone[first : last + 1] = True
    if tokenizer.normalizer is not None:
        for code in np.flatnonzero(alone).tolist():
            alone[code] = tokenizer.normalizer.normalize_str(chr(code)) == chr(code)
    return alone


def _tokens_as_bytes(tokenizer: Tokenizer, bytewise: bool) -> list[bytes]:
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    words = list(tokenizer.get_vocab(with_added_tokens=False))
    if bytewise:
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
    """Which characters of one byte or of three end with these bytes."""
    found = (_UTF8[:, 3 - len(part) :] == np.frombuffer(part, np.uint8)).all(axis=1) if len(part) <= 3 else np.zeros(_PLANE, bool)
    return _with_ascii(found, part)


def _beginning(part: bytes) -> np.ndarray:
    found = (_UTF8[:, : len(part)] == np.frombuffer(part, np.uint8)).all(axis=1) if len(part) <= 3 else np.zeros(_PLANE, bool)
    return _with_ascii(found, part)


def _with_ascii(found: np.ndarray, part: bytes) -> np.ndarray:
    if len(part) == 1 and part[0] < 0x80:
        found[part[0]] = True
    return found


def _cell(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    mixed = left.astype(np.uint32) * np.uint32(0x9E3779B1)
    mixed ^= right.astype(np.uint32) * np.uint32(0x85EBCA77)
    return mixed >> np.uint32(32 - _PAIR_BITS)

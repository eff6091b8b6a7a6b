"""Where a text may be cut so that a byte-pair tokenizer's tokens of the pieces are those of the text.

Knows the tokenizer's vocabulary and rules; tokenizes nothing but single characters and a comma.
"""

import numpy as np
from tokenizers import Tokenizer

_PLANE = 0x10000
_SPACE = 0x20
_PAIR_BITS = 21  # of a cell in the table of pairs; two pairs in one cell cost a cut, never a token
COMMA = "，"


class Cuts:
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
        comma = tokenizer.encode(COMMA, add_special_tokens=False).ids
        self.comma = comma[0]
        every, sign = np.arange(_PLANE), np.full(_PLANE, ord(COMMA))
        usable = self.alone[sign] & (len(comma) == 1)
        after, ending = word.copy(), word
        after[_SPACE] = self.space
        self.after_comma = usable & after & ~self.together[_cell(sign, every)] & ((self.left[sign] & self.right) == 0)
        self.before_comma = usable & ending & ~self.together[_cell(every, sign)] & ((self.left & self.right[sign]) == 0)

    def before(self, codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """For each character, whether a piece begins with it. `offsets`: where texts begin (and the end)."""
        low = np.minimum(codes, _PLANE - 1)  # the last code of the plane is no character
        indices = low.astype(np.intp)
        alone, han = self.alone[indices], self.han[indices]
        fits = np.zeros(len(codes), dtype=bool)
        fits[1:] = alone[:-1] & alone[1:] & (han[:-1] | han[1:])
        if self.space:
            blank = np.append(low <= _SPACE, True)  # the text's end counts as white space
            spaces = np.flatnonzero(low == _SPACE)
            spaces = spaces[spaces > 0]
            fits[spaces] = alone[spaces - 1] & ~blank[spaces + 1]
        fits[1:] &= ~self.together[_cell(low[:-1], low[1:])]
        if self.torn:
            fits[1:] &= (self.left[indices[:-1]] & self.right[indices[1:]]) == 0
        fits[offsets[:-1][offsets[:-1] < len(codes)]] = True
        return fits

    def apart(self, firsts: np.ndarray, lasts: np.ndarray) -> np.ndarray:
        """For each piece, by its first and last character, whether commas on both sides stay tokens of their own."""
        return self.after_comma[np.minimum(firsts, _PLANE - 1)] & self.before_comma[np.minimum(lasts, _PLANE - 1)]


def may_be_cut(built: dict) -> bool:
    """Is it byte-pair encoding that spells unknown characters as bytes, without marks added to a text's or a word's ends?"""
    model = built["model"]
    steps = _steps(built["pre_tokenizer"], "pretokenizers")
    plain = not any(model.get(name) for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"))
    return (
        model["type"] == "BPE"
        and (model.get("byte_fallback", False) or is_bytewise(built))
        and plain
        and all(
            step["type"] in ("ByteLevel", "Split", "Digits", "Punctuation") and not step.get("add_prefix_space") for step in steps
        )
        and all(step["type"] in ("Replace", "NFC", "NFKC", "NFD", "NFKD") for step in _steps(built["normalizer"], "normalizers"))
    )


def is_bytewise(built: dict) -> bool:
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
    mixed = left.astype(np.uint32, copy=False) * np.uint32(0x9E3779B1)
    mixed ^= right.astype(np.uint32, copy=False) * np.uint32(0x85EBCA77)
    return (mixed >> np.uint32(32 - _PAIR_BITS)).astype(np.intp)

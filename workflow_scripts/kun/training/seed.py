"""Seed pairs: from a turn to a pair, the side of the split it is on, and what its own text says against it. Knows no files, no other pairs."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from kun.books.digests import digest
from kun.books.tables import Row
from kun.corpus.normalise import bare, readable
from kun.settings.corpus import AS_WRITTEN
from kun.settings.training import Seed
from kun.signals.characters import is_han, shares
from kun.signals.forms import codes_of
from kun.training.turns import BadPair, Turn
from kun.training.wrappers import left_of_template, unwrapped

SCHEMA = pa.schema(
    [
        ("id", pa.string()),  # of instruction and output
        ("instruction", pa.string()),
        ("output", pa.string()),
        ("held_out", pa.bool_()),
        ("locator", pa.string()),  # of the record
        ("turn", pa.int32()),  # of the record's dialogue, from 0
        ("system", pa.string()),  # the dialogue's system message, which is no part of the instruction
        ("file", pa.string()),  # as seed.files has it
        ("format", pa.string()),
        ("han_share", pa.float32()),  # of the letters, on the side that has more
    ]
)

# What somebody says in a conversation: it tells nothing by itself. The whole of an instruction's letters and digits.
_REMARK = re.compile(
    "继续|请继续|继续写|继续说|接着说|接着写|往下说|然后呢|还有呢|还有吗|为什么|为什么呢|再来一个|再来一次|"
    "再说一遍|再写一遍|换一个|详细一点|谢谢|谢谢你|谢谢您|多谢|感谢|感谢你|非常感谢|好|好的|好吧|好谢谢|"
    "好的谢谢|嗯|嗯嗯|是|是的|是啊|对|对的|对啊|没错|正确|正确的|很好|不是|不对|不行|不是的|你说得对|您说得对|"
    "你确定吗|真的吗|蛤|啊|什么|什么意思|continue|goon|thanks|thankyou|yes|no|ok|okay|why|really"
)
# In a later turn: its beginning goes on from the turn before, or it names what was said.
_REFERS = re.compile(
    r"^(?:那么?|那你|还有|另外|再|然后|接着|继续|请继续|这个|这些|这段|这样|那个|那些|它|他|她|其中|第[一二三四五六七八九十0-9]{1,3}[个条点步种段句首项])"
    r"|上面的|上述|以上(?!学历)|刚才|刚刚|前面(?:说|提|讲)|[你您](?:刚才|之前|上面|前面)?(?:说的|提到的|写的|给的|列的|讲的)"
)


def to_pair(turn: Turn, locator: str, file: str, format: str, settings: Seed) -> Row:
    """A row of SCHEMA, its han_share still open. Raises BadPair for one of whose sides nothing is left (empty)."""
    sides = {"instruction": readable(turn.instruction, AS_WRITTEN), "output": readable(turn.output, AS_WRITTEN)}
    if settings.wrappers == "strip":
        sides = {side: unwrapped(text, side) for side, text in sides.items()}
    if not bare(sides["instruction"]):
        raise BadPair("empty", "the instruction has no letter and no digit")
    if not sides["output"]:
        raise BadPair("empty", "the output")
    return {
        "id": digest(sides["instruction"], sides["output"]),
        **sides,
        "held_out": is_held_out(sides["instruction"], settings.held_out),
        "locator": locator,
        "turn": turn.number,
        "system": readable(turn.system, AS_WRITTEN),
        "file": file,
        "format": format,
        "han_share": None,
    }


def is_held_out(instruction: str, share: float) -> bool:
    """By the instruction's content alone: the side stays when pairs are added, moved or answered better."""
    return int(digest(bare(instruction), size=4), 16) / 2**32 < share


def with_han_share(rows: Sequence[Row]) -> list[Row]:
    sides = (_han_shares([row[side] for row in rows]).tolist() for side in ("instruction", "output"))
    return [row | {"han_share": max(pair)} for row, *pair in zip(rows, *sides, strict=True)]


def _han_shares(texts: list[str]) -> np.ndarray:
    """Of the letters; 0 for Japanese, which is told by more than one kana to two Han characters (in 5,394 real pairs, no Chinese side had
    more than one to three, and no Japanese one fewer than three to five)."""
    form = codes_of(texts)
    kana, han = form.where((form.codes >= 0x3041) & (form.codes <= 0x30FA)).lengths, form.where(is_han(form.codes)).lengths
    return np.where(2 * kana > han, 0, shares(form)["han_share"])


def reason_to_drop(row: Row, settings: Seed) -> tuple[str, str] | None:
    """(reason, detail) by the pair's own text: wrapper | refers_back | too_short | too_long | wrong_language."""
    instruction, output = row["instruction"], row["output"]
    for side in ("instruction", "output"):
        if found := left_of_template(row[side], side):
            return "wrapper", f"{side}: {found}"
    if _REMARK.fullmatch(bare(instruction)):
        return "refers_back", "a remark, no instruction"
    if row["turn"] and (found := _REFERS.search(instruction)):
        return "refers_back", f"turn {row['turn']}: {found[0]}"
    for side, least in (("instruction", settings.min_instruction), ("output", settings.min_output)):
        if len(row[side]) < least:
            return "too_short", f"{side}: {len(row[side])} characters"
    if (length := len(instruction) + len(output)) > settings.max_characters:
        return "too_long", f"{length} characters"
    # 1+2=? is in no language.
    if row["han_share"] < settings.min_han_share and any(map(str.isalpha, instruction + output)):
        return "wrong_language", f"Han share {row['han_share']:.2f}"
    return None

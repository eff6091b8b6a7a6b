"""What a prompt template leaves in a pair: labels such as `### Response:` and control tokens. Knows one text of a pair at a time.

Labels that a heading's signs mark are looked for at the beginning of every line. Bare ones (Human:) count only where a template puts them: at
the beginning of their side, and in an answer also where it goes on to ask itself. Bare Chinese ones (指令：, 用户：) do not count: all that were
found in 6,188 real pairs were dialogues that had been asked for.
No pattern repeats anything without a bound.
"""

import re

_TOKENS = r"<\|[A-Za-z_]{2,24}\|>|\[/?INST\]|<</?SYS>>"
_HEADING = r"#{2,4}[ \t]{0,3}(?:Instruction|Response|Input|Output|Human|Assistant|User|System|指令|指示|回答|回复|输入|输出)[ \t]{0,3}[:：]"
_LABELS = {
    "instruction": r"(?:Human|User|Instruction)[ \t]{0,3}[:：]",
    "output": r"(?:Assistant|Response|Human|Instruction)[ \t]{0,3}[:：]",
}
_ASKS_ITSELF = {"instruction": r"(?!)", "output": r"^(?:Human|Instruction)[ \t]{0,3}[:：]"}
_LEFT = {
    side: re.compile(rf"{_TOKENS}|</s>|^[ \t]{{0,8}}{_HEADING}|\A{label}|{_ASKS_ITSELF[side]}", re.MULTILINE)
    for side, label in _LABELS.items()
}
_AT_START = {side: re.compile(rf"\A(?:{_TOKENS}|<s>|{_HEADING}|{label})\s{{0,99}}") for side, label in _LABELS.items()}
_MOST = 20
_AT_END = re.compile(rf"(?:{_TOKENS}|</s>)\Z")


def left_of_template(text: str, side: str) -> str | None:
    """The first such thing in an instruction or output, or None."""
    found = _LEFT[side].search(text)
    return found[0].strip() if found else None


def unwrapped(text: str, side: str) -> str:
    """The text without labels and tokens at its beginning and tokens at its end, _MOST of each at most: each costs a copy of the text."""
    for _ in range(_MOST):
        stripped = _AT_END.sub("", _AT_START[side].sub("", text, count=1)).strip()
        if stripped == text:
            break
        text = stripped
    return text

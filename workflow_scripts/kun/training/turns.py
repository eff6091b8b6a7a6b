"""From a seed record of any published format to its turns: what somebody asked and what was answered. Knows fields and roles, no texts.

A format is told by its fields, record by record. Where a record has the fields of several, the first in FORMATS counts.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

FORMATS: dict[str, tuple[str, ...]] = {
    "messages": ("messages",),
    "sharegpt": ("conversations",),
    "prompt_completion": ("prompt", "completion"),
    "alpaca": ("instruction", "output"),
}
FIELDS = [*(field for fields in FORMATS.values() for field in fields), "input", "system", "history"]
ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}


class Turn(NamedTuple):
    number: int  # in its dialogue, from 0
    system: str  # what the dialogue's system message says; "" without one
    instruction: str
    output: str


class BadPair(Exception):
    """No turn here, and none after it in this dialogue: a reason, and words for a person.

    Reasons: missing_field | not_text | lone_surrogate | unknown_role | misplaced_system | assistant_first | two_users | two_assistants |
    no_answer (the last message is the user's) | no_turn (nobody asks or answers).
    """

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def format_of(value: dict[str, Any]) -> str:
    """The format whose fields all say something, else one of which there is a field. Raises BadPair."""
    for format, fields in FORMATS.items():
        if all(value.get(field) not in (None, "", []) for field in fields):
            return format
    for format, fields in FORMATS.items():
        if any(field in value for field in fields):
            return format
    raise BadPair("missing_field", f"no field of a known format; it has {', '.join(sorted(map(ascii, value)))[:200]}")


def turns_of(value: dict[str, Any], format: str) -> Iterator[Turn]:
    """The record's turns in order. Raises BadPair where one is wrong: what follows cannot be told to be question or answer."""
    if format == "alpaca":
        yield from _alpaca(value)
    elif format == "prompt_completion":
        yield from _prompt_and_completion(value)
    else:
        yield from _dialogue(value.get(FORMATS[format][0]))


def _alpaca(value: dict[str, Any]) -> Iterator[Turn]:
    """A non-empty `input` goes under the instruction. What `history` holds came before."""
    system, history = _text(value, "system", ""), value.get("history") or []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise BadPair("not_text", "field 'history' is no list of [question, answer]")
    for number, (asked, answered) in enumerate(history):
        yield Turn(number, system, _whole(asked, "history"), _whole(answered, "history"))
    asked = "\n".join(filter(None, (_text(value, "instruction"), _text(value, "input", ""))))
    yield Turn(len(history), system, asked, _text(value, "output"))


def _prompt_and_completion(value: dict[str, Any]) -> Iterator[Turn]:
    """Both plain texts, or both messages."""
    prompt, completion = value.get("prompt"), value.get("completion")
    if isinstance(prompt, list) and isinstance(completion, list):
        yield from _dialogue([*prompt, *completion])
    else:
        yield Turn(0, "", _text(value, "prompt"), _text(value, "completion"))


def _dialogue(messages: Any) -> Iterator[Turn]:
    if messages is None:
        raise BadPair("missing_field", "no messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise BadPair("not_text", "no list of messages")
    number, system, asked = 0, [], None
    for message in messages:
        named = message.get("from") or message.get("role")
        role = ROLES.get(named.lower()) if isinstance(named, str) else None
        if role is None:
            raise BadPair("unknown_role", f"{named!a:.80}; known are {', '.join(ROLES)}")
        text = _text(message, "value" if message.get("value") is not None else "content")
        if role == "system":
            if number or asked is not None:
                raise BadPair("misplaced_system", f"in turn {number}")
            system.append(text)
        elif role == "user":
            if asked is not None:
                raise BadPair("two_users", f"in turn {number}")
            asked = text
        else:
            if asked is None:
                raise BadPair("two_assistants" if number else "assistant_first", f"in turn {number}")
            yield Turn(number, "\n".join(system), asked, text)
            number, asked = number + 1, None
    if asked is not None:
        raise BadPair("no_answer", f"in turn {number}")
    if not number:
        raise BadPair("no_turn")


def _text(holder: dict[str, Any], key: str, default: str | None = None) -> str:
    """Raises BadPair for what is no text, and for a missing one without a default."""
    found = holder.get(key)
    if found is None:
        if default is None:
            raise BadPair("missing_field", f"no field {key!r}; it has {', '.join(sorted(map(ascii, holder)))[:200]}")
        return default
    return _whole(found, key)


def _whole(text: Any, key: str) -> str:
    """Half a surrogate pair is no character: something was cut or joined there."""
    if not isinstance(text, str):
        raise BadPair("not_text", f"field {key!r} is {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadPair("lone_surrogate", f"field {key!r} has {text[error.start]!a} at character {error.start}") from None
    return text

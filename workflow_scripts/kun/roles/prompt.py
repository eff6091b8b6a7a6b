"""Prompts: Jinja files in which text and instruction are values. What a value contains is never taken for template syntax."""

from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kun.completions.requests import Choose, Generate, Message, Request, Shown

_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False, trim_blocks=True)


class BadPrompt(Exception):
    """A prompt file cannot be used; the message names it."""


def read_prompt(path: Path, *values: str) -> Template:
    """A template that uses each of `values` (text, instruction). Raises BadPrompt."""
    try:
        template = _environment.from_string(path.read_text(encoding="utf-8"))
        marks = {value: f"<{value}>" for value in values}
        rendered = template.render(**marks)
    except TemplateError as error:
        raise BadPrompt(f"{path}: {error}; the values it may use are {', '.join(values)}") from None
    for value, mark in marks.items():
        if mark not in rendered:
            raise BadPrompt(f"{path}: it never shows {{{{ {value} }}}}, so the model would not see it")
    return template


def ask_with(template: Template, **values: str) -> tuple[Message, ...]:
    """The one user message that a prompt makes of these values."""
    return (Message("user", template.render(**values).strip()),)


def request_with(template: Template, decoding: Generate | Choose, candidate: int = 0, **values: str) -> Request:
    """The question that a prompt makes of these values. Where it does not fit into a model's context, `text` is what may be cut."""
    shown = Shown(values["text"], lambda text: ask_with(template, **values | {"text": text})) if "text" in values else None
    return Request(ask_with(template, **values), decoding, candidate, shown)


def fixed_lines(template: Template, *values: str) -> frozenset[str]:
    """The lines of a prompt that are the same whatever the values: a completion that repeats one is quoting the prompt."""
    marks = [f"\ue000{value}\ue001" for value in values]
    rendered = template.render(**dict(zip(values, marks, strict=True)))
    return frozenset(line.strip() for line in rendered.splitlines() if line.strip() and not any(mark in line for mark in marks))

"""The card of a trained model: base, data, hyper-parameters, measures, in Markdown as model hubs show it."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

ROLES = {
    "label": ("Label model", "Writes the instruction that a text most likely answers."),
    "chat": ("Primary chat model", "Answers instructions; the pipeline judges instructions and polishes answers with it."),
    "final": ("Final chat model", "Answers instructions; trained on seed pairs and on pairs that the pipeline made."),
}


def write_card(path: Path, facts: dict[str, Any], fingerprint: str) -> None:
    """`facts` as in the model's description (train_model.py)."""
    page = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page.filters["nats"] = lambda value: "–" if value is None else f"{value:.3f}"
    page.filters["yaml"] = lambda value: json.dumps(value, ensure_ascii=False)
    page.filters["cell"] = lambda value: value.replace("|", "\\|")
    title, what = ROLES[facts["role"]]
    held_out = facts["held_out"]
    text = page.get_template("card.md.jinja").render(
        title=title,
        what=what,
        facts=facts,
        fingerprint=fingerprint,
        before=held_out["before"],
        after=held_out["after"],
    )
    path.write_text(text, encoding="utf-8")

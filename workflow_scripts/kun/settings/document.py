"""The configuration's documentation, made from the models: config/config.yaml with every key, and a JSON schema for editors."""

import json
import textwrap
from collections.abc import Iterator

import yaml
from pydantic import BaseModel

from kun.settings.root import Settings

HEADER = """\
# yaml-language-server: $schema=schema.json
# Every key with its meaning and its default. Written by `make config` from workflow_scripts/kun/settings/; edit the values in a
# file of your own and name that with --configfile: it needs only the keys that differ. config/README.md explains by example.
"""
EXAMPLE_SOURCES = """\
  # sources:
  #   - {name: wudao, format: wudao, path: /data/WuDaoCorpus2.0_base_200G}
  #   - {name: wanjuan, format: wanjuan, path: /data/WanJuan1_dot_0}
  #   - {name: skypile, format: skypile, path: /data/SkyPile-150B}
  #   - {name: mine, format: jsonl, path: /data/mine, text: body, title: headline}
"""
WIDTH = 130


def as_yaml() -> str:
    return HEADER + "".join(_section(Settings(), 0))


def as_schema() -> str:
    return json.dumps(Settings.model_json_schema(), ensure_ascii=False, indent=2) + "\n"


def _section(section: BaseModel, depth: int) -> Iterator[str]:
    margin = "  " * depth
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if depth == 0:
            yield "\n"
        yield from (f"{margin}# {line}\n" for line in textwrap.wrap(field.description or "", WIDTH - len(margin)))
        if isinstance(value, BaseModel):
            yield f"{margin}{name}:\n"
            yield from _section(value, depth + 1)
        else:
            yield f"{margin}{name}: {_scalar(value)}\n"
            if name == "sources":
                yield EXAMPLE_SOURCES


def _scalar(value: object) -> str:
    """A value as one line of YAML. PyYAML reads 1e-05 as text, so floats are written as 1.0e-05."""
    text = yaml.safe_dump(value, allow_unicode=True, default_flow_style=True, width=1000).removesuffix("...\n").strip()
    return text

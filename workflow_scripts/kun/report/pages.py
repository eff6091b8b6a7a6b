"""Pages from the templates beside this file. What stands in them is text from the web, so everything is escaped."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import kun.report


def page(template: str, **values: Any) -> str:
    """HTML; a value that a template names and does not get is an error."""
    templates = Environment(loader=FileSystemLoader(Path(kun.report.__file__).parent), undefined=StrictUndefined, autoescape=True)
    return templates.get_template(template).render(**values)

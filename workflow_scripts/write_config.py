"""Write config/config.yaml and config/schema.json from the settings' models; with --check, only say whether they are current."""

import argparse
import sys
from pathlib import Path

from kun.settings.document import as_schema, as_yaml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    for name, text in (("config.yaml", as_yaml()), ("schema.json", as_schema())):
        path = arguments.folder / name
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} does not fit the settings' models: run `make config`")


if __name__ == "__main__":
    main()

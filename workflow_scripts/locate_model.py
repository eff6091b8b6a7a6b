"""locate_model: find a given model (a folder, or a hub id that is fetched), and say where it is and who it is. Of a model that only a
server has, who it is is its name, and what a person says about its version.
"""

import argparse
import json
from pathlib import Path

from kun.books.digests import digest
from kun.completions.fingerprint import model_fingerprint
from kun.settings.load import is_hub_id
from kun.settings.models import SERVED


def brings_chat_template(folder: Path) -> bool:
    """Whether the model's folder holds a chat template, in the tokenizer's configuration or as a file of its own."""
    configuration = folder / "tokenizer_config.json"
    stated = json.loads(configuration.read_text(encoding="utf-8")) if configuration.is_file() else {}
    return bool(stated.get("chat_template")) or any(folder.glob("chat_template*"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="a folder, a hub id, or served:NAME")
    parser.add_argument("--served-version", default="", help="free text; another one makes a served:NAME model another model")
    parser.add_argument("--chat-template", type=Path, help="a Jinja file for a model that brings none")
    parser.add_argument("--no-chat", action="store_true", help="the model only reads texts, so it needs no chat template")
    parser.add_argument("--description", type=Path, required=True, help="JSON: name, path, fingerprint")
    parser.add_argument(
        "--tokenizer", type=Path, required=True, help="JSON: path and fingerprint of the tokenizer alone, for counting tokens"
    )
    arguments = parser.parse_args()

    if arguments.name.startswith(SERVED):
        fingerprint = digest(arguments.name, arguments.served_version)
        describe(arguments.description, name=arguments.name, path=None, fingerprint=fingerprint, chat_template=None)
        describe(arguments.tokenizer, path=None, fingerprint=None)
        return
    if is_hub_id(arguments.name):
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(arguments.name, ignore_patterns=["*.gguf", "*.onnx", "*.pth"]))
    else:
        folder = Path(arguments.name).expanduser()
    try:
        fingerprint = model_fingerprint(folder)
    except FileNotFoundError as error:
        raise SystemExit(f"{error}; see the models section of the configuration") from None
    template = None
    if not (arguments.no_chat or brings_chat_template(folder)):
        if not arguments.chat_template:
            raise SystemExit(
                f"{folder} brings no chat template, so one is needed: models.chat_template (config/prompts/chatml.jinja is what the "
                "released label model was trained with)"
            )
        template = arguments.chat_template.read_text(encoding="utf-8")
    describe(
        arguments.description,
        name=arguments.name,
        path=str(folder),
        fingerprint=digest(fingerprint, template) if template else fingerprint,
        chat_template=str(arguments.chat_template) if template else None,
    )
    # Weights do not count here: documents are measured again only when tokens would be counted differently.
    files = sorted(path for path in folder.glob("tokenizer*") if path.is_file())
    if not files:
        raise SystemExit(f"{folder} holds no tokenizer (tokenizer.json)")
    describe(arguments.tokenizer, path=str(folder), fingerprint=digest(*(path.read_bytes() for path in files)))


def describe(file: Path, **facts: str | None) -> None:
    file.write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

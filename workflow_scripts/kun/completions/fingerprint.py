"""Who a model is: the digest of its weights, configuration, tokenizer and chat template."""

from pathlib import Path

from kun.books.digests import digest, digest_of_file

# What decides on a completion. Training arguments, optimiser states, cards and pictures in the folder do not.
DECIDES = ("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer*", "vocab*", "merges.txt",
           "special_tokens_map.json", "added_tokens.json", "chat_template*", "*.model", "*.py")  # fmt: skip


def deciding_files(folder: Path) -> list[Path]:
    """The files of a model's folder that decide on its completions, by name."""
    return sorted({path for pattern in DECIDES for path in folder.glob(pattern) if path.is_file()}, key=lambda path: path.name)


def model_fingerprint(folder: Path) -> str:
    """32 hexadecimal digits over names and contents of the deciding files. Raises FileNotFoundError for a folder without weights."""
    files = deciding_files(folder)
    if not any(path.suffix == ".safetensors" for path in files):
        raise FileNotFoundError(f"{folder} holds no weights as *.safetensors (pickled ones are not loaded)")
    return digest(*(f"{path.name}\0{digest_of_file(path)}" for path in files))

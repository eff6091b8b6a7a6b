"""The function that counts tokens, for a model's folder."""

from collections.abc import Callable
from pathlib import Path


def token_counter(folder: Path, trust_remote_code: bool) -> Callable[[list[str]], list[int]]:
    """Counts tokens of many texts at once; without transformers where the model brings a tokenizer.json."""
    file = folder / "tokenizer.json"
    if file.is_file():
        from tokenizers import Tokenizer

        from kun.signals.tokens import TokenCounter

        return TokenCounter(Tokenizer.from_file(str(file)))
    from transformers import AutoTokenizer

    slow = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    return lambda texts: [len(slow.encode(text, add_special_tokens=False, split_special_tokens=True)) for text in texts]

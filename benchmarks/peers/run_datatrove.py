"""datatrove measured: its reader of lines and its CCNet perplexity, one after the other in one process."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import kenlm
import sentencepiece
from child import Work, measured
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.stats import CCNetPerplexityStats


def datatrove(arguments: dict) -> Work:
    """Arguments: text, kenlm, sentencepiece, into."""
    text = Path(arguments["text"])
    reader = JsonlReader(str(text.parent), glob_pattern=text.name)
    stats = CCNetPerplexityStats(
        str(Path(arguments["into"]) / "stats"), model_dataset="local", language="zh", groups_to_compute=["summary"]
    )
    # Both are loaded when first asked for, from a web address that it makes itself; already there, they are not asked for.
    stats.model._model = kenlm.Model(arguments["kenlm"])
    stats.model.tokenizer._model = sentencepiece.SentencePieceProcessor(model_file=arguments["sentencepiece"])

    stats.model.get_perplexity("热身")  # what is made when first needed comes before the clock
    found: list[float] = []

    def work() -> None:
        found.extend(document.metadata["ccnet_perplexity_local_zh"] for document in stats.run(reader.run(None, 0, 1), 0, 1))

    return work, lambda: found


if __name__ == "__main__":
    measured(datatrove)

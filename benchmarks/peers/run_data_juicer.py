"""data-juicer measured: `process` with its perplexity filter alone. The dataset is loaded before, and its monitor, a second process, is off:
both in its favour.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from child import Work, measured


def data_juicer(arguments: dict) -> Work:
    """Arguments: text, kenlm, sentencepiece, into (empty, so that no result of an earlier run is in the cache of `datasets`)."""
    into = Path(arguments["into"])
    models = into / "models"  # where it looks first; it downloads only what it does not find
    models.mkdir()
    (models / "zh.arpa.bin").symlink_to(arguments["kenlm"])
    (models / "zh.sp.model").symlink_to(arguments["sentencepiece"])
    os.environ |= {"DATA_JUICER_EXTERNAL_MODELS_HOME": str(models), "HF_HOME": str(into / "hf"), "CACHE_HOME": str(into / "cache")}
    os.environ |= {"DATA_JUICER_MODELS_CACHE": str(models)}  # and where it would look then

    from data_juicer.core.data import NestedDataset
    from data_juicer.ops.filter.perplexity_filter import PerplexityFilter
    from data_juicer.utils.model_utils import get_model
    from datasets import Dataset, load_dataset

    dataset = NestedDataset(load_dataset("json", data_files=arguments["text"], split="train"))
    keep_all = PerplexityFilter(lang="zh", max_ppl=1e12, num_proc=1)
    # What is imported and loaded when first needed comes before the clock: torch (to free models that it does not have), and the models,
    # which every `process` frees at its end.
    NestedDataset(Dataset.from_list([{"text": "热身"}])).process(keep_all, open_monitor=False)
    get_model(keep_all.sp_model_key), get_model(keep_all.kl_model_key)
    done = []

    def work() -> None:
        done.append(dataset.process(keep_all, open_monitor=False))

    return work, lambda: [stats["perplexity"] for stats in done[0]["__dj__stats__"]]


if __name__ == "__main__":
    measured(data_juicer)

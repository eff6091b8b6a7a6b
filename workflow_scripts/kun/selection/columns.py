"""The columns that are cut: where they are, and which shards a cut's sample is drawn from. Snakemake reads this at every start, so it is
light.
"""

TOKENS = {"perplexity": "perplexity_tokens", "causal_perplexity": "causal_tokens"}  # the column of how many tokens a value is of
FOLDERS = {"perplexity": "signals", "causal_perplexity": "causal", "score": "scored"}  # the stage whose tables hold a column


def sampled_shards(pinned: list[str], plan: list[str], by_source: bool) -> list[str]:
    """The shards to draw from: the pinned ones that are still there, or all of the plan where none is.

    By source, those of a source that has no pinned one come along: it gets a cut of its own and moves none.
    """
    known = set(pinned)
    left = [shard for shard in plan if shard in known]
    if not left:
        return plan
    if not by_source:
        return left
    sources = {shard.split("/")[0] for shard in left}
    return [shard for shard in plan if shard in known or shard.split("/")[0] not in sources]

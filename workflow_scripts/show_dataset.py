"""Say on the terminal what a run made: the funnel in a few lines, some pairs, and where everything is."""

import argparse
import heapq
from pathlib import Path

from kun.books.tables import read_rows
from kun.corpus.plan import ids_of_plan
from kun.report.funnel import read_funnel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--pairs", type=int, default=4, help="how many pairs to show")
    arguments = parser.parse_args()

    funnel = read_funnel(arguments.results, ids_of_plan(arguments.results / "plan.json"))
    print(f"\n{funnel.pairs} pairs from {funnel.raw} raw records")
    for step in funnel.steps:
        reasons = ", ".join(f"{reason} {count}" for reason, count in step.reasons.items())
        print(f"  {step.kept:>6} {step.title:<18}" + (f" without {reasons}" if reasons else ""))
    rows = read_rows(arguments.results / "dataset" / "pairs.parquet", ["id", "source", "instruction", "output", "score"])
    # Those whose ids sort first: chance by content, the same in every run.
    for row in heapq.nsmallest(arguments.pairs, rows, key=lambda row: row["id"]):
        print(f"\n  指令  {row['instruction']}")
        answer = " ".join(row["output"].split())
        print(f"  回答  {answer[:120]}{'……' if len(answer) > 120 else ''}")
        print(f"        {row['source']}, score {row['score']:.2f}")
    print(f"\nDataset  {arguments.results}/dataset/   pairs.parquet, alpaca.json, messages.jsonl, README.md")
    print(f"Report   {arguments.results}/report/index.html")


if __name__ == "__main__":
    main()

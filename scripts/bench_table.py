# SPDX-License-Identifier: Apache-2.0
"""The rows of a benchmark as the tables of docs/PERFORMANCE.md, from its JSON on standard input:

    build/release/precipice bench step --size tiny --json | .venv/bin/python scripts/bench_table.py
"""
import json
import sys


def table(report):
    lines = ["| work | reference | median | min to max | goal | ours |", "| --- | --- | --- | --- | --- | --- |"]
    for row in report["rows"]:
        goal = "" if row["goal"] is None else f"{row['goal']:.2f}"
        lines.append(f"| {row['work']} | {row['reference']} | {row['ratio_median']:.2f} | {row['ratio_min']:.2f} to "
                     f"{row['ratio_max']:.2f} | {goal} | {row['ours']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table(json.load(sys.stdin)))

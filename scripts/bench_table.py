# SPDX-License-Identifier: Apache-2.0
"""The rows of a benchmark, from its JSON on standard input, as the tables of docs/PERFORMANCE.md:

    build/release/precipice bench step --size tiny --json | .venv/bin/python scripts/bench_table.py

or as a baseline for `precipice bench --check FILE`, a line for each row, without the times of single repetitions:

    build/release/precipice bench --json | .venv/bin/python scripts/bench_table.py --baseline > experiments/bench/baselines/NAME.json
"""
import argparse
import json
import sys

RATIOS = ("work", "reference", "ratio_median", "ratio_min", "ratio_max", "repetitions")


def table(report):
    lines = ["| work | reference | median | min to max | goal | ours |", "| --- | --- | --- | --- | --- | --- |"]
    for row in report["rows"]:
        goal = "" if row["goal"] is None else f"{row['goal']:.2f}"
        lines.append(f"| {row['work']} | {row['reference']} | {row['ratio_median']:.2f} | {row['ratio_min']:.2f} to "
                     f"{row['ratio_max']:.2f} | {goal} | {row['ours']} |")
    return "\n".join(lines) + "\n"


def baseline(report):
    def short(value):
        return float(f"{value:.4g}") if isinstance(value, float) else value

    lines = [f'  "{name}": {json.dumps(value)},' for name, value in report.items()
             if name not in ("rows", "matmul_implementations")]
    rows = ["    " + json.dumps({key: short(row[key]) for key in RATIOS}) for row in report["rows"]]
    return "\n".join(["{", *lines, '  "rows": [', ",\n".join(rows), "  ]", "}"]) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", action="store_true", help="a file for `precipice bench --check`")
    arguments = parser.parse_args()
    sys.stdout.write((baseline if arguments.baseline else table)(json.load(sys.stdin)))

# SPDX-License-Identifier: Apache-2.0
"""Tables of benchmarks: a row in, the row of docs/PERFORMANCE.md or of a baseline out; baselines that are committed."""
import json
import unittest
from pathlib import Path

import support  # noqa: F401  (puts scripts/ on the path)

from bench_table import RATIOS, baseline, table

BASELINES = Path(__file__).resolve().parents[2] / "experiments" / "bench" / "baselines"


def problems(report):
    """What makes a baseline useless, as sentences."""
    found = [f"no {key}" for key in ("cpu_model", "isa", "threads", "quick", "commit") if key not in report]
    names = [(row["work"], row["reference"]) for row in report["rows"]]
    found += [f"twice: {name}" for name in sorted(set(names)) if names.count(name) > 1]
    for row in report["rows"]:
        if not 0 < row["ratio_min"] <= row["ratio_median"] <= row["ratio_max"]:
            found.append(f"{row['work']}: ratios out of order")
    return found + ([] if names else ["no rows"])


class BenchTableTest(unittest.TestCase):
    def test_a_row_shows_its_ratios_and_a_goal_where_it_has_one(self):
        row = {"work": "w", "reference": "r", "ratio_median": 0.5, "ratio_min": 0.449, "ratio_max": 1.25, "goal": 0.6,
               "ours": "1 ms"}
        lines = table({"rows": [row, row | {"goal": None}]}).splitlines()
        self.assertEqual(lines[2], "| w | r | 0.50 | 0.45 to 1.25 | 0.60 | 1 ms |")
        self.assertEqual(lines[3], "| w | r | 0.50 | 0.45 to 1.25 |  | 1 ms |")
        self.assertEqual(len(lines), 4)

    def test_a_baseline_has_a_line_for_each_row_and_the_machine(self):
        row = {"work": "w", "reference": "r", "ratio_median": 0.51234567, "ratio_min": 0.449, "ratio_max": 1.25, "goal": 0.6,
               "repetitions": 15, "seconds_ours": [1.0] * 15}
        report = {"cpu_model": "c", "isa": "avx2", "threads": 1, "quick": False, "commit": "x",
                  "matmul_implementations": {"a": "b"}, "rows": [row, row | {"work": "v"}]}
        text = baseline(report)
        read = json.loads(text)
        self.assertEqual(set(read), {"cpu_model", "isa", "threads", "quick", "commit", "rows"})
        self.assertEqual(read["rows"][0], {"work": "w", "reference": "r", "ratio_median": 0.5123, "ratio_min": 0.449,
                                           "ratio_max": 1.25, "repetitions": 15})
        self.assertEqual(set(read["rows"][1]), set(RATIOS))
        self.assertEqual(sum('"work"' in line for line in text.splitlines()), 2)
        self.assertEqual(problems(read), [])

    def test_committed_baselines_are_whole(self):
        for path in BASELINES.glob("*.json"):
            self.assertEqual(problems(json.loads(path.read_text())), [], path.name)

    def test_what_makes_a_baseline_useless_is_found(self):
        row = {"work": "w", "reference": "r", "ratio_median": 2, "ratio_min": 1, "ratio_max": 1.5}
        machine = dict.fromkeys(("cpu_model", "isa", "threads", "quick"), 1)
        self.assertEqual(problems(machine | {"rows": [row, row]}),
                         ["no commit", "twice: ('w', 'r')"] + ["w: ratios out of order"] * 2)
        self.assertEqual(problems(machine | {"commit": 1, "rows": []}), ["no rows"])


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""Tables of benchmarks: a row in, the row of docs/PERFORMANCE.md out."""
import unittest

import support  # noqa: F401  (puts scripts/ on the path)

from bench_table import table


class BenchTableTest(unittest.TestCase):
    def test_a_row_shows_its_ratios_and_a_goal_where_it_has_one(self):
        row = {"work": "w", "reference": "r", "ratio_median": 0.5, "ratio_min": 0.449, "ratio_max": 1.25, "goal": 0.6,
               "ours": "1 ms"}
        lines = table({"rows": [row, row | {"goal": None}]}).splitlines()
        self.assertEqual(lines[2], "| w | r | 0.50 | 0.45 to 1.25 | 0.60 | 1 ms |")
        self.assertEqual(lines[3], "| w | r | 0.50 | 0.45 to 1.25 |  | 1 ms |")
        self.assertEqual(len(lines), 4)


if __name__ == "__main__":
    unittest.main()

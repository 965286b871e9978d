# SPDX-License-Identifier: Apache-2.0
"""README's table of recipes names every recipe of docs/RECIPES.md, which the program writes, and no other."""
import re
import unittest

from tree_test import ROOT


def recipes_in_table(readme):
    table = re.search(r"^\| recipe \|.*\n\|[-| ]*\n((?:\|.*\n)*)", readme, re.MULTILINE).group(1)
    found = []
    for row in table.splitlines():
        cell = row.split("|")[1].split(", also called")[0]
        cell = cell.replace("` … `", " to ")
        found += re.findall(r"`([^`]+)`", cell)
    return found


class ReadmeTables(unittest.TestCase):
    def test_the_table_of_recipes_names_each_recipe_once(self):
        listed = recipes_in_table((ROOT / "README.md").read_text())
        known = set(re.findall(r"^## (.+)$", (ROOT / "docs/RECIPES.md").read_text(), re.MULTILINE)) - {"Options"}
        self.assertGreater(len(known), 30)
        self.assertEqual(sorted(listed), sorted(known))


if __name__ == "__main__":
    unittest.main()

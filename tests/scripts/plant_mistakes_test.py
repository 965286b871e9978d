# SPDX-License-Identifier: Apache-2.0
"""The planted mistakes of scripts/plant_mistakes still fit the code."""
import subprocess
import sys
import unittest
from pathlib import Path

from support import load_script

ROOT = Path(__file__).resolve().parents[2]


class PlantMistakesTest(unittest.TestCase):
    def test_each_edit_fits_one_place_of_the_code_and_changes_it(self):
        module = load_script("plant_mistakes")
        for table in (module.MISTAKES, module.CUDA_MISTAKES):
            self.assertGreaterEqual(len({mistake.name for mistake in table}), 20)
        mistakes = module.MISTAKES + module.CUDA_MISTAKES
        self.assertEqual(len({mistake.name for mistake in mistakes}), len(mistakes))
        tests = {path.name for path in (ROOT / "tests").rglob("*_test.cpp")}
        for mistake in mistakes:
            self.assertTrue(mistake.tests.split(), mistake.name)
            for test in mistake.tests.split():
                self.assertIn(f"{test}_test.cpp", tests, mistake.name)
            text = (ROOT / mistake.file).read_text()
            self.assertEqual(text.count(mistake.right), 1, mistake.name)
            self.assertNotEqual(mistake.right, mistake.wrong, mistake.name)

    def test_every_fast_path_of_the_register_has_a_mistake(self):
        header = (ROOT / "precision/kernels/fast_rounding-inl.h").read_text()
        files = {mistake.file for mistake in load_script("plant_mistakes").MISTAKES}
        for file in ("fast_rounding-inl.h", "peer_rounding-inl.h", "vector_rounding-inl.h", "quantize-inl.h"):
            self.assertIn(f"precision/kernels/{file}", files)
        self.assertIn("scripts/plant_mistakes", header)

    def test_an_edit_that_no_longer_fits_and_an_unknown_name_are_refused(self):
        module = load_script("plant_mistakes")
        with self.assertRaises(SystemExit) as refused:
            module.planted(module.MISTAKES[0], "int main() {}")
        self.assertEqual(refused.exception.code, 2)
        done = subprocess.run([sys.executable, str(ROOT / "scripts/plant_mistakes"), "--only", "no such mistake"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("no such mistake", done.stderr)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""What `cmake --install` leaves is a package that a program of somebody else's builds against and runs with."""
import subprocess
import unittest
from pathlib import Path

import support

from report_lib.analysis import PROGRAM

ROOT = Path(__file__).resolve().parents[2]


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class PackageTest(support.ProgramCase):
    def test_a_program_outside_the_tree_uses_the_installed_package(self):
        prefix, outside = self.folder / "prefix", self.folder / "outside"
        run("cmake", "--install", Path(PROGRAM).parent, "--prefix", prefix)
        run("cmake", "-S", ROOT / "tests" / "package", "-B", outside, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
            f"-DCMAKE_PREFIX_PATH={prefix}")
        run("cmake", "--build", outside, "--parallel", "2")
        self.assertEqual(run(outside / "outside_rounding", "e4m3", "0.3", "500").split(), ["0.3125", "448"])
        described = run(outside / "outside_recipes", "fp8").strip()
        self.assertIn("e4m3", described)
        self.assertIn(described, run(PROGRAM, "recipes", "fp8"))
        self.assertEqual(run(prefix / "bin" / "precipice", "--version"), run(PROGRAM, "--version"))


if __name__ == "__main__":
    unittest.main()

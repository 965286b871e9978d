# SPDX-License-Identifier: Apache-2.0
"""What `cmake --install` leaves is a package that a program of somebody else's builds against and runs with."""
import re
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


def compiler_of(build: Path) -> str:
    """The libraries want their own compiler's OpenMP, which another one does not link."""
    found = re.search(r"^CMAKE_CXX_COMPILER:[A-Z]+=(.+)$", (build / "CMakeCache.txt").read_text(), re.MULTILINE)
    assert found
    return found.group(1)


class PackageTest(support.ProgramCase):
    def test_a_program_outside_the_tree_uses_the_installed_package(self):
        prefix, outside = self.folder / "prefix", self.folder / "outside"
        build = Path(PROGRAM).parent
        run("cmake", "--install", build, "--prefix", prefix)
        run("cmake", "-S", ROOT / "tests" / "package", "-B", outside, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
            f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={compiler_of(build)}")
        run("cmake", "--build", outside, "--parallel", "2")
        self.assertEqual(run(outside / "outside_rounding", "e4m3", "0.3", "500").split(), ["0.3125", "448"])
        described = run(outside / "outside_recipes", "fp8").strip()
        self.assertIn("e4m3", described)
        self.assertIn(described, run(PROGRAM, "recipes", "fp8"))
        self.assertEqual(run(prefix / "bin" / "precipice", "--version"), run(PROGRAM, "--version"))


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""What `cmake --install` leaves is a package that a program of somebody else's builds against and runs with."""
import re
import subprocess
import unittest
from pathlib import Path

import support

from precipice.program import PROGRAM

ROOT = Path(__file__).resolve().parents[2]


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# What the program outside has to share with the build. The compiler: the libraries want its OpenMP, which another one
# does not link. The words of the link: on Debian 13 g++-13 compiles, but the system's libraries are GCC 14's and want
# its libstdc++, which a build says in one of the other two.
SHARED = ("CMAKE_CXX_COMPILER", "CMAKE_EXE_LINKER_FLAGS", "CMAKE_CXX_STANDARD_LIBRARIES")


def shared_settings(cache: str) -> list[str]:
    """-D arguments for those of a CMakeCache.txt that are set there."""
    found = {name: re.search(rf"^{name}:[A-Z]+=(.+)$", cache, re.MULTILINE) for name in SHARED}
    assert found["CMAKE_CXX_COMPILER"], "a cache without a compiler"
    return [f"-D{name}={match.group(1)}" for name, match in found.items() if match]


class SharedSettingsTest(unittest.TestCase):
    def test_the_program_outside_is_linked_as_the_build_was(self):
        cache = ("//CXX compiler\nCMAKE_CXX_COMPILER:FILEPATH=/usr/bin/g++-13\nCMAKE_CXX_COMPILER_AR:FILEPATH=/usr/bin/ar\n"
                 "CMAKE_CXX_STANDARD_LIBRARIES:STRING=/usr/lib/gcc/x86_64-linux-gnu/14/libstdc++.so -lm\n")
        self.assertEqual(shared_settings(cache + "CMAKE_EXE_LINKER_FLAGS:STRING=\n"),
                         ["-DCMAKE_CXX_COMPILER=/usr/bin/g++-13",
                          "-DCMAKE_CXX_STANDARD_LIBRARIES=/usr/lib/gcc/x86_64-linux-gnu/14/libstdc++.so -lm"])
        self.assertIn("-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld -L/x",
                      shared_settings(cache + "CMAKE_EXE_LINKER_FLAGS:STRING=-fuse-ld=lld -L/x\n"))


class PackageTest(support.ProgramCase):
    def test_a_program_outside_the_tree_uses_the_installed_package(self):
        prefix, outside = self.folder / "prefix", self.folder / "outside"
        build = Path(PROGRAM).parent
        run("cmake", "--install", build, "--prefix", prefix)
        run("cmake", "-S", ROOT / "tests" / "package", "-B", outside, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
            f"-DCMAKE_PREFIX_PATH={prefix}", *shared_settings((build / "CMakeCache.txt").read_text()))
        run("cmake", "--build", outside, "--parallel", "2")
        self.assertEqual(run(outside / "outside_rounding", "e4m3", "0.3", "500").split(), ["0.3125", "448"])
        described = run(outside / "outside_recipes", "fp8").strip()
        self.assertIn("e4m3", described)
        self.assertIn(described, run(PROGRAM, "recipes", "fp8"))
        self.assertEqual(run(prefix / "bin" / "precipice", "--version"), run(PROGRAM, "--version"))


if __name__ == "__main__":
    unittest.main()

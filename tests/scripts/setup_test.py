# SPDX-License-Identifier: Apache-2.0
"""scripts/setup on a machine that it has set up: it finds nothing missing, whatever lines of its list are for other Pythons."""

import os
import shutil
import subprocess
import unittest

import support


class Setup(unittest.TestCase):
    @unittest.skipUnless(shutil.which("dpkg-query"), "skipped: no Debian or Ubuntu")
    def test_nothing_is_missing_where_the_tests_run(self) -> None:
        for words in (["--check"], ["--tests", "--check"]):
            done = subprocess.run([support.SCRIPTS / "setup", *words], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (0, "setup: nothing is missing\n"))

    @unittest.skipUnless(shutil.which("dpkg-query"), "skipped: no Debian or Ubuntu")
    def test_what_a_gpu_needs_is_missing_or_there_and_nvcc_is_asked_for_where_there_is_none(self) -> None:
        wanted = [line.split("==")[0] for line in (support.SCRIPTS / "requirements-cuda.txt").read_text().splitlines() if "==" in line]
        for nvcc, more in (("true", []), ("no-such-nvcc", ["nvidia-cuda-nvcc", "nvidia-nvvm", "nvidia-cuda-crt"])):
            done = subprocess.run([support.SCRIPTS / "setup", "--cuda", "--check"], capture_output=True, text=True, check=False,
                                  env={**os.environ, "CUDACXX": nvcc})
            if done.returncode == 0:
                continue  # they were installed here
            self.assertEqual((done.returncode, done.stdout), (1, f"setup: missing from .venv: {' '.join(wanted + more)}\n"))

    def test_every_requirement_is_a_line_that_the_script_reads(self) -> None:
        lines = [line for path in support.SCRIPTS.glob("requirements*.txt") for line in path.read_text().splitlines() if "==" in line]
        self.assertGreater(len(lines), 50)
        pattern = r'^[a-z0-9-]+==[^ ;]+( *; *python_version *(<|>=) *"3\.[0-9]+")?$'
        for line in lines:
            self.assertRegex(line, pattern)


if __name__ == "__main__":
    unittest.main()

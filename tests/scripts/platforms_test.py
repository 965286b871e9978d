# SPDX-License-Identifier: Apache-2.0
"""Where warnings are errors, and what the scripts that try other systems and processors say to a wrong command line."""
import json
import os
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command, **environment):
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)


class WarningsTest(unittest.TestCase):
    def test_warnings_are_errors_for_developers_and_ci_and_not_for_those_who_only_build(self):
        presets = json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]
        errors = {p["name"] for p in presets if p.get("cacheVariables", {}).get("PRECIPICE_WERROR") == "ON"}
        self.assertEqual(errors, {"dev"})
        self.assertRegex((ROOT / "CMakeLists.txt").read_text(), r"option\(PRECIPICE_WERROR .* OFF\)")
        self.assertIn("PRECIPICE_WERROR:-OFF", (ROOT / "scripts/build").read_text())
        self.assertIn("export PRECIPICE_WERROR=ON", (ROOT / ".ci/run").read_text())


class ScriptsTest(unittest.TestCase):
    def test_wrong_command_lines_are_refused_with_what_there_is(self):
        for command in (["scripts/try_distribution"], ["scripts/try_distribution", "sid"],
                        ["scripts/try_distribution", "trixie", "--keep"]):
            refused = run(*command)
            self.assertEqual(refused.returncode, 2, command)
            self.assertIn("bookworm|trixie", refused.stderr)
        refused = run("scripts/test_processors", "models", "--only", "Pentium")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("no level or model Pentium", refused.stderr)

    def test_a_level_is_held_by_the_environment_of_every_library_and_its_failures_are_the_scripts(self):
        script = (ROOT / "scripts/test_processors").read_text()
        levels = [line for line in script.splitlines() if line.startswith("  '")]
        self.assertEqual(len(levels), 5)
        for level in levels:
            for variable in ("PRECIPICE_ISA=", "DNNL_MAX_CPU_ISA=", "ATEN_CPU_CAPABILITY="):
                self.assertIn(variable, level)
        # No test has this name: the runner says so, and fails.
        nothing = run("scripts/test_processors", "models", "--only", "Nehalem", "--filter", "no test has this name")
        self.assertTrue(nothing.returncode == 1 or "skipped, there is no qemu" in nothing.stdout, nothing.stdout)


if __name__ == "__main__":
    unittest.main()

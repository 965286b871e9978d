# SPDX-License-Identifier: Apache-2.0
"""What the package promises by name is there and described, and a look at it costs nothing that is not asked for."""

import inspect
import re
import subprocess
import sys
import unittest

import support  # noqa: F401  makes the package importable

import precipice
from precipice.program import TREE

HEAVY = ("torch", "matplotlib", "pandas", "xarray", "h5py", "safetensors", "wandb")


class Names(unittest.TestCase):
    def test_every_public_name_leads_to_something_that_says_what_it_is(self) -> None:
        self.assertGreater(len(precipice.__all__), 20)
        for name in precipice.__all__:
            self.assertTrue(inspect.getdoc(getattr(precipice, name)), name)
        with self.assertRaisesRegex(AttributeError, "has no load_runs; it has "):
            precipice.load_runs

    def test_importing_the_package_imports_no_library(self) -> None:
        code = f"import sys; sys.path.insert(0, {str(TREE / 'python/precipice/src')!r}); import precipice; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual({name.split(".")[0] for name in done.stdout.split()} & set(HEAVY), set())

    def test_the_package_has_the_version_of_the_program(self) -> None:
        program = re.search(r"project\(\s*precipice\s+VERSION\s+([\d.]+)", (TREE / "CMakeLists.txt").read_text())
        package = re.search(r'^version = "(.*)"$', (TREE / "python/precipice/pyproject.toml").read_text(), re.MULTILINE)
        self.assertEqual(package.group(1), program.group(1))

    def test_the_document_describes_every_public_name(self) -> None:
        text = (TREE / "docs/PYTHON.md").read_text()
        for name in precipice.__all__:
            self.assertRegex(text, rf"\b{name}\b")


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""The notebooks of docs/notebooks run from their first line to their last, on data that they make themselves."""

import importlib.util
import json
import os
import unittest
from unittest import mock

import support

from precipice.program import PROGRAM, TREE

NOTEBOOKS = TREE / "docs/notebooks"
LIMIT = 120  # seconds of one cell, on a machine that has other work


@unittest.skipUnless(
    all(importlib.util.find_spec(name) for name in ("nbclient", "ipykernel")), "skipped: nbclient is missing: scripts/setup --tests"
)
class Notebooks(support.ProgramCase):
    def run_notebook(self, name: str) -> dict:
        """Outputs of its cells by their text; raises what a cell raises."""
        import nbformat
        from jupyter_client import AsyncKernelManager
        from nbclient import NotebookClient

        notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
        place = self.folder / name
        place.mkdir()
        environment = {
            "PYTHONPATH": str(TREE / "python/precipice/src"),
            "PRECIPICE": str(PROGRAM),
            "IPYTHONDIR": str(self.folder / "ipython"),
            "JUPYTER_PLATFORM_DIRS": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        with mock.patch.dict(os.environ, environment):
            manager = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(self.folder / "kernel"))  # no port is opened
            NotebookClient(notebook, km=manager, timeout=LIMIT, resources={"metadata": {"path": str(place)}}).execute()
        return {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}

    def pictures(self, outputs: dict) -> int:
        return sum("image/png" in output.get("data", {}) for each in outputs.values() for output in each)

    def test_design_a_format(self) -> None:
        self.assertEqual(self.pictures(self.run_notebook("design_a_format.ipynb")), 3)

    def test_read_a_sweep(self) -> None:
        self.assertEqual(self.pictures(self.run_notebook("read_a_sweep.ipynb")), 3)

    def test_every_notebook_is_run_here_and_says_its_licence(self) -> None:
        names = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
        self.assertEqual(names, ["design_a_format.ipynb", "read_a_sweep.ipynb"])
        for name in names:
            first = "".join(json.loads((NOTEBOOKS / name).read_text())["cells"][0]["source"])
            self.assertIn("SPDX-License-Identifier: Apache-2.0", first)


if __name__ == "__main__":
    unittest.main()

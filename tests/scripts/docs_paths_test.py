# SPDX-License-Identifier: Apache-2.0
"""Every file of this tree that a document names is there."""
import re
import unittest

from tree_test import ROOT, tracked

PATHS = re.compile(r"`((?:\.ci|cmake|docs|experiments|metrics|optim|precision|python|scripts|tests|train)/[\w./*-]*)`")


def missing(text):
    """Paths in backticks that lead nowhere; a stem stands for its files, and a star for anything."""
    found = []
    for path in PATHS.findall(text):
        name = path.rstrip("/")
        if not ((ROOT / name).exists() or any(ROOT.glob(name + ".*")) or any(ROOT.glob(name))):
            found.append(path)
    return found


class DocsPathsTest(unittest.TestCase):
    def test_documents_name_files_that_are_there(self):
        for name in tracked():
            if name.endswith(".md"):
                self.assertEqual(missing((ROOT / name).read_text()), [], name)

    def test_a_path_that_leads_nowhere_is_found(self):
        text = "`train/run/run.cpp`, `train/run/run`, `metrics/hdf5/hdf5_*`, `precision/`, `train/nothing.h`, `scripts/none`"
        self.assertEqual(missing(text), ["train/nothing.h", "scripts/none"])


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""Packed runs through precipice/safe_files.py: the report sees of them what it sees of directories."""

import tempfile
import unittest
import zipfile
from pathlib import Path

import fake_sweep
import numpy as np
import support  # noqa: F401  makes the package importable

from precipice import safe_files
from precipice.runs.results import find_results


def pack(sweep: Path, ids, name: str = "host.zip") -> Path:
    """As metrics/files/bundle.h says, by Python's own writer of archives."""
    bundle = sweep / "packed" / name
    bundle.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.comment = b"precipice bundle 1, list 00000000"
        for run in ids:
            for path in sorted((sweep / run).iterdir()):
                archive.write(path, f"{run}/{path.name}")
                path.unlink()
            archive.writestr(f"SHA256SUMS/{run}", "")
            (sweep / run).rmdir()
    return bundle


class PackedRuns(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.sweep = Path(holder.name) / "sweep"
        self.ids = fake_sweep.write_program_sweep(self.sweep, ("bf16", "fp8"), (1e-2,), 3, 60, missing=(0,))

    def test_the_report_reads_what_it_read(self) -> None:
        before = find_results(self.sweep)
        pack(self.sweep, self.ids[1:3])
        pack(self.sweep, self.ids[3:5], "other.zip")
        after = find_results(self.sweep)
        self.assertEqual([run.id for run in after.runs], self.ids)
        for old, new in zip(before.runs, after.runs):
            self.assertEqual((old.state, old.config, old.attributes, old.problem, old.inputs),
                             (new.state, new.config, new.attributes, new.problem, new.inputs))
            np.testing.assert_array_equal(old.metrics.get("train_loss"), new.metrics.get("train_loss"))
        self.assertFalse(safe_files.is_there(self.sweep / self.ids[1] / "nothing"))
        self.assertEqual(safe_files.size_of(self.sweep / self.ids[1] / "run.h5"),
                         len(safe_files.regular(self.sweep / self.ids[1] / "run.h5").read()))

    def test_a_damaged_bundle_is_said_of_its_runs(self) -> None:
        bundle = pack(self.sweep, self.ids[1:])
        whole = bundle.read_bytes()
        for damaged, words in ((whole[: len(whole) // 2], "damaged or cut short"),
                               (whole.replace(b"precipice bundle 1", b"precipice bundle 2"), "another version")):
            bundle.write_bytes(damaged)
            with self.assertRaisesRegex(OSError, words):
                find_results(self.sweep)

    def test_a_changed_byte_is_an_unreadable_run(self) -> None:
        bundle = pack(self.sweep, self.ids[1:])
        changed = bytearray(bundle.read_bytes())
        changed[changed.index(b"\x89HDF") + 100] ^= 1
        bundle.write_bytes(bytes(changed))
        runs = find_results(self.sweep).runs
        self.assertEqual([run.state for run in runs].count("unreadable"), 1)
        self.assertIn("Bad CRC-32", next(run.problem for run in runs if run.state == "unreadable"))


if __name__ == "__main__":
    unittest.main()

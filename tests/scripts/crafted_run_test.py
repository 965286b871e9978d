# SPDX-License-Identifier: Apache-2.0
"""Run files that somebody made to mislead, with a hash that fits: `precipice verify` must not call them intact."""

import hashlib
import json
import shutil
import subprocess
import unittest
from pathlib import Path

import h5py
import numpy as np
import support

from precipice.program import PROGRAM

TINY = """[model]
layers = 1
width = 8
heads = 1
context = 8
[data]
tokens = 2000
vocabulary = 16
[train]
steps = 12
batch = 2
"""
LOSSES = "metrics/train_loss"


class CraftedRuns(support.ProgramCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        (cls.folder / "tiny.toml").write_text(TINY)
        command = [PROGRAM, "train", cls.folder / "tiny.toml", "--out", cls.folder / "run", "--quiet"]
        subprocess.run(command, check=True, capture_output=True)

    def verify(self, craft) -> subprocess.CompletedProcess:
        """`craft` changes the open run.h5 of a copy, whose status.json then records the new hash."""
        run = self.folder / "crafted"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(self.folder / "run", run)
        with h5py.File(run / "run.h5", "a") as file:
            craft(file)
        status = json.loads((run / "status.json").read_text())
        status["run_file_sha256"] = hashlib.sha256((run / "run.h5").read_bytes()).hexdigest()
        (run / "status.json").write_text(json.dumps(status))
        return subprocess.run([PROGRAM, "verify", run], capture_output=True, text=True)

    def refused(self, craft, *parts: str) -> None:
        result = self.verify(craft)
        bad = [line for line in result.stdout.splitlines() if line.startswith("BAD")]
        self.assertEqual((result.returncode, len(bad)), (4, 1), result.stdout + result.stderr)
        for part in ("run.h5", *parts):
            self.assertIn(part, bad[0])

    @staticmethod
    def replaced(name: str, **dataset):
        def craft(file: h5py.File) -> None:
            del file[name]
            file.create_dataset(name, **dataset)

        return craft

    def test_a_run_as_it_was_written_is_intact(self) -> None:
        self.assertEqual(self.verify(lambda file: None).returncode, 0)

    def test_data_outside_the_file_is_refused(self) -> None:
        outside = [(str(self.folder / "tiny.toml"), 0, 96)]
        self.refused(self.replaced(LOSSES, shape=(12,), dtype="<f8", external=outside), LOSSES, "outside the file")
        layout = h5py.VirtualLayout(shape=(12,), dtype="<f8")
        layout[:] = h5py.VirtualSource("other.h5", "x", shape=(12,))

        def virtual(file: h5py.File) -> None:
            del file[LOSSES]
            file.create_virtual_dataset(LOSSES, layout)

        self.refused(virtual, LOSSES, "virtual")

        def linked(file: h5py.File) -> None:
            del file[LOSSES]
            file[LOSSES] = h5py.ExternalLink("other.h5", "x")

        self.refused(linked, LOSSES, "links are not followed")

    def test_values_of_another_type_are_refused(self) -> None:
        for dtype in (np.complex128, np.float16, "S8"):
            self.refused(self.replaced(LOSSES, data=np.zeros(12, dtype=dtype)), LOSSES, "wrong type")

    def test_steps_that_fall_or_are_others_are_refused(self) -> None:
        def reversed_steps(file: h5py.File) -> None:
            file["metrics/step"][...] = file["metrics/step"][...][::-1]

        def shifted(file: h5py.File) -> None:
            file["metrics/step"][...] = file["metrics/step"][...] + 100

        self.refused(reversed_steps, "metrics/step", "steps must rise")
        self.refused(shifted, "metrics/step", "other steps than the journal's")

    def test_more_than_was_logged_is_refused_before_it_is_read(self) -> None:
        def bomb(file: h5py.File) -> None:
            for name in ("metrics/step", LOSSES):
                del file[name]
                file.create_dataset(name, shape=(1 << 27,), dtype="<i8", chunks=(1 << 20,), compression="gzip")

        self.refused(bomb, "metrics/step", "elements")

        def planted(file: h5py.File) -> None:
            file["planted/step"] = np.arange(3)

        self.refused(planted, "planted", "no such group")


if __name__ == "__main__":
    unittest.main()

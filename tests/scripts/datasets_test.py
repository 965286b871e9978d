# SPDX-License-Identifier: Apache-2.0
"""What is read of a file through h5py's low-level calls is what its mappings give, and what a crafted file claims is refused."""

import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np
import support  # noqa: F401

from precipice.runs import datasets
from precipice.runs.datasets import Budget, checked, children, plain_attributes, read_numbers
from precipice.runs.run_files import read_run


class Datasets(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.run_folder = Path(holder.name) / "run"
        self.run_folder.mkdir()
        self.path = self.run_folder / "run.h5"

    def test_numbers_of_every_type_are_those_of_h5py(self) -> None:
        values = np.array([[-0.0, 1.5, np.nan], [np.inf, -np.inf, 3e38]])
        with h5py.File(self.path, "w") as file:
            for dtype in ("<f4", ">f8", "<f2"):
                with np.errstate(over="ignore"):
                    file.create_dataset(dtype, data=values.astype(dtype), chunks=(2, 2), compression="gzip")
            for dtype in ("<i8", ">i4", "u1"):
                file.create_dataset(dtype, data=np.array([[1, 2, 127]], dtype=dtype))
            file.create_dataset("none", shape=(0, 3), dtype="<f8")
        with h5py.File(self.path, "r") as file:
            for name in file:
                by_mapping = np.asarray(file[name][()], dtype=np.float64)
                found = read_numbers(checked(file, name, Budget(self.path)))
                self.assertEqual(found.shape, by_mapping.shape)
                self.assertTrue(np.array_equal(found, by_mapping, equal_nan=True), name)
                self.assertTrue(np.array_equal(np.signbit(found), np.signbit(by_mapping)), name)

    def test_attributes_are_those_of_h5py_that_are_one_value(self) -> None:
        with h5py.File(self.path, "w") as file:
            file.attrs.update({"text": "café", "fixed": np.bytes_(b"abc"), "whole": 7, "real": 0.5, "single": np.float32(0.1)})
            file.attrs["list"] = [1, 2]
            file.attrs["nothing"] = h5py.Empty("f")
        with h5py.File(self.path, "r") as file:
            found = plain_attributes(file)
            self.assertEqual(found, {"text": "café", "fixed": "abc", "whole": 7, "real": 0.5, "single": float(np.float32(0.1))})
            self.assertEqual(found["text"], file.attrs["text"])

    def test_only_hard_links_are_followed(self) -> None:
        with h5py.File(self.path.with_name("other.h5"), "w") as file:
            file["x"] = np.zeros(2)
        with h5py.File(self.path, "w") as file:
            file["metrics/step"] = np.arange(2)
            file["metrics/soft"] = h5py.SoftLink("/metrics/step")
            file["metrics/outside"] = h5py.ExternalLink("other.h5", "x")
            file["round/step"] = np.arange(2)
            file["round/again"] = file["round"]  # a ring of hard links
        with h5py.File(self.path, "r") as file:
            self.assertEqual(children(file), {"": ["metrics", "round"], "metrics": ["step"], "round": ["again", "step"]})
            for name in ("soft", "outside", "absent"):
                self.assertIsNone(checked(file["metrics"], name, Budget(self.path)))
            self.assertIsNone(checked(file, "metrics", Budget(self.path)))

    def test_a_file_of_too_many_links_is_refused(self) -> None:
        with h5py.File(self.path, "w") as file:
            for number in range(20):
                file[f"many/{number}"] = file.file["/"]
        before, datasets.MAX_LINKS = datasets.MAX_LINKS, 10
        self.addCleanup(setattr, datasets, "MAX_LINKS", before)
        self.assertIn("more than 10 links", read_run(self.run_folder).problem)

    def test_of_a_group_without_rows_the_names_are_kept_and_nothing_is_opened(self) -> None:
        with h5py.File(self.path, "w") as file:
            file["metrics/step"], file["metrics/train_loss"] = np.arange(3), np.arange(3.0)
            file.create_dataset("noise/step", shape=(0,), dtype="<i8")
            # As long as the file claims, and more than it can hold: reading it would make the run unreadable.
            file.create_dataset("noise/scale", shape=(1 << 40,), dtype="<f8", chunks=(1 << 16,))
        run = read_run(self.run_folder)
        self.assertEqual((run.state, run.problem), ("pending", ""))
        self.assertEqual(list(run.probes["noise"].series), ["scale"])
        self.assertEqual(len(run.probes["noise"].get("scale")), 0)
        self.assertEqual(list(run.metrics.get("train_loss")), [0, 1, 2])


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""What exporters write is what the files hold: event files by TensorBoard's own reader, tables by pandas, trackers by what
their libraries would be told."""

import importlib.util
import math
import sys
import tempfile
import types
import unittest
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import fake_sweep
import h5py
import numpy as np
import pandas as pd
import support  # noqa: F401  makes the package importable

import precipice
from precipice.export.tensorboard import as_float, crc32c, record, varint


def has(*modules: str) -> bool:
    return all(importlib.util.find_spec(name) for name in modules)


class Exporting(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.place = Path(holder.name)
        cls.folder = fake_sweep.write_sweep(cls.place / "sweep", ("bf16", "fp8"), (1e-2, 1e-1), 2, 30)
        losses = [4.0, float("nan"), 1e300]
        cls.odd = fake_sweep.write_run(cls.place / "odd", fake_sweep.settings("bf16", 1e-2, 0, 3), losses, probes=False)

    def stored(self, run: Path) -> np.ndarray:
        with h5py.File(run / "run.h5") as file:
            return file["metrics/train_loss"][()]

    def test_checksums_are_those_of_rfc_3720(self) -> None:
        # Appendix B.4.
        cases = {bytes(32): 0x8A9136AA, b"\xff" * 32: 0x62A8AB43, bytes(range(32)): 0x46DD794E,
                 bytes(range(31, -1, -1)): 0x113FDB5C}
        self.assertEqual({data: crc32c(data) for data in cases}, cases)

    def test_messages_are_encoded_as_the_guide_says(self) -> None:
        self.assertEqual([varint(n) for n in (0, 1, 127, 150, -1)],
                         [b"\0", b"\1", b"\x7f", b"\x96\1", b"\xff" * 9 + b"\1"])
        self.assertEqual(len(record(b"abc")), 8 + 4 + 3 + 4)
        self.assertEqual([as_float(x) for x in (1.5, 1e300, -1e300)], [1.5, math.inf, -math.inf])

    @unittest.skipUnless(has("tensorboard"), "skipped: tensorboard is not installed: scripts/setup --tests")
    def test_tensorboards_own_reader_finds_every_value(self) -> None:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        everything = {"scalars": 0, "tensors": 0}
        written = precipice.to_tensorboard(self.folder, self.place / "events")
        self.assertEqual(len(written), 8)
        names = {path.parent.name for path in written}
        self.assertIn("fp8, 1e-2, seed 1", names)
        for path in (self.place / "events/fp8, 1e-2, seed 1", precipice.to_tensorboard(self.odd, self.place / "one")[0].parent):
            reader = EventAccumulator(str(path), everything)
            reader.Reload()
            source = self.odd if path.parent.name == "one" else self.folder / "fp8-0.01-1"
            losses = self.stored(source)
            events = reader.Scalars("metrics/train_loss")
            self.assertEqual([event.step for event in events], list(range(len(losses))))
            with np.errstate(over="ignore"):
                np.testing.assert_array_equal([event.value for event in events], np.float32(losses).astype(float))
            text = reader.Tensors("config/text_summary" if "config/text_summary" in reader.Tags()["tensors"] else "config")
            self.assertIn(b"precision.recipe", text[0].tensor_proto.string_val[0])
        reader = EventAccumulator(str(self.place / "events/fp8, 1e-2, seed 1"), everything)
        reader.Reload()
        self.assertIn("tensors/x_saturated/h.0.attn.qkv", reader.Tags()["scalars"])

    def test_equal_runs_give_equal_event_files(self) -> None:
        first, second = (precipice.to_tensorboard(self.odd, self.place / name)[0].read_bytes() for name in ("x", "y"))
        self.assertEqual(first, second)

    def test_csv_holds_every_digit(self) -> None:
        series, runs = precipice.to_csv(self.folder, self.place / "csv")
        frame = pd.read_csv(series, dtype={"value": str})
        frame["value"] = frame["value"].map(float)  # by Python, whose reading is exact
        self.check_tables(frame, pd.read_csv(runs, index_col="run"))

    @unittest.skipUnless(has("pyarrow"), "skipped: pyarrow is not installed: scripts/setup --tests")
    def test_parquet_holds_every_digit(self) -> None:
        series, runs = precipice.to_parquet(self.folder, self.place / "parquet")
        self.check_tables(pd.read_parquet(series).reset_index(), pd.read_parquet(runs))

    def check_tables(self, series: pd.DataFrame, runs: pd.DataFrame) -> None:
        self.assertEqual(len(runs), 8)
        self.assertEqual(runs.loc["fp8-0.1-1", "divergence_step"], 65)
        for run in runs.index:
            rows = series[(series["run"] == run) & (series["group"] == "metrics") & (series["series"] == "train_loss")]
            np.testing.assert_array_equal(rows["value"], self.stored(self.folder / run))

    @contextmanager
    def recorded(self, name: str):
        """A tracker's library that writes down what it is told."""
        said: list = []
        tracked = types.SimpleNamespace(
            log=lambda values, step: said.append((step, values)), finish=lambda: said.append("finished")
        )
        library = types.ModuleType(name)
        library.init = lambda **settings: said.append(settings) or tracked
        with mock.patch.dict(sys.modules, {name: library}):
            yield said

    def test_wandb_and_trackio_are_told_config_and_every_value(self) -> None:
        for name, export in (("wandb", precipice.to_wandb), ("trackio", precipice.to_trackio)):
            with self.recorded(name) as said:
                self.assertEqual(export(self.odd, "study", group="g"), ["odd"])
            settings, *steps, end = said
            self.assertEqual((settings["project"], settings["name"], settings["group"], end), ("study", "odd", "g", "finished"))
            self.assertEqual(settings["config"]["optimizer.lr"], 1e-2)
            losses = [values["metrics/train_loss"] for _, values in steps if "metrics/train_loss" in values]
            np.testing.assert_array_equal(losses, self.stored(self.odd))
            self.assertEqual([step for step, _ in steps], [0, 1, 2, 3])  # the last evaluation stands behind the last step

    def test_mlflow_is_told_what_is_finite_and_how_much_is_not(self) -> None:
        library = mock.MagicMock()
        library.start_run.return_value.__enter__.return_value.info.run_id = "7"
        with mock.patch.dict(sys.modules, {"mlflow": library}):
            self.assertEqual(precipice.to_mlflow(self.odd, "study", "file:x"), ["7"])
        library.set_tracking_uri.assert_called_once_with("file:x")
        library.set_experiment.assert_called_once_with("study")
        told = [call.args[0].get("metrics/train_loss") for call in library.log_metrics.call_args_list]
        self.assertEqual(told[:2], [4.0, None])
        # The loss of step 1, and the last evaluation, which is a mean over it.
        self.assertIn(("precipice.not_numbers", 2), [call.args for call in library.set_tag.call_args_list])

    def test_a_library_that_is_missing_is_named_with_its_extra(self) -> None:
        for name, export in (("wandb", precipice.to_wandb), ("mlflow", precipice.to_mlflow)):
            with mock.patch.dict(sys.modules, {name: None}), self.assertRaisesRegex(
                precipice.ReportError, rf"pip install 'precipice\[{name}\]'"
            ):
                export(self.odd, "study")


if __name__ == "__main__":
    unittest.main()

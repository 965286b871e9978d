# SPDX-License-Identifier: Apache-2.0
"""run.h5 and index.h5 open in h5py, h5netcdf, netCDF4, xarray with both engines and pandas, without a name made up by the
reader; the lines of docs/LOGS.md run as they stand; and a run can be looked at all the while."""

import contextlib
import io
import os
import re
import subprocess
import time
import unittest
import warnings
from pathlib import Path

import h5netcdf
import h5py
import netCDF4
import numpy as np
import support
import xarray

from precipice.program import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
TINY = ["model.width=16", "model.heads=2", "model.layers=1", "model.context=16", "train.batch=2", "data.tokens=5000",
        "metrics.noise_every=0", "metrics.gradient_error_every=0", "metrics.critical_every=0", "metrics.sam_every=0"]


def program(*words: object) -> str:
    done = subprocess.run([str(word) for word in (PROGRAM, *words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dimensions(group, path=""):
    """Of a netCDF4 dataset: every dimension's name with its group."""
    yield from ((path, name) for name in group.dimensions)
    for name, below in group.groups.items():
        yield from dimensions(below, f"{path}/{name}")


class OpenEverywhere(support.ProgramCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        config = cls.folder / "tiny.toml"
        config.write_text("")
        cls.sweep = cls.folder / "sweep"
        # At a rate of 1e6 runs diverge: they are shorter than the others.
        program("sweep", config, *TINY, "train.steps=40", "precision.recipe=bf16,fp8", "optimizer.lr=1e-2,1e6", "seed=0..1",
                "divergence.patience=3", "metrics.histograms_every=20", "--quiet", "--out", cls.sweep)
        cls.index = cls.sweep / "index.h5"
        cls.runs = sorted(path for path in cls.sweep.glob("*/run.h5"))
        # A run.h5 as it is before the first step: without rows.
        cls.empty = cls.folder / "empty.h5"
        with h5py.File(cls.runs[0]) as whole, h5py.File(cls.empty, "w", libver=("earliest", "v110")) as empty:
            for name in whole:
                if isinstance(whole[name], h5py.Group):
                    cls.copy_without_rows(whole[name], empty.create_group(name))
        cls.files = [cls.runs[0], cls.index, cls.empty]

    @staticmethod
    def copy_without_rows(group: h5py.Group, empty: h5py.Group) -> None:
        for name in ("step", "site", "bin"):
            if name in group:
                values = group[name][()]
                dtype = h5py.string_dtype() if values.dtype == object else values.dtype
                empty.create_dataset(name, data=values[:0] if name == "step" else values, dtype=dtype)
                empty[name].make_scale(name)
        for name, dataset in group.items():
            if name not in ("step", "site", "bin"):
                empty.create_dataset(name, shape=(0, *dataset.shape[1:]), dtype=dataset.dtype)
                for axis, scale in enumerate(("step", "site", "bin")[: dataset.ndim]):
                    empty[name].dims[axis].attach_scale(empty[scale])

    def test_the_sweep_left_what_the_tests_want(self) -> None:
        self.assertEqual(len(self.runs), 8)
        self.assertTrue(self.index.exists())  # at the end of the sweep, not by merge

    def test_no_reader_makes_up_a_dimension_and_none_warns(self) -> None:
        for path in self.files:
            with self.subTest(path.name), warnings.catch_warnings():
                warnings.simplefilter("error")
                with netCDF4.Dataset(path) as file:
                    self.assertEqual([name for _, name in dimensions(file) if "phony" in name], [])
                with h5netcdf.File(path, "r") as file:  # phony_dims=None: an unnamed dimension is an error
                    for group in (file, *file.groups.values()):
                        for variable in group.variables.values():
                            self.assertFalse([name for name in variable.dimensions if "phony" in name])
                for engine in ("h5netcdf", "netcdf4"):
                    with xarray.open_datatree(path, engine=engine) as tree:
                        groups = {node.path for node in tree.subtree if node.path != "/"}
                        self.assertFalse([name for node in tree.subtree for name in node.sizes if "phony" in str(name)])
                    with h5py.File(path) as file:
                        self.assertEqual(groups, {f"/{name}" for name in file if isinstance(file[name], h5py.Group)})

    def test_both_engines_of_xarray_read_what_h5py_reads(self) -> None:
        for engine in ("h5netcdf", "netcdf4"):
            for path in (self.runs[0], self.index):
                with h5py.File(path) as file, xarray.open_dataset(path, group="metrics", engine=engine) as read:
                    np.testing.assert_array_equal(read.train_loss.values, file["metrics/train_loss"][()])
                    self.assertEqual(read.train_loss.units, "nats")

    def test_the_index_is_a_cube_that_agrees_with_the_runs(self) -> None:
        for engine in ("h5netcdf", "netcdf4"):
            with xarray.open_dataset(self.index, group="metrics", engine=engine) as runs:
                self.assertEqual(set(runs.coords), {"run", "step", "format", "lr", "seed", "precision.recipe", "optimizer.lr"})
                self.assertEqual((runs.lr.dtype.kind, runs.seed.dtype.kind), ("f", "i"))
                cube = runs.set_index(run=["format", "lr", "seed"]).unstack("run")
                self.assertEqual({name: cube.sizes[name] for name in ("format", "lr", "seed")},
                                 {"format": 2, "lr": 2, "seed": 2})
                for path in self.runs:
                    with h5py.File(path) as file:
                        own = file["metrics/train_loss"][()]
                        recipe = re.search(r"""recipe = ['"](\w+)['"]""", file["config"][()].decode()).group(1)
                        rate = float(re.search(r"^lr = (\S+)", file["config"][()].decode(), re.MULTILINE).group(1))
                        seed = int(file.attrs["seed"])
                    losses = cube.train_loss.sel(format=recipe, lr=rate, seed=seed).values
                    np.testing.assert_array_equal(losses[: len(own)], own)
                    self.assertTrue(np.isnan(losses[len(own):]).all())
                self.assertEqual(runs.set_xindex("format").sel(format="fp8").sizes["run"], 4)
            with xarray.open_dataset(self.index, group="tensors", engine=engine) as tensors:
                self.assertEqual(tensors.x_amax.dims, ("run", "step", "site"))
        table = xarray.open_dataset(self.index, group="runs").to_dataframe()
        self.assertEqual(sorted(table.file), [f"{path.parent.name}/run.h5" for path in self.runs])
        self.assertEqual(set(table.state[table.lr == 1e6]), {"diverged"})

    def test_the_index_needs_no_other_file(self) -> None:
        moved = self.folder / "alone" / "index.h5"
        moved.parent.mkdir()
        moved.write_bytes(self.index.read_bytes())
        with h5py.File(moved) as alone, h5py.File(self.index) as index:
            np.testing.assert_array_equal(alone["metrics/train_loss"][()], index["metrics/train_loss"][()])
            seen = []
            alone.visititems(lambda name, item: seen.append((name, getattr(item, "is_virtual", False))))
            self.assertGreater(len(seen), 50)
            self.assertFalse([name for name, is_virtual in seen if is_virtual])
            for folder in (alone, *(item for item in alone.values() if isinstance(item, h5py.Group))):
                self.assertFalse([name for name in folder if not isinstance(folder.get(name, getlink=True), h5py.HardLink)])

    def test_viewers_open_on_the_loss_against_the_step(self) -> None:
        """By NXdata's rules: the default leads to a group whose signal has as many dimensions as axes, and each named axis
        is a row of numbers of the length of its dimension."""
        for path in (self.runs[0], self.index):
            with h5py.File(path) as file:
                default = file[file.attrs["default"]]
                self.assertEqual((default.name, default.attrs["signal"]), ("/metrics", "train_loss"))
                self.assertIn("step", default.attrs["axes"])
                for group in file.values():
                    if "NX_class" not in group.attrs:
                        continue
                    self.assertEqual(group.attrs["NX_class"], "NXdata")
                    signal = group[group.attrs["signal"]]
                    self.assertEqual(len(group.attrs["axes"]), signal.ndim)
                    for axis, size in zip(group.attrs["axes"], signal.shape):
                        if axis != ".":
                            self.assertEqual((group[axis].shape, group[axis].dtype.kind), ((size,), "i"))

    def test_the_lines_of_the_documentation_run(self) -> None:
        text = (ROOT / "docs" / "LOGS.md").read_text()
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        self.assertEqual(len(blocks), 3)
        one = self.folder / "one.h5"
        one.write_bytes(self.runs[0].read_bytes())
        program("pack", self.sweep)
        self.addCleanup(program, "unpack", self.sweep)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.sweep)
        bundle = next((self.sweep / "packed").iterdir())
        for block in blocks:
            block = block.replace("BUNDLE", repr(str(bundle))).replace('"runs/one/run.h5"', repr(str(one)))
            block = block.replace("run.train_loss.plot()", "run.train_loss.to_series()")  # a figure needs a screen
            with contextlib.redirect_stdout(io.StringIO()) as said:
                exec(compile(block, "docs/LOGS.md", "exec"), {})
            self.assertTrue(said.getvalue().strip())


class LooksAtARunningRun(support.ProgramCase):
    def test_run_h5_is_there_within_a_second_and_a_thousand_opens_find_whole_files(self) -> None:
        out = self.folder / "run"
        config = self.folder / "tiny.toml"
        config.write_text("")
        words = [str(PROGRAM), "train", str(config), *TINY, "train.steps=1500", "train.eval_every=500", "--quiet", "--out", str(out)]
        began = time.monotonic()
        run = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        self.addCleanup(run.kill)
        path = out / "run.h5"
        while not path.exists() and time.monotonic() - began < 60:
            time.sleep(0.002)
        ticks = Path(f"/proc/{run.pid}/stat").read_text().rpartition(")")[2].split()[11:13]  # utime and stime
        spent = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        rows = set()
        for _ in range(1000):
            with h5py.File(path, "r", locking=False) as file:
                step, loss = file["metrics/step"][()], file["metrics/train_loss"][()]
                self.assertEqual(len(step), len(loss))
                np.testing.assert_array_equal(step, np.arange(len(step)))
                self.assertTrue(np.isfinite(loss).all())
                rows.add((file.attrs["status"], len(step)))
        run.wait()
        with h5py.File(path) as file:
            rows.add((file.attrs["status"], len(file["metrics/step"])))
        self.assertIn(("running", 0), rows)  # what the first look found
        self.assertIn(1500, [length for _, length in rows])
        # In seconds of the processor, so that a machine that is busy with others says the same.
        self.assertLess(spent, 1)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""scripts/accumulator_table on files made by hand: differences are paired by seed, within recipe and rate."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py

ROOT = Path(__file__).resolve().parents[2]
FEW = "tensor-core:align=operands,bits=14,group=32,promote=0,register=added"


def write(folder, recipe, accumulator, rate, seed, loss, zeta, bias=0.0, seconds=1.0, status="done"):
    directory = folder / f"{recipe}{rate}{seed}{'few' if accumulator == FEW else 'all'}"
    directory.mkdir()
    with h5py.File(directory / "run.h5", "w") as run:
        run["config"] = (f'seed = {seed}\n\n[precision]\nrecipe = "{recipe}"\naccumulator = "{accumulator}"\n\n'
                         f"[optimizer]\nlr = {rate}\n")
        run.attrs["status"] = status
        run["eval/validation_loss"] = [9.0, loss]
        run["gradient_error/zeta_norm"] = [zeta, 3 * zeta]
        run["gradient_bias/matrix_bias"] = [bias, 3 * bias]
    (directory / "status.json").write_text(json.dumps({"cpu_seconds": seconds}))


class AccumulatorTable(unittest.TestCase):
    def test_losses_are_compared_by_seed_within_recipe_and_rate(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            # Differences 0.01, 0.02 and 0.03: mean 0.02, and t(2) 4.303 times 0.01 / sqrt(3) on either side.
            for seed in range(3):
                # Biases differ by -2, -4 and -6 times 1e-4: mean -4e-4, half 4.303 * 2e-4 / sqrt(3).
                write(folder, "bf16", "fp32", 0.001, seed, 2.0 + seed, 1e-5, 0.5e-4, 2.0 + seed)
                write(folder, "bf16", FEW, 0.001, seed, 2.01 + 1.01 * seed, 1e-3, -0.5e-4 - seed * 1e-4, 6.0)
            write(folder, "bf16", FEW, 0.001, 3, 99.0, 1.0)  # no partner
            write(folder, "bf16", FEW, 0.004, 0, 99.0, 1.0)  # no reference at this rate
            write(folder, "fp8", "fp32", 0.001, 0, 2.0, 1.0, status="diverged")
            done = subprocess.run([sys.executable, str(ROOT / "scripts/accumulator_table.py"), name],
                                  capture_output=True, text=True, check=True)
        lines = done.stdout.splitlines()[2:]
        self.assertEqual(lines, ["| bf16 | 0.001 | 14 bits, register apart | 3 | +0.0200 | -0.0048 to +0.0448 | 2.0e-03 "
                                 "| 2.0e-05 | -4.0e-04 | -9.0e-04 to +9.7e-05 | 2.00 |"])


if __name__ == "__main__":
    unittest.main()

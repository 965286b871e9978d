# SPDX-License-Identifier: Apache-2.0
"""The GPU's kernels, compiled as the build compiles them, keep what bit-exactness needs: no fused multiply-add, no
flushed subnormals, no approximate division or square root. PTX shows it without a GPU: its `.rn` operations are IEEE
754's, and the assembler never fuses them."""

import json
import re
import shlex
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ROOT / "build/release/compile_commands.json"
OPERATION = re.compile(
    r"^\s*(?:@%\w+ )?((?:fma|mad|mul|add|sub|div|sqrt|rsqrt|rcp|cvt)\.[a-z0-9.]*f(?:32|64)[a-z0-9.]*)", re.MULTILINE
)
# rcp.rn is a division of 1, rounded as any. Conversions are exact, or rounded to nearest; cvt.rzi.s32.f32 is C++'s, and
# cvt.rni, rzi and rmi of binary64 to itself are IEEE 754's roundToIntegral.
EXACT = re.compile(
    r"(mul|add|sub|div|rcp|sqrt)\.rn\.f(32|64)|cvt\.f64\.f32|cvt\.rn\.f32\.(f64|s32|s64)|cvt\.rzi\.s32\.f32"
    r"|cvt\.r[nzm]i\.f64\.f64"
)


def kernels():
    """Commands of the files with kernels, as lists of words."""
    if not COMMANDS.exists():
        return {}
    found = {}
    for entry in json.loads(COMMANDS.read_text()):
        if entry["file"].endswith("_cuda.cu") and not entry["file"].endswith("device_cuda.cu"):
            found[Path(entry["file"]).name] = shlex.split(entry["command"])
    return found


def ptx(command, source):
    """The PTX of a source, compiled by the command with only its file exchanged."""
    start = next(i for i, word in enumerate(command) if word.endswith("nvcc"))
    words, skip = [], False
    for word in command[start:]:
        if skip or word in ("-MD", "-c") or word.startswith("--generate-code") or word.endswith(".cu"):
            skip = False
        elif word in ("-MT", "-MF", "-o"):
            skip = True
        else:
            words.append(word)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "kernels.ptx"
        subprocess.run([*words, "-arch=compute_80", "--ptx", str(source), "-o", str(output)], check=True, cwd=ROOT)
        return output.read_text()


def operations(command, source):
    """Its floating-point operations."""
    return OPERATION.findall(ptx(command, source))


def entries(text):
    """The kernels in a PTX by their mangled names."""
    parts = re.split(r"^\.visible \.entry (\w+)\(", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


class CudaArithmetic(unittest.TestCase):
    def setUp(self):
        self.kernels = kernels()
        if not self.kernels:
            self.skipTest("libprecipice_cuda.so was not built")

    def test_kernels_use_ieee_operations_alone(self):
        expected = {"quantize_cuda.cu": {"mul.rn.f32", "mul.rn.f64", "div.rn.f32"},
                    "row_kernels_cuda.cu": {"mul.rn.f32", "div.rn.f32", "sqrt.rn.f32", "add.rn.f32"},
                    "step_kernels_cuda.cu": {"mul.rn.f32", "add.rn.f32", "add.rn.f64", "mul.rn.f64", "div.rn.f64"},
                    "matrix_kernels_cuda.cu": {"mul.rn.f32", "div.rn.f32", "add.rn.f64", "cvt.rzi.f64.f64"},
                    "multi_tensor_cuda.cu": {"mul.rn.f32", "div.rn.f32", "sqrt.rn.f32", "add.rn.f64"}}
        self.assertEqual(set(self.kernels), set(expected))
        for name, command in self.kernels.items():
            [source] = ROOT.glob(f"*/*/{name}")
            found = set(operations(command, source))
            self.assertLessEqual(expected[name], found)
            self.assertEqual([op for op in sorted(found) if not EXACT.fullmatch(op)], [], name)

    def test_kernels_that_quantize_move_four_numbers_at_a_time(self):
        stores = {"QuantizeLaunch": r"st\.global\.v4\.[uf]32", "RoundRowsLaunch": r"st\.global\.v4\.[uf]32",
                  "MatrixElementsLaunch": r"st\.global\.v4\.u16", "AmaxLaunch": r"st\.global"}
        seen = set()
        for name in ("quantize_cuda.cu", "matrix_kernels_cuda.cu"):
            [source] = ROOT.glob(f"*/*/{name}")
            for entry, text in entries(ptx(self.kernels[name], source)).items():
                body = next((body for body in stores if body in entry), None)
                if body is None or "Binary64" in entry:
                    continue
                seen.add(body)
                self.assertRegex(text, r"ld\.global\.v4\.[uf]32", entry)
                self.assertRegex(text, stores[body], entry)
                if "KernelRoundingE1" in entry and body != "MatrixElementsLaunch":  # to nearest even: all in registers
                    self.assertNotIn("ld.local", text, entry)
        self.assertEqual(seen, set(stores))

    def test_what_the_compiler_does_by_default_would_be_seen(self):
        command = [word for word in self.kernels["multi_tensor_cuda.cu"] if word != "--fmad=false"]
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "fused.cu"
            source.write_text("__global__ void f(float* x) { x[0] = x[0] * x[1] + x[2]; }\n")
            self.assertTrue(any(not EXACT.fullmatch(op) for op in operations(command, source)))


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""The GPU's kernels, compiled as the build compiles them, keep what bit-exactness needs: no fused multiply-add but those
that attention asks for, no flushed subnormals, no approximate division or square root. PTX shows it without a GPU: its
`.rn` operations are IEEE 754's, and the assembler never fuses them. And they keep what speed needs: registers that suffice,
and matrix operations in attention."""

import json
import re
import shlex
import shutil
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


def ptx_of(command, source):
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


def operations(ptx):
    """Its floating-point operations."""
    return OPERATION.findall(ptx)


# What kernels use of a multiprocessor's 65,536 registers: 255 for each thread would leave room for 256 threads, 128 leave it for
# two blocks of 256, 56 for four.
REGISTERS = {"quantize_cuda.cu": 128, "row_kernels_cuda.cu": 56, "step_kernels_cuda.cu": 48,
             "matrix_kernels_cuda.cu": 128, "multi_tensor_cuda.cu": 72, "attention_cuda.cu": 168}


def entries(text):
    """The kernels in a PTX by their mangled names."""
    parts = re.split(r"^\.visible \.entry (\w+)\(", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


class CudaArithmetic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kernels = kernels()
        if not cls.kernels:
            raise unittest.SkipTest("libprecipice_cuda.so was not built")
        cls.ptx = {}
        for name, command in cls.kernels.items():
            [source] = ROOT.glob(f"*/*/{name}")
            cls.ptx[name] = ptx_of(command, source)

    def test_kernels_use_ieee_operations_alone(self):
        expected = {"quantize_cuda.cu": {"mul.rn.f32", "mul.rn.f64", "div.rn.f32"},
                    "row_kernels_cuda.cu": {"mul.rn.f32", "div.rn.f32", "sqrt.rn.f32", "add.rn.f32"},
                    "step_kernels_cuda.cu": {"mul.rn.f32", "add.rn.f32", "add.rn.f64", "mul.rn.f64", "div.rn.f64"},
                    "matrix_kernels_cuda.cu": {"mul.rn.f32", "div.rn.f32", "add.rn.f64", "cvt.rzi.f64.f64"},
                    "attention_cuda.cu": {"mul.rn.f32", "add.rn.f32", "div.rn.f32", "fma.rn.f32"},
                    "multi_tensor_cuda.cu": {"mul.rn.f32", "div.rn.f32", "sqrt.rn.f32", "add.rn.f64"}}
        self.assertEqual(set(self.ptx), set(expected))
        for name, ptx in self.ptx.items():
            found = set(operations(ptx))
            self.assertLessEqual(expected[name], found)
            # Sums in order are fused by their definition: std::fma is the operation itself.
            asked_for = {"fma.rn.f32"} if name == "attention_cuda.cu" else set()
            self.assertEqual([op for op in sorted(found - asked_for) if not EXACT.fullmatch(op)], [], name)

    def test_attention_multiplies_bf16_by_matrix_operations(self):
        self.assertIn("wmma.mma.sync.aligned.row.col.m16n16k16.f32.bf16.bf16.f32", self.ptx["attention_cuda.cu"])

    def test_no_kernel_keeps_registers_in_memory(self):
        nvcc = next(word for word in self.kernels["attention_cuda.cu"] if word.endswith("nvcc"))
        ptxas = shutil.which("ptxas", path=str(Path(nvcc).parent)) or shutil.which("ptxas")
        if ptxas is None:
            self.skipTest("no ptxas was found")
        self.assertEqual(set(self.ptx), set(REGISTERS))
        for name, ptx in self.ptx.items():
            done = subprocess.run([ptxas, "-v", "-arch=sm_90", "-o", "/dev/null", "/dev/stdin"], input=ptx, text=True,
                                  capture_output=True, check=True)
            spilled = re.findall(r"(\d+) bytes spill stores", done.stderr)
            used = [int(count) for count in re.findall(r"Used (\d+) registers", done.stderr)]
            self.assertEqual(len(used), ptx.count(".entry "), name)
            self.assertEqual(set(spilled), {"0"}, name)
            self.assertLessEqual(max(used), REGISTERS[name], name)

    def test_kernels_that_quantize_move_four_numbers_at_a_time(self):
        stores = {"QuantizeLaunch": r"st\.global\.v4\.[uf]32", "RoundRowsLaunch": r"st\.global\.v4\.[uf]32",
                  "MatrixElementsLaunch": r"st\.global\.v4\.u16", "AmaxLaunch": r"st\.global"}
        seen = set()
        for name in ("quantize_cuda.cu", "matrix_kernels_cuda.cu"):
            for entry, text in entries(self.ptx[name]).items():
                body = next((body for body in stores if body in entry), None)
                if body is None or "Binary64" in entry:
                    continue
                seen.add(body)
                self.assertRegex(text, r"ld\.global\.v4\.[uf]32", entry)
                self.assertRegex(text, stores[body], entry)
                if "KernelRoundingE1" in entry and body != "MatrixElementsLaunch":  # to nearest even: all in registers
                    self.assertNotIn("ld.local", text, entry)
        self.assertEqual(seen, set(stores))

    def test_gradients_of_bf16_logits_move_four_numbers_at_a_time(self):
        [text] = [text for entry, text in entries(self.ptx["step_kernels_cuda.cu"]).items()
                  if "Bf16LogitGradientLaunch" in entry]
        self.assertRegex(text, r"ld\.global\.v4\.u16")
        self.assertRegex(text, r"st\.global\.v4\.u16")
        self.assertNotIn("ld.local", text)

    def test_what_the_compiler_does_by_default_would_be_seen(self):
        command = [word for word in self.kernels["multi_tensor_cuda.cu"] if word != "--fmad=false"]
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "fused.cu"
            source.write_text("__global__ void f(float* x) { x[0] = x[0] * x[1] + x[2]; }\n")
            self.assertTrue(any(not EXACT.fullmatch(op) for op in operations(ptx_of(command, source))))


if __name__ == "__main__":
    unittest.main()

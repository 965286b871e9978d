# SPDX-License-Identifier: Apache-2.0
"""The house keeps its order: who may include whom, who alone includes what, licence lines, and lengths of files."""
import re
import statistics
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("precision", "optim", "metrics", "train", "experiments")
ALLOWED = {
    "precision": {"precision"},
    "optim": {"precision", "optim"},
    "metrics": {"precision", "metrics"},
    "train": {"precision", "optim", "metrics", "train"},
    "experiments": set(FOLDERS),
}
# What only some files may include: pattern of the include, and of the files that may.
ALONE = {
    r"hdf5(_hl)?\.h|H5\w*\.h": r"metrics/hdf5_\w+\.(h|cpp)",
    r"oneapi/dnnl/.*|dnnl\.h(pp)?": r"precision/onednn(_matmul)?\.(cpp|h)",
    r"ATen/native/CPUBlas\.h": r"precision/matrix_product\.cpp",
    r"CLI/.*": r"experiments/cli\w*\.(h|cpp)",
    r"(cuda|cublas|curand|cub/|thrust/|cooperative_groups|c10/cuda/|ATen/cuda/).*|.*\.cuh": r".*_cuda\.(cu|cuh)",
    r"torch/(torch|nn|optim)\.h": r"experiments/bench_reference\.cpp",
}
TORCH = re.compile(r"(ATen|c10|torch)/")
# These must build without torch: their tests build in seconds, and the rounding code stays readable alone.
# In precision/ only the tensor side may see torch.
TORCH_FREE = re.compile(r"(optim|metrics)/|precision/(?!(batch_carrier|device|gemm|gradient_buffers|matrix_product|policy|operation|parallel|quantized_matmul|quantizer|round_tensor)\.)")
SOURCE = (".h", ".cpp", ".cu", ".cuh", ".py")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def tracked():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout
    return [name for name in listed.splitlines() if (ROOT / name).is_file()]


def violations(name, text):
    """What a C++ file includes against the rules, as sentences."""
    folder = name.split("/")[0]
    found = []
    for include in INCLUDE.findall(text):
        target = include.split("/")[0]
        if target in FOLDERS and folder in ALLOWED and target not in ALLOWED[folder]:
            found.append(f"{name} includes {include}: {folder} may not see {target}")
        if folder in ALLOWED and target in ("tests", "scripts"):
            found.append(f"{name} includes {include}")
        if TORCH.match(include) and TORCH_FREE.match(name):
            found.append(f"{name} includes {include}: it must build without torch")
        for what, who in ALONE.items():
            if folder in ALLOWED and re.fullmatch(what, include) and not re.fullmatch(who, name):
                found.append(f"{name} includes {include}: only {who} may")
    return found


class TreeTest(unittest.TestCase):
    def setUp(self):
        self.files = [name for name in tracked() if name.endswith(SOURCE)]
        self.assertGreater(len(self.files), 50)

    def test_every_include_follows_the_table(self):
        found = []
        for name in self.files:
            if not name.endswith(".py"):
                found += violations(name, (ROOT / name).read_text())
        self.assertEqual(found, [])

    def test_the_rules_catch_what_they_forbid(self):
        planted = {
            "optim/a.cpp": '#include "metrics/files.h"',
            "metrics/b.cpp": '#include "train/run.h"',
            "train/c.h": "#include <hdf5.h>",
            "experiments/d.cpp": "#include <CLI/CLI.hpp>",
            "precision/round_to_format.h": "#include <ATen/core/Tensor.h>",
            "precision/e.cpp": "#include <cuda_runtime.h>",
            "optim/multi_tensor_launch.h": '#include "precision/launch_cuda.cuh"',
            "precision/quantize_cuda.cu": "#include <ATen/core/Tensor.h>",
            "train/f.cpp": "#include <torch/torch.h>",
        }
        for name, text in planted.items():
            self.assertEqual(len(violations(name, text)), 1, name)

    def test_no_source_file_exceeds_500_lines_and_the_median_is_under_200(self):
        lengths = {name: len((ROOT / name).read_text().splitlines()) for name in self.files}
        self.assertEqual({name: n for name, n in lengths.items() if n > 500}, {})
        self.assertLess(statistics.median(lengths.values()), 200)

    def test_every_source_file_names_its_licence_first(self):
        for name in self.files:
            head = (ROOT / name).read_text().splitlines()[:2]
            self.assertTrue(not head or any("SPDX-License-Identifier: Apache-2.0" in line for line in head), name)

    def test_no_build_file_turns_fast_math_on(self):
        for name in tracked():
            if name.endswith((".cmake", "CMakeLists.txt", "CMakePresets.json")):
                text = (ROOT / name).read_text()
                self.assertNotRegex(text, r"-ffast-math|-Ofast|-funsafe", name)


if __name__ == "__main__":
    unittest.main()

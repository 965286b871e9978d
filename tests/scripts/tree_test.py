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
# The folders of each part, lowest first: a file includes its own folder's files and those of lower levels. Folders of one
# level do not see each other; files outside a part's folders lie above them.
LEVELS = {
    "precision": "base < format < rounding < kernels < calls < scaling accumulator < cuda < quantize < gemm < policy < autograd",
    "optim": "rules < multi_tensor",
    "metrics": "files < hdf5 < log curvature statistics < divergence tensors logits warning",
    "train": "config < data recipes < attention < model < curvature < probes < estimates < run < analysis",
    "experiments": "console < formats stability shards < sweep < status < statistics bench emit < index warnings < claims < cli",
}
LEVEL_OF = {f"{part}/{folder}": level for part, text in LEVELS.items()
            for level, folders in enumerate(text.split("<")) for folder in folders.split()}
LEVEL_OF.update(dict.fromkeys(LEVELS, len(LEVEL_OF)))
# What only some files may include: pattern of the include, and of the files that may.
ALONE = {
    r"hdf5(_hl)?\.h|H5\w*\.h": r"metrics/hdf5/hdf5_\w+\.(h|cpp)",
    r"oneapi/dnnl/.*|dnnl\.h(pp)?": r"precision/gemm/onednn(_matmul)?\.(cpp|h)",
    r"ATen/native/CPUBlas\.h": r"precision/gemm/matrix_product\.cpp",
    r"CLI/.*": r"experiments/cli/\w+\.(h|cpp)",
    r"(cuda|cublas|curand|cub/|thrust/|cooperative_groups|c10/cuda/|ATen/cuda/).*|.*\.cuh": r".*_cuda\.(cu|cuh|cpp)",
    r"torch/(torch|nn|optim)\.h": r"experiments/bench/reference\.cpp",
}
TORCH = re.compile(r"(ATen|c10|torch)/")
# These must build without torch: their tests build in seconds, and the rounding code stays readable alone.
TORCH_FREE = re.compile(r"(optim|metrics)/|precision/(base|format|rounding|kernels|calls|scaling|accumulator|cuda|policy)/"
                        r"|precision/gemm/(carrier|dims|emulated_product|gemm_arithmetic|gemm_plan|onednn|unit_operands)"
                        r"|precision/quantize/(cuda_machine|machine|piece_quantizer|quantize_task)"
                        r"|train/(config|recipes)/")
SOURCE = (".h", ".cpp", ".cu", ".cuh", ".py")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def tracked():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout
    return [name for name in listed.splitlines() if (ROOT / name).is_file()]


def folder_of(path):
    """precision/gemm/gemm.h -> precision/gemm."""
    return path.rpartition("/")[0]


def is_upward(name, include):
    """Whether an include within one part leads to a folder that is not below."""
    here, there = folder_of(name), folder_of(include)
    return (here != there and here.split("/")[0] == there.split("/")[0] and there in LEVEL_OF
            and LEVEL_OF[there] >= LEVEL_OF.get(here, len(LEVEL_OF)))


def violations(name, text):
    """What a C++ file includes against the rules, as sentences."""
    folder = name.split("/")[0]
    found = []
    for include in INCLUDE.findall(text):
        target = include.split("/")[0]
        if target in FOLDERS and folder in ALLOWED and target not in ALLOWED[folder]:
            found.append(f"{name} includes {include}: {folder} may not see {target}")
        if is_upward(name, include):
            found.append(f"{name} includes {include}: {folder_of(include)} is not below")
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
            "optim/a.cpp": '#include "metrics/files/files.h"',
            "metrics/log/b.cpp": '#include "train/run/run.h"',
            "train/run/c.h": "#include <hdf5.h>",
            "experiments/sweep/d.cpp": "#include <CLI/CLI.hpp>",
            "precision/rounding/round_to_format.h": "#include <ATen/core/Tensor.h>",
            "precision/gemm/e.cpp": "#include <cuda_runtime.h>",
            "optim/multi_tensor/multi_tensor_launch.h": '#include "precision/cuda/launch_cuda.cuh"',
            "precision/cuda/quantize_cuda.cu": "#include <ATen/core/Tensor.h>",
            "train/run/f.cpp": "#include <torch/torch.h>",
            "precision/format/g.h": '#include "precision/rounding/rounding.h"',
            "precision/scaling/h.h": '#include "precision/accumulator/accumulator.h"',
            "optim/multi_tensor/i.h": '#include "optim/optimizer.h"',
        }
        for name, text in planted.items():
            self.assertEqual(len(violations(name, text)), 1, name)

    def test_every_file_lies_in_a_folder_of_the_table(self):
        for name in self.files:
            if name.split("/")[0] in FOLDERS:
                self.assertIn(folder_of(name), set(LEVEL_OF) - {"precision", "metrics", "train", "experiments"}, name)

    def test_the_test_of_a_file_lies_where_the_file_does(self):
        places = {}
        for name in self.files:
            if name.split("/")[0] in FOLDERS:
                places.setdefault((name.split("/")[0], Path(name).name.split(".")[0]), set()).add(folder_of(name))
        for name in self.files:
            part = name.split("/")[1]
            if not name.startswith("tests/") or part not in FOLDERS or not name.endswith("_test.cpp"):
                continue
            self.assertTrue((ROOT / folder_of(name)[len("tests/"):]).is_dir(), name)
            there = places.get((part, Path(name).name[:-len("_test.cpp")]))
            if there:
                self.assertIn(folder_of(name)[len("tests/"):], there, name)

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

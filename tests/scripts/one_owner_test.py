# SPDX-License-Identifier: Apache-2.0
"""What has one owner in the program stays with it: the names of a run's files, and the words of the command line."""
import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("precision", "optim", "metrics", "train")
# Names of files and who alone may write them down.
FILE_NAMES = {
    "config.toml": "metrics/files/run_files.h", "metrics.jnl": "metrics/files/run_files.h", "run.h5": "metrics/files/run_files.h",
    "status.json": "metrics/files/run_files.h", "inputs.json": "metrics/files/run_files.h", "log.txt": "metrics/files/run_files.h",
    "ckpt": "metrics/files/run_files.h", "sweep.toml": "experiments/sweep/sweep_record.h",
    "index.h5": "experiments/sweep/index_state.h",
}
# Where the texts of a precision become a schedule: for the check of a config, for a run, and where no run is meant.
READS_PRECISION = {
    "train/recipes/recipes.h", "train/recipes/schedule.cpp", "train/recipes/resolved_run.cpp",
    "experiments/stability/bisect.cpp",  # of the precisions that it makes up
}
READS_STORAGE = {
    "optim/stored_format.h", "optim/stored_format.cpp", "train/recipes/resolved_run.cpp",
    "optim/optimizer.cpp",                     # of an optimizer without a run
    "experiments/formats/recipes_report.cpp",  # of a recipe without a run
}
# Says for docs/NUMERICS.md where a user gives a stream's seed; say which script mends what is missing.
NAMES_OPTIONS = {"precision/rounding/random_streams.h", "precision/cuda/find_cuda.cpp", "precision/quantize/open_torch_cuda.cpp"}
LITERAL_OR_COMMENT = re.compile(r'"((?:[^"\\\n]|\\.)*)"|//.*')


def sources(*folders):
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders], cwd=ROOT,
                            check=True, capture_output=True, text=True).stdout
    return [name for name in listed.splitlines()
            if name.endswith((".h", ".cpp", ".cu", ".cuh")) and (ROOT / name).is_file()]


def literals(text):
    """The contents of string literals outside comments, with their lines."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#include"):
            continue
        for found in LITERAL_OR_COMMENT.finditer(line):
            if found.group(1) is not None:
                yield number, found.group(1)


def written_names(name, text):
    """Paths made of a file's name by others than its owner; sentences may mention it."""
    return [f"{name}:{number}: {literal}" for number, literal in literals(text)
            if FILE_NAMES.get(literal.strip("/"), name) != name]


def options(name, text):
    """Words of the command line: in a library any option, elsewhere outside experiments/cli what an error begins with."""
    if name in NAMES_OPTIONS:
        return []
    is_library = name.split("/")[0] in LIBRARIES
    pattern = r"(?<![\w-])--[a-z]" if is_library else r"^--[a-z]"
    return [f"{name}:{number}: {literal}" for number, literal in literals(text)
            if literal == "command line" or re.search(pattern, literal)]


class OneOwnerTest(unittest.TestCase):
    def test_the_names_of_files_in_run_directories_stand_in_one_header(self):
        names = sources(*LIBRARIES, "experiments")
        self.assertGreater(len(names), 300)
        self.assertEqual([found for name in names for found in written_names(name, (ROOT / name).read_text())], [])
        for file_name, owner in FILE_NAMES.items():
            self.assertIn(f'"{file_name}"', (ROOT / owner).read_text())

    def test_libraries_name_parameters_and_the_command_line_names_options(self):
        # The benchmark runs the program as a user does.
        names = [name for name in sources(*LIBRARIES, "experiments")
                 if not name.startswith(("experiments/cli/", "experiments/bench/"))]
        self.assertGreater(len(names), 250)
        self.assertEqual([found for name in names for found in options(name, (ROOT / name).read_text())], [])

    def test_the_texts_of_a_precision_are_read_once(self):
        for reader, places in (("make_schedule", READS_PRECISION), ("parse_stored_formats", READS_STORAGE)):
            readers = {name for name in sources(*LIBRARIES, "experiments")
                       if re.search(rf"\b{reader}\(", (ROOT / name).read_text())}
            self.assertEqual(readers, places)

    def test_what_is_looked_for_is_found(self):
        for line in ('read(run / "ckpt");', 'const auto path = folder / "run.h5";  // a "comment"', 'join(run, "/log.txt")'):
            self.assertEqual(len(written_names("train/run/a.cpp", line)), 1, line)
        for line in ('// "ckpt"', '#include "run.h5"', 'throw DataError("run.h5 is missing");', 'kCheckpointFolder'):
            self.assertEqual(written_names("train/run/a.cpp", line), [], line)
        for line in ('ConfigError({"command line", 0, "", ""}, "");', 'ConfigError({"", 0, "--out", x}, "");',
                     '"holds another; --force replaces it"'):
            self.assertEqual(len(options("train/run/a.cpp", line)), 1, line)
        for line in ('for (;; --axis)', '// --out', '"`force` replaces it"', '"a -- b"', '"x--y"'):
            self.assertEqual(options("train/run/a.cpp", line), [], line)
        self.assertEqual(options("experiments/sweep/a.cpp", '"5 more; --all shows them"'), [])
        self.assertEqual(len(options("experiments/sweep/a.cpp", '{"", 0, "--rule", name}')), 1)


if __name__ == "__main__":
    unittest.main()

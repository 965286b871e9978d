# SPDX-License-Identifier: Apache-2.0
"""Files are opened for writing in one place of the program and in one of the scripts, and nothing is opened for reading
in a way that waits for a FIFO: every other call that could is listed here."""

import re
import subprocess
import unittest
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("precision", "optim", "metrics", "train", "experiments")

CPP_CALLS = re.compile(
    r"\b(?:o|i)?fstream\b(?!>)|\bf(?:re)?open\s*\(|\b(?:creat|open|openat|mkfifo|mknod)\s*\("
    r"|\bO_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)\b|\bO_RDONLY\b(?!.*O_(?:NONBLOCK|DIRECTORY))"
    r"|\brename(?:at)?\s*\(|\bcopy_file\s*\(|\bH5F(?:create|open)\s*\("
)
# Files that may, and lines that may anywhere: what is no file of a user's.
# experiments/console/machine_memory.cpp reads what lies below /proc and /sys.
CPP_OWNERS = {"metrics/files/directory.cpp", "metrics/files/file_descriptor.h", "experiments/console/machine_memory.cpp"}
CPP_LINES = re.compile(
    r'"/dev/null"|ifstream file\("/proc/'
    r"|H5F(?:create|open)\(name\.c_str\(\)"  # files in memory
    r"|= open\(\)|Hdf5Handle open\(|impl_->open\("  # functions of that name
)

PYTHON_CALLS = re.compile(
    r"(?<![\w.])open\s*\(|\bos\.(?:open|fdopen|replace|rename|link|symlink|mkfifo)\s*\(|\bio\.open\s*\(|\bnp\.save\w*\s*\("
    r"|\.(?:write_text|write_bytes|touch|open|rename|replace|symlink_to|hardlink_to|tofile|to_csv)\s*\("
    r"|\bshutil\.(?:copy\w*|move)\s*\(|\.savefig\s*\(|\bh5py\.File\s*\((?!regular\()"
)
PYTHON_OWNERS = {"python/precipice/src/precipice/safe_files.py"}
PYTHON_LINES = re.compile(
    r"shutil\.copy2\(source, target\)|\(copy / \"\.venv\"\)\.symlink_to"  # plant_mistakes: a scratch copy of its own
    r"|\(Path\(folder\) / name\)\.symlink_to\(run\.directory"  # joined.py: a temporary folder of its own
    r"|frame\.to_csv\(na_rep="  # gives text
    r"|\bh5[ao]\.open\((?:folder|file)\.id, "  # datasets.py: an object of a file that is open
    r"|\.replace\((?:f?[\"']|mistake\.right)"  # of a text
)


def tracked(pattern: str) -> List[str]:
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout
    return [name for name in listed.splitlines() if re.fullmatch(pattern, name) and (ROOT / name).is_file()]


def code_of(line: str) -> str:
    """The line without a comment of C++ at its end."""
    return re.sub(r"(^|\s)//.*", "", line)


def cpp_calls(name: str, text: str) -> List[str]:
    if name in CPP_OWNERS:
        return []
    lines = [(number, code_of(line)) for number, line in enumerate(text.splitlines(), 1)]
    return [f"{name}:{number}: {line.strip()}" for number, line in lines
            if CPP_CALLS.search(line) and not line.startswith("#include") and not CPP_LINES.search(line)]


def python_calls(name: str, text: str) -> List[str]:
    if name in PYTHON_OWNERS:
        return []
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        call = PYTHON_CALLS.search(line)
        if not call or line.lstrip().startswith("#") or PYTHON_LINES.search(line):
            continue
        # A figure goes into memory first.
        target = re.search(r"\.savefig\((\w+)[,)]", line)
        if target and re.search(rf"\b{target.group(1)}\b[^\n=]*=[^\n]*BytesIO\(", text):
            continue
        found.append(f"{name}:{number}: {line.strip()}")
    return found


class OpenCallsTest(unittest.TestCase):
    def test_the_program_opens_files_for_writing_in_one_place(self) -> None:
        names = tracked(rf"(?:{'|'.join(PROGRAM)})/.*\.(?:cpp|h|cu|cuh)")
        self.assertGreater(len(names), 200)
        found = [call for name in names for call in cpp_calls(name, (ROOT / name).read_text())]
        self.assertEqual(found, [])

    def test_the_scripts_open_files_for_writing_in_one_place(self) -> None:
        names = [name for name in tracked(r"(?:scripts|python)/.*")
                 if name.endswith(".py") or "python" in (ROOT / name).read_text().partition("\n")[0]]
        self.assertGreater(len(names), 20)
        found = [call for name in names for call in python_calls(name, (ROOT / name).read_text())]
        self.assertEqual(found, [])

    def test_a_call_that_goes_past_it_is_found(self) -> None:
        for line in ('std::ofstream(path, std::ios::app) << line;', 'std::ofstream file;', 'FILE* f = fopen(name, "w");',
                     'const int d = ::open(path.c_str(), flags);', 'FileDescriptor f(path, O_WRONLY | O_CREAT);',
                     'FileDescriptor f(path, O_RDONLY);', 'std::ifstream in(path);', 'std::fstream both(path);',
                     'fs::copy_file(a, b);', 'H5Fcreate("x.h5", H5F_ACC_TRUNC, a, b)', 'fs::rename(a, b);',
                     'openat(d, name, O_RDWR)', 'freopen(path, "w", stdout)'):
            self.assertEqual(len(cpp_calls("train/x.cpp", line)), 1, line)
        for line in ('// an ofstream would follow links', '#include <fstream>', 'FileDescriptor f(p, O_RDONLY | O_NONBLOCK);',
                     'open_device(config_.device);', 'int n = open("/dev/null", O_RDWR);'):
            self.assertEqual(cpp_calls("train/x.cpp", line), [], line)
        for line in ('open(path, "w")', 'with open(path) as f:', 'path.write_text("x")', '(folder / "a").write_bytes(b"")',
                     'figure.savefig(path)', 'os.replace(a, b)', 'np.savez(path)', 'shutil.copy(a, b)', 'path.open("w")',
                     'h5py.File(path, "w")', 'os.open(path, os.O_WRONLY)', 'path.touch()'):
            self.assertEqual(len(python_calls("scripts/x.py", line)), 1, line)
        for line in ('open_regular(path)', 'text.replace("a", "b")', 'h5py.File(regular(path))',
                     'page = io.BytesIO()\nfigure.savefig(page, format="svg")'):
            self.assertEqual(python_calls("scripts/x.py", line), [], line)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""What scripts write into a directory that somebody else has filled with links and FIFOs, the report among them."""

import os
import signal
import tempfile
import unittest
from pathlib import Path
from typing import Dict
from unittest import mock

import fake_sweep
import support  # noqa: F401  makes scripts importable

from precipice import safe_files
from precipice.report import __main__ as program
from precipice.report.figures import style


def files_of(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


class HostilePlace(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.place = Path(holder.name)
        self.elsewhere = self.place / "elsewhere"
        self.elsewhere.mkdir()
        (self.elsewhere / "mine").write_text("mine")
        signal.alarm(60)  # a hang ends the tests
        self.addCleanup(signal.alarm, 0)

    def untouched(self) -> None:
        self.assertEqual(files_of(self.elsewhere), {"mine": b"mine"})


class SafeFilesTest(HostilePlace):
    def test_a_file_is_replaced_whole_and_nothing_else_is_left(self) -> None:
        for content in ("old", b"new"):
            safe_files.write_file(self.place / "file", content)
        self.assertEqual((self.place / "file").read_text(), "new")
        with self.assertRaises(ValueError):
            with safe_files.Folder(self.place) as folder, folder.create("file") as file:
                file.write(b"half")
                raise ValueError
        self.assertEqual((self.place / "file").read_text(), "new")
        self.assertEqual(sorted(os.listdir(self.place)), ["elsewhere", "file"])

    def test_links_and_fifos_are_replaced_and_never_written_through(self) -> None:
        temporary = f".file.{os.getpid()}.tmp"
        for name in ("file", temporary):
            for make in (lambda path: path.symlink_to(self.elsewhere / "mine"), os.mkfifo):
                path = self.place / name
                path.unlink(missing_ok=True)
                make(path)
                safe_files.write_file(self.place / "file", "x")
                self.assertEqual((self.place / "file").read_text(), "x")
                self.assertFalse((self.place / "file").is_symlink())
        self.untouched()

    def test_a_folder_that_is_a_link_is_refused(self) -> None:
        (self.place / "figures").symlink_to(self.elsewhere)
        with safe_files.Folder(self.place) as folder, self.assertRaisesRegex(OSError, "figures"):
            folder.folder("figures")
        self.untouched()

    def test_a_fifo_is_refused_for_reading_without_waiting(self) -> None:
        os.mkfifo(self.place / "fifo")
        for read in (safe_files.open_regular, safe_files.regular):
            with self.assertRaisesRegex(OSError, "not a regular file"):
                read(self.place / "fifo")


class ReportTest(HostilePlace):
    def setUp(self) -> None:
        super().setUp()
        for patch in (mock.patch.object(style, "PNG_DPI", 40), mock.patch.dict("os.environ", {"PRECIPICE": "/no/program"})):
            patch.start()
            self.addCleanup(patch.stop)
        self.sweep = self.place / "sweep"
        fake_sweep.write_run(self.sweep / "a", fake_sweep.settings("bf16", 1e-3, 0, 60), fake_sweep.loss_curve(1e-3, 0, 60))

    def report(self) -> int:
        with mock.patch("sys.argv", ["report", str(self.sweep)]), mock.patch("sys.stdout"), mock.patch("sys.stderr"):
            return program.main()

    def test_the_page_and_its_figures_are_not_written_through_links_and_fifos_do_not_hang(self) -> None:
        (self.sweep / "figures").mkdir()
        for name in ("report.html", ".report.html.tmp", "figures/loss_curves.png"):
            (self.sweep / name).symlink_to(self.elsewhere / "mine")
        (self.sweep / "b").mkdir()
        for name in (f".report.html.{os.getpid()}.tmp", "figures/loss_curves.svg", "sweep.toml", "x.h5", "b/run.h5",
                     "b/status.json", "b/config.toml"):
            os.mkfifo(self.sweep / name)
        self.assertEqual(self.report(), 0)
        self.assertTrue((self.sweep / "figures/loss_curves.png").read_bytes().startswith(b"\x89PNG"))
        self.assertIn("<svg", (self.sweep / "figures/loss_curves.svg").read_text())
        self.assertIn("not a regular file", (self.sweep / "report.html").read_text())
        self.untouched()

    def test_a_folder_of_figures_elsewhere_is_an_error_of_writing(self) -> None:
        (self.sweep / "figures").symlink_to(self.elsewhere)
        self.assertEqual(self.report(), 5)
        self.untouched()


if __name__ == "__main__":
    unittest.main()

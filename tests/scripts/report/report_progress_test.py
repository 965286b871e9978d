# SPDX-License-Identifier: Apache-2.0
"""What a report says on a terminal while it works: nothing within a second, then one line, which is gone at the end."""

import contextlib
import io
import os
import pty
import time
import unittest
from unittest import mock

import support  # noqa: F401  makes the package importable

from precipice import progress
from precipice.progress import CLEAR, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class ProgressTest(unittest.TestCase):
    def setUp(self) -> None:
        for name, value in (("PATIENCE", 0.2), ("INTERVAL", 0.02)):
            patch = mock.patch.object(progress, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def test_a_terminal_is_told_after_a_while_without_control_characters_of_others(self) -> None:
        terminal = Terminal()
        with Progress("report", terminal) as told:
            told.say("reading run 1 of 2: \x1b]0;evil\x07name")
            time.sleep(0.02)
            self.assertEqual(terminal.getvalue(), "")
            time.sleep(0.5)
            told.say("drawing: Training loss")
            time.sleep(0.3)
        text = terminal.getvalue()
        self.assertIn("report: reading run 1 of 2: ]0;evilname (0 s)", text)
        self.assertIn("report: drawing: Training loss", text)
        self.assertTrue(text.endswith(CLEAR))
        self.assertNotRegex(text.replace(CLEAR, ""), r"[\x00-\x1f]")

    def test_what_is_done_at_once_says_nothing(self) -> None:
        terminal = Terminal()
        with Progress("report", terminal) as told:
            told.say("reading")
        self.assertEqual(terminal.getvalue(), "")

    def test_a_stream_that_is_no_terminal_gets_nothing(self) -> None:
        stream = io.StringIO()
        with Progress("report", stream) as told:
            told.say("reading")
            time.sleep(0.4)
        self.assertEqual(stream.getvalue(), "")

    def test_a_terminal_that_goes_away_ends_nothing(self) -> None:
        try:
            ours, theirs = pty.openpty()
        except OSError:
            self.skipTest("skipped: there is no pseudo-terminal here")
        stream = os.fdopen(theirs, "w")
        with Progress("report", stream) as told:
            told.say("reading")
            time.sleep(0.3)
            self.assertIn(b"report: reading", os.read(ours, 1000))
            os.close(ours)
            time.sleep(0.2)
        with self.assertRaises(OSError):  # it is gone
            os.write(theirs, b"x")
        with contextlib.suppress(OSError):
            stream.close()


if __name__ == "__main__":
    unittest.main()

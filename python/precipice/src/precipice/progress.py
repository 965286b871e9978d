# SPDX-License-Identifier: Apache-2.0
"""What a command is doing, on a terminal: one line that is rewritten, from the second on in which the command is not done."""

import sys
import threading
import time
from types import TracebackType
from typing import Optional, TextIO, Type

from precipice.html_text import clean

PATIENCE = 1.0  # seconds without a word
INTERVAL = 0.25  # between looks at what is going on
COLUMNS = 100
CLEAR = "\r\x1b[K"


class Progress:
    """Use as a context; `say` may be called as often as one likes. On a stream that is no terminal nothing is written."""

    def __init__(self, name: str, stream: Optional[TextIO] = None):
        self.name = name
        self.stream = stream if stream is not None else sys.stderr
        self.text = ""
        self.started = time.monotonic()
        self.ended = threading.Event()
        self.writer: Optional[threading.Thread] = None

    def say(self, text: str) -> None:
        self.text = " ".join(clean(text).split())

    def __enter__(self) -> "Progress":
        if self.stream.isatty():
            # A thread, since reading and waiting may take long in one call.
            self.writer = threading.Thread(target=self.write_now_and_then, daemon=True)
            self.writer.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.ended.set()
        if self.writer is not None:
            self.writer.join()

    def write_now_and_then(self) -> None:
        wait, written = PATIENCE, False
        while not self.ended.wait(wait):
            seconds = time.monotonic() - self.started
            self.write(f"{CLEAR}{f'{self.name}: {self.text}'[:COLUMNS]} ({seconds:.0f} s)")
            wait, written = INTERVAL, True
        if written:
            self.write(CLEAR)

    def write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):
            self.ended.set()  # the terminal is gone; the command goes on

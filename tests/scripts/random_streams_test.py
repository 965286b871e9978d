# SPDX-License-Identifier: Apache-2.0
"""Keys of random streams are made by the register, precision/rounding/random_streams.h, alone."""
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MADE = re.compile(r"RandomKey(\s+\w+)?\s*\{\s*[^\s}]")
REGISTER = "precision/rounding/random_streams.h"


def makers(sources):
    return {name for name, text in sources.items()
            if any(MADE.search(line.split("//")[0]) for line in text.splitlines())}


class RandomStreamsTest(unittest.TestCase):
    def test_no_file_of_the_product_makes_a_key_of_its_own(self):
        sources = {str(path.relative_to(ROOT)): path.read_text()
                   for folder in ("precision", "optim", "metrics", "train", "experiments")
                   for path in (ROOT / folder).rglob("*") if path.suffix in (".h", ".cpp", ".cu", ".cuh")}
        self.assertGreater(len(sources), 300)
        self.assertEqual(makers(sources) - {REGISTER}, set())

    def test_a_key_made_by_hand_is_seen(self):
        for text in ("const RandomKey key{seed, 0, 0x42415443, 0};", "f(RandomKey{seed, 0, kSite, 0});",
                     "RandomKey key {seed};"):
            self.assertEqual(makers({"a.cpp": text}), {"a.cpp"}, text)
        for text in ("const RandomKey& key) {", "RandomKey{}", "RandomKey key = random_key(kBatchStream, seed);",
                     "struct RandomKey {", "void f(const RandomKey& key, int n);"):
            self.assertEqual(makers({"a.cpp": text}), set(), text)


if __name__ == "__main__":
    unittest.main()

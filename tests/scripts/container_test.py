# SPDX-License-Identifier: Apache-2.0
"""scripts/Containerfile: what the program and the report reach for is copied into the image."""

import re
import unittest

import support

COPIED = re.compile(r"^COPY --from=build /opt/precipice/(\S+) /opt/precipice/(\S+)$", re.MULTILINE)


class Container(unittest.TestCase):
    def test_the_image_has_what_the_report_calls_and_each_part_at_its_place_in_the_tree(self) -> None:
        copied = COPIED.findall((support.SCRIPTS / "Containerfile").read_text())
        for source, target in copied:
            self.assertEqual(source, target)
        called = re.findall(r"\$here/\.\./([\w./]+)", (support.SCRIPTS / "report").read_text())
        self.assertEqual(len(called), 2)  # Python and the package
        for path in called:
            self.assertTrue(any(f"{path}/".startswith(f"{folder}/") for folder, _ in copied), path)


if __name__ == "__main__":
    unittest.main()

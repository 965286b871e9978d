// SPDX-License-Identifier: Apache-2.0
// Runs tests/integration/thirty_commands, the first half hour of a newcomer.
#include <cstdlib>

#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/paths.h"

using namespace precipice;

TEST_CASE("a newcomer's thirty commands lose nothing in silence, answer within ten seconds and in the right words",
          "[integration]") {
  const TemporaryDirectory place;
  const std::string answer = (place / "answer").string();
  const std::string command =
      "'" + source_directory() + "/tests/integration/thirty_commands' '" + program_path() + "' >'" + answer + "' 2>&1";
  const int status = std::system(command.c_str());
  INFO(text_of(answer));
  CHECK(status == 0);
  CHECK(contains(text_of(answer), "commands, 0 failures"));
}

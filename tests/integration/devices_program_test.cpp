// SPDX-License-Identifier: Apache-2.0
// precipice devices as run.
#include "tests/integration/program.h"
#include "tests/support/catch.h"

using namespace precipice;

TEST_CASE("devices shows the processor and, of the GPU, what is found or what is missing", "[integration]") {
  const Workplace place;
  const ProgramResult result = place.run({"devices"});
  CHECK(result.exit_code == 0);
  CHECK(result.err.empty());
  CHECK(result.out.starts_with("cpu   "));
  CHECK(contains(result.out, " threads, "));
  CHECK((contains(result.out, "\ncuda  no GPU can be used: ") || contains(result.out, "\ncuda  this build has no ") ||
         contains(result.out, "compute capability")));
  CHECK(contains(result.out, "No GPU has run device = \"cuda\" yet"));
}

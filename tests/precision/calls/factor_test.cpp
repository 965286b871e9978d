// SPDX-License-Identifier: Apache-2.0
#include "precision/calls/factor.h"

#include "precision/base/check.h"
#include "tests/support/catch.h"

using namespace precipice;

TEST_CASE("a factor is one binary32 product of what is known and what lies in memory") {
  const float third = 1.0f / 3, tenth = 0.1f;
  const Factor known = third, there(1.0f, &tenth), also_there(1.0f, &third);
  CHECK(known.is_known());
  CHECK_FALSE(there.is_known());
  CHECK(Factor().value() == 1.0f);
  CHECK(times(known, tenth).value() == third * tenth);
  CHECK(times(known, tenth).is_known());
  CHECK(times(known, there).value() == third * tenth);
  CHECK(times(there, known).value() == third * tenth);
  CHECK(times(there, also_there).value() == tenth * third);
  CHECK_THROWS_AS(times(times(there, also_there), there), ContractError);
}

// SPDX-License-Identifier: Apache-2.0
#include "train/config/name_patterns.h"

#include "tests/support/catch.h"

using namespace precipice;

TEST_CASE("patterns choose parameters by name") {
  CHECK(matches_any("*attn*", "transformer.h.0.attn.c_attn.weight"));
  CHECK(matches_any("lm_head.weight, *c_fc*", "transformer.h.1.mlp.c_fc.weight"));
  CHECK_FALSE(matches_any("*attn", "transformer.h.0.attn.c_attn.weight"));
  CHECK_FALSE(matches_any("", "lm_head.weight"));
}

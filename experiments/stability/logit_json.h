// SPDX-License-Identifier: Apache-2.0
// `precipice sharpness --logits --json`: the closed form of metrics/logits/logit_sharpness.h for logits of any program.
// In:
//   [{"logits": [1.5, -0.2, ...], "target": 1, "eps": 0.001}, ...]
// out, in the same order:
//   [{"loss": 2.1, "rise": 0.01, "sharpness": 0.3}, ...]
// "eps" may be left out (1e-3). A logit that is not finite is written NaN, Infinity or -Infinity, as Python's json
// does, or as "nan", "inf", "-inf", or null for NaN. What is undefined comes out as null, and "reason" says why; so
// does the zero of a single logit.
#pragma once

#include <cstdint>
#include <string>

namespace precipice {

// With lbfgs each answer also has {"lbfgs": {"rise": ..., "sharpness": ..., "fraction": ..., "evaluations": ...}} as
// metrics/logits/logit_ascent.h finds them; the fraction of the exact rise is null in a subspace
// (of this dimension, 0: none).
struct LogitQuestions {
  bool lbfgs = false;
  std::int64_t subspace = 0;
  std::uint64_t seed = 0;
};

// Throws DataError naming the item, the key, the value and what is allowed.
std::string answer_logits(const std::string& json, const LogitQuestions& questions = {});

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// The table of rounding modes, and the one switch over them.
#include "precision/rounding/rounding.h"

#include <cstddef>

#include "tests/support/catch.h"

namespace precipice::test {

TEST_CASE("every rounding mode stands in the table at its place and reaches its template argument") {
  for (std::size_t i = 0; i < kRoundings.size(); ++i) {
    const auto& [word, rounding] = kRoundings[i];
    INFO(word);
    CHECK(static_cast<std::size_t>(rounding) == i);
    CHECK(to_string(rounding) == word);
    CHECK(parse_rounding(word) == rounding);
    CHECK(dispatch_rounding(rounding, []<Rounding R>() { return R; }) == rounding);
  }
  // The last of the enumeration, so that a new one without a row fails here.
  CHECK(kRoundings.back().second == Rounding::StochasticC);
}

TEST_CASE("the words of the modes are listed whole, and by whether they are stochastic") {
  CHECK(rounding_words() == "rne rna rtz rup rdn rto sr sr-b sr-c");
  CHECK(rounding_words(false) == "rne rna rtz rup rdn rto");
  CHECK(rounding_words(true) == "sr sr-b sr-c");
}

}  // namespace precipice::test

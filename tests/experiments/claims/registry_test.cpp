// SPDX-License-Identifier: Apache-2.0
// What a sweep directory remembers of its claims: their texts when its runs began.
#include "experiments/claims/registry.h"

#include <fstream>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;

namespace {

std::vector<Claim> claims_with(const std::string& margin, const std::string& id = "c") {
  return parse_claims(
      "[[claim]]\nid = \"" + id +
          "\"\nsource = \"s \\\"quoted\\\"\"\nsays = \"w\"\nmetric = \"final_loss\"\ncompare = [\"a\", \"b\"]\n"
          "at = {\"optimizer.lr\" = 1e-3, \"model.width\" = 64}\ndirection = \"higher\"\nliteral = true\nn = 8\nmargin "
          "= " +
          margin + "\n",
      "s.toml");
}

}  // namespace

TEST_CASE("a claim comes back from the directory as it was written") {
  const TemporaryDirectory place;
  register_claims(place.path(), claims_with("0.005"), false);
  const std::vector<RegisteredClaim> back = registered_claims(place.path());
  REQUIRE(back.size() == 1);
  CHECK(back[0].claim.text == claims_with("0.005")[0].text);
  CHECK(back[0].claim.source == "s \"quoted\"");
  CHECK_FALSE(back[0].changed);
  CHECK_FALSE(back[0].late);
}

TEST_CASE("a claim may change until its runs begin, and is marked afterwards") {
  const TemporaryDirectory place;
  register_claims(place.path(), claims_with("0.005"), false);
  register_claims(place.path(), claims_with("0.01"), false);
  CHECK_FALSE(registered_claims(place.path())[0].changed);
  register_claims(place.path(), claims_with("0.01"), true);
  CHECK_FALSE(registered_claims(place.path())[0].changed);
  register_claims(place.path(), claims_with("0.001"), true);
  CHECK(registered_claims(place.path())[0].changed);
  CHECK(registered_claims(place.path())[0].claim.margin == 0.001);
  register_claims(place.path(), claims_with("0.01"), true);  // as it was when the runs began
  CHECK_FALSE(registered_claims(place.path())[0].changed);
}

TEST_CASE("a claim that is written when runs have begun is late, and earlier ones stay") {
  const TemporaryDirectory place;
  register_claims(place.path(), claims_with("0.005"), false);
  register_claims(place.path(), claims_with("0.005", "later"), true);
  const std::vector<RegisteredClaim> back = registered_claims(place.path());
  REQUIRE(back.size() == 2);
  CHECK_FALSE(back[0].late);
  CHECK(back[1].late);
  CHECK(compare_with_registered(place.path(), claims_with("7", "unknown"))[0].late);
  CHECK(compare_with_registered(place.path(), claims_with("7"))[0].changed);
}

TEST_CASE(
    "a sweep that is begun with fewer seeds judges its claims with these, and says when seeds were added after a "
    "look") {
  const TemporaryDirectory place;
  register_claims(place.path(), claims_with("0.005"), false, 4);
  RegisteredClaim claim = registered_claims(place.path()).at(0);
  CHECK(claim.claim.n == 4);
  CHECK(claim.asked == 8);
  CHECK_FALSE(claim.changed);  // its text asks for 8 as before
  register_claims(place.path(), claims_with("0.005"), true, 4);
  CHECK(registered_claims(place.path()).at(0).looked_at == 0);  // resumed
  register_claims(place.path(), claims_with("0.005"), true);
  claim = registered_claims(place.path()).at(0);
  CHECK(claim.claim.n == 8);
  CHECK(claim.asked == 0);
  CHECK(claim.looked_at == 4);
  register_claims(place.path(), claims_with("0.005"), true, 20);  // more than it asks for
  CHECK(registered_claims(place.path()).at(0).claim.n == 8);
}

TEST_CASE("a sweep without claims leaves no file, and a damaged file is named") {
  const TemporaryDirectory place;
  register_claims(place.path(), {}, false);
  CHECK(registered_claims(place.path()).empty());
  CHECK_FALSE(std::filesystem::exists(place.path() / kClaimsFileName));
  register_claims(place.path(), claims_with("0.005"), false);
  std::ofstream(place.path() / kClaimsFileName, std::ios::app) << "\n[[claim]]\nid = 3\n";
  CHECK_THROWS_AS(registered_claims(place.path()), DataError);
}

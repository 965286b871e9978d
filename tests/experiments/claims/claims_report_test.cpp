// SPDX-License-Identifier: Apache-2.0
// Which series of the runs are read before claims are judged.
#include "experiments/claims/claims_report.h"

#include <fmt/format.h>

#include "tests/support/catch.h"

using namespace precipice;

namespace {

// Claims of these metrics, as a directory has them.
std::vector<RegisteredClaim> registered_with(const std::vector<std::string>& metrics) {
  std::string text;
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const bool has_direction = metrics[i] != "identical" && !metrics[i].starts_with("first_departure");
    text += fmt::format(
        "[[claim]]\nid = 'c{}'\nsource = 's'\nsays = 'w'\nmetric = '{}'\ncompare = ['a', 'b']\nat = {{}}\nliteral = "
        "true\n"
        "n = 8\n{}",
        i, metrics[i], has_direction ? "direction = 'higher'\nmargin = 0\n" : "");
  }
  std::vector<RegisteredClaim> registered;
  for (const Claim& claim : parse_claims(text, "s.toml")) registered.push_back({claim});
  return registered;
}

}  // namespace

TEST_CASE(
    "of the runs' series those are read that statistics and the claims name, and all where every bit is claimed") {
  using Groups = std::set<std::string>;
  CHECK(groups_for({}) == Groups{"metrics", "eval"});
  CHECK(groups_for(registered_with({"final_loss", "diverged", "jumps"})) == Groups{"metrics", "eval"});
  CHECK(groups_for(registered_with({"series:tensors/bias@10:20", "final_loss"})) ==
        Groups{"metrics", "eval", "tensors"});
  CHECK(groups_for(registered_with({"first_departure:curvature/top<sharpness/logit_sharpness"})) ==
        Groups{"metrics", "eval", "curvature", "sharpness"});
  CHECK(groups_for(registered_with({"final_loss", "identical"})).empty());
}

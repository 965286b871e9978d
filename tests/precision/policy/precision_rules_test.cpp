// SPDX-License-Identifier: Apache-2.0
// Rules as text: what they select, where steps cut, and what is refused.
#include "precision/policy/precision_rules.h"

#include "precision/base/check.h"
#include "tests/support/catch.h"

namespace precipice::test {
namespace {

using Range = std::pair<std::int64_t, std::int64_t>;

Range resolved(const char* text, std::int64_t count) {
  return IndexRange::parse("layers", text).resolve(count);
}

std::string problem_of(const std::string& text) {
  try {
    parse_rules(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("ranges count from both ends, in numbers and in percent") {
  CHECK(resolved("0:500", 1000) == Range{0, 500});
  CHECK(resolved(":500", 1000) == Range{0, 500});
  CHECK(resolved("500:", 1000) == Range{500, 1000});
  CHECK(resolved(":", 7) == Range{0, 7});
  CHECK(resolved("3", 12) == Range{3, 4});
  CHECK(resolved("-1", 12) == Range{11, 12});
  CHECK(resolved("-2:", 12) == Range{10, 12});
  CHECK(resolved(":-2", 12) == Range{0, 10});
  CHECK(resolved("-15%:", 12) == Range{10, 12});  // 1.8 layers, rounded up
  CHECK(resolved("-10%:", 1000) == Range{900, 1000});
  CHECK(resolved("12.5%:50%", 8) == Range{1, 4});
  CHECK(resolved("500:900", 400).first >= resolved("500:900", 400).second);  // empty
  for (std::int64_t count = 1; count < 40; ++count)
    CHECK(resolved(":90%", count).second == resolved("90%:", count).first);
}

TEST_CASE("a rule has selectors and a recipe or fields") {
  const auto rules = parse_rules(
      "lm_head -> bf16; attn.* pass=dgrad layers=-1 -> high ;steps=:500 -> mxfp8:rule=rceil,element=e5m2;"
      "mlp.* operand=dy -> rounding=sr random_bits=8 format=e5m2:bias=16");
  REQUIRE(rules.size() == 4);
  CHECK(rules[0].site == "lm_head");
  CHECK(rules[0].recipe == "bf16");
  CHECK(rules[0].layers.is_everything());
  CHECK(rules[1].selects_site("attn.qkv"));
  CHECK(rules[1].selects_site("attn.pv"));
  CHECK(!rules[1].selects_site("mlp.up"));
  CHECK(rules[1].pass == RulePass::Dgrad);
  CHECK(rules[1].layers.resolve(6) == Range{5, 6});
  CHECK(rules[1].text == "attn.* pass=dgrad layers=-1 -> high");
  CHECK(rules[2].recipe == "mxfp8:rule=rceil,element=e5m2");
  CHECK(rules[2].selects_site("lm_head"));
  CHECK(rules[3].operand == RuleOperand::Dy);
  CHECK((rules[3].fields ==
         std::vector<RuleField>{{"rounding", "sr"}, {"random_bits", "8"}, {"format", "e5m2:bias=16"}}));
  CHECK(parse_rules("").empty());
  CHECK(parse_rules(" ; ").empty());
}

TEST_CASE("rules have one spelling, which reads back to itself") {
  const std::string one = "lm_head -> bf16; -> te-block; steps=:500 attn.* -> rounding=sr random_bits=8";
  CHECK(to_string(parse_rules("  lm_head->bf16;;-> te-block ;  steps=:500   attn.*  ->rounding=sr  random_bits=8; ")) ==
        one);
  CHECK(to_string(parse_rules(one)) == one);
  CHECK(to_string(parse_rules(" ; ")).empty());
}

TEST_CASE("steps are cut where a rule begins or ends") {
  const auto rules =
      parse_rules("steps=:500 -> bf16; steps=-10%: -> bf16; steps=400:600 lm_head -> high; steps=5000: -> high");
  CHECK(rule_cuts(rules, 1000) == std::vector<std::int64_t>{0, 400, 500, 600, 900});
  CHECK(rule_cuts({}, 1000) == std::vector<std::int64_t>{0});
  CHECK(rule_cuts(rules, 0) ==
        std::vector<std::int64_t>{0});  // a run that does not train has a first policy all the same
}

TEST_CASE("rules that cannot be read are refused with what is allowed") {
  const auto refused = [](const std::string& text, const std::string& because) {
    INFO(text << ": " << problem_of(text));
    CHECK(problem_of(text).find(because) != std::string::npos);
  };
  refused("lm_head", "SELECTORS -> ACTION");
  refused("lm_head ->", "after ->");
  refused("lm_head -> bf16 fp8", "two recipes");
  refused("lm_head -> bf16 rounding=sr", "not a recipe and fields both");
  refused("layer=3 -> bf16", "did you mean layers=?");
  refused("pass=forward -> bf16", "fprop, dgrad, wgrad");
  refused("operand=dx -> bf16", "x, w, dy, output");
  refused("layers=a:b -> bf16", "expected A:B");
  refused("layers=1.5: -> bf16", "whole numbers");
  refused("steps=120%: -> bf16", "percentages");
  refused("steps=10% -> bf16", "10%:");
  refused("mlp.up attn.qk -> bf16", "twice");
  refused("lm_head -> bf16;  mlp.up   -> ", "rule 2 \"mlp.up -> \":");
  refused("lm_head -> bf16; layer=3 -> bf16", "rule 2 \"layer=3 -> bf16\": \"layer\" is not a selector");
}

}  // namespace precipice::test

// SPDX-License-Identifier: Apache-2.0
// Rules that change a recipe at some sites, layers, passes, operands or steps; later ones win. One text, rules
// separated by ';' (a config file may also have an array of them):
//   SELECTORS -> ACTION
//   lm_head -> bf16                          one kind of site
//   attn.* pass=dgrad -> high                a glob over kinds; one pass in fp32
//   layers=-15%: -> bf16                     the last 15% of the layers
//   steps=:500 -> bf16                       the first 500 steps; steps=-10%: the last tenth
//   operand=dy -> rounding=sr random_bits=8  fields of the quantizers
// Ranges are A:B with B not included, either end left out, or one number; negative counts from the end; % of the whole,
// rounded up, so that :90% and 90%: meet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace precipice {

class IndexRange {
 public:
  IndexRange() = default;  // everything
  // Throws ConfigError.
  static IndexRange parse(std::string_view what, std::string_view text);
  // First and one past the last of `count` indices; empty when first >= last.
  std::pair<std::int64_t, std::int64_t> resolve(std::int64_t count) const;
  bool is_everything() const { return !begin_ && !end_; }

 private:
  struct Bound {
    double value = 0;  // of the count, or in percent of it
    bool percent = false;
    bool from_end = false;
  };
  static Bound parse_bound(std::string_view what, std::string_view text);
  static std::int64_t place(const Bound& bound, std::int64_t count);

  std::optional<Bound> begin_, end_;
  bool single_ = false;  // one index: begin_
};

enum class RulePass : std::uint8_t { Any, Fprop, Dgrad, Wgrad };
enum class RuleOperand : std::uint8_t { Any, X, W, Dy, Output };

struct RuleField {
  std::string name, value;
  bool operator==(const RuleField&) const = default;
};

struct PrecisionRule {
  std::string text;        // as written but for spaces, for messages and tables
  std::size_t number = 0;  // counted from 1
  std::string site = "*";  // glob over kinds of site: attn.qkv, mlp.*, lm_head
  IndexRange layers, steps;
  RulePass pass = RulePass::Any;
  RuleOperand operand = RuleOperand::Any;
  std::string recipe;             // "high", or a recipe with its options; empty: fields
  std::vector<RuleField> fields;  // format, rounding, overflow, random_bits, scaling, ...

  bool selects_site(std::string_view kind) const;
  std::string name() const;  // rule 2 "lm_head -> bf16"
};

// Throws ConfigError naming the rule and what is allowed. What recipes and fields there are is checked by whoever
// applies the rules.
std::vector<PrecisionRule> parse_rules(std::string_view text);

// Their one spelling: "lm_head -> bf16; steps=:500 -> high". parse_rules reads it back.
std::string to_string(const std::vector<PrecisionRule>& rules);

// Steps at which the set of active rules changes, ascending, beginning with 0: within [cuts[i], cuts[i+1]) it is
// constant.
std::vector<std::int64_t> rule_cuts(const std::vector<PrecisionRule>& rules, std::int64_t steps);

}  // namespace precipice

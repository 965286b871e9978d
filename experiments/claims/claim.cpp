// SPDX-License-Identifier: Apache-2.0
#include "experiments/claims/claim.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <sstream>

#include "metrics/divergence/episodes.h"
#include "metrics/statistics/signed_ranks.h"
#include "precision/base/check.h"
#include "precision/base/spellings.h"
#include "train/config/run_config.h"
#include "train/config/toml_file.h"

namespace precipice {
namespace {

constexpr std::int64_t kMaxPairs = 10'000;

constexpr Spellings<ClaimDirection, 3> kDirections{
    {{"higher", ClaimDirection::Higher}, {"lower", ClaimDirection::Lower}, {"equivalent", ClaimDirection::Equivalent}}};
constexpr Spellings<ClaimTest, 7> kTests{{{"paired-t", ClaimTest::PairedT},
                                          {"signed-rank", ClaimTest::SignedRank},
                                          {"sign", ClaimTest::Sign},
                                          {"tost", ClaimTest::Tost},
                                          {"mcnemar", ClaimTest::McNemar},
                                          {"rate-ratio", ClaimTest::RateRatio},
                                          {"bits", ClaimTest::Bits}}};
constexpr Spellings<bool, 2> kSeeds{{{"fresh", false}, {"sequential", true}}};
const std::vector<std::string> kKeys{"id",        "source",  "says",        "paper", "metric", "compare", "at",
                                     "direction", "margin",  "effect",      "test",  "family", "alpha",   "n",
                                     "seeds",     "literal", "accelerated", "bands", "window"};
constexpr std::size_t kMostQuoted = 200;  // characters of `paper`

std::string toml_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  std::ostringstream out;
  if (const auto* real = node.as_floating_point()) return fmt::format("{}", real->get());
  node.visit([&](const auto& typed) { out << typed; });
  return out.str();
}

SeriesName series_name(const TomlTable& table, const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == text.size())
    table.fail("metric", fmt::format("\"{}\" must be GROUP/NAME, as in sharpness/all_tokens", text));
  return {text.substr(0, slash), text.substr(slash + 1)};
}

void read_series(const TomlTable& table, const std::string& text, Claim& claim) {
  const std::size_t at = text.find('@'), colon = text.find(':', at == std::string::npos ? 0 : at);
  if (at == std::string::npos || colon == std::string::npos) table.fail("metric", "must be series:GROUP/NAME@FROM:TO");
  claim.series = series_name(table, text.substr(0, at));
  const auto step = [&](const std::string& digits) {
    if (digits.empty() || digits.size() > 12 || digits.find_first_not_of("0123456789") != std::string::npos)
      table.fail("metric", fmt::format("\"{}\" is no step", digits));
    return std::int64_t{std::stoll(digits)};
  };
  claim.from = step(text.substr(at + 1, colon - at - 1)), claim.to = step(text.substr(colon + 1));
  if (claim.from > claim.to) table.fail("metric", "must end after it begins");
}

void read_departure(const TomlTable& table, const std::string& text, Claim& claim) {
  const std::size_t less = text.find('<');
  if (less == std::string::npos) table.fail("metric", "must be first_departure:GROUP/A<GROUP/B");
  claim.series = series_name(table, text.substr(0, less));
  claim.other_series = series_name(table, text.substr(less + 1));
  if (table.has("window")) claim.window = table.whole("window", 1, 1'000'000'000);
  if (!table.has("bands")) return;
  const std::vector<double> ends = table.numbers("bands");
  if (ends.size() != 4 || !(0 < ends[0] && ends[0] < ends[1] && 0 < ends[2] && ends[2] < ends[3]))
    table.fail("bands", "must be [low of A, high of A, low of B, high of B], ratios to the second format, rising");
  claim.band = {ends[0], ends[1]}, claim.other_band = {ends[2], ends[3]};
}

void read_metric(const TomlTable& table, Claim& claim) {
  static const std::vector<std::pair<std::string, ClaimMetric>> kPlain{
      {"final_loss", ClaimMetric::FinalLoss}, {"diverged", ClaimMetric::Diverged},
      {"untrained", ClaimMetric::Untrained},  {"failed", ClaimMetric::Failed},
      {"jumps", ClaimMetric::Episodes},       {"identical", ClaimMetric::Identical}};
  claim.metric = table.text("metric");
  const std::size_t colon = claim.metric.find(':');
  const std::string head = claim.metric.substr(0, colon),
                    rest = colon == std::string::npos ? "" : claim.metric.substr(colon + 1);
  if (colon == std::string::npos) {
    for (const auto& [name, kind] : kPlain) {
      if (claim.metric != name) continue;
      claim.kind = kind, claim.rule = "jump";
      return;
    }
  } else if (head == "spikes") {
    claim.kind = ClaimMetric::Episodes, claim.rule = rest;
    const std::vector<std::string> rules = episode_rules();
    if (std::find(rules.begin(), rules.end(), rest) == rules.end())
      table.fail("metric",
                 fmt::format("has no rule \"{}\"; the rules with episodes are {}", rest, fmt::join(rules, ", ")));
    return;
  } else if (head == "series") {
    claim.kind = ClaimMetric::Series;
    return read_series(table, rest, claim);
  } else if (head == "first_departure") {
    claim.kind = ClaimMetric::FirstDeparture;
    return read_departure(table, rest, claim);
  }
  table.fail(
      "metric",
      "must be final_loss, diverged, untrained, failed, jumps, identical, spikes:RULE, series:GROUP/NAME@FROM:TO "
      "or first_departure:GROUP/A<GROUP/B");
}

// The tests that a metric can be decided by, its own first.
std::vector<ClaimTest> tests_of(const Claim& claim) {
  switch (claim.kind) {
    case ClaimMetric::FinalLoss:
    case ClaimMetric::Series:
      if (claim.direction == ClaimDirection::Equivalent) return {ClaimTest::Tost};
      return {ClaimTest::PairedT, ClaimTest::SignedRank, ClaimTest::Sign};
    case ClaimMetric::Diverged:
    case ClaimMetric::Untrained:
    case ClaimMetric::Failed:
      return {ClaimTest::McNemar};
    case ClaimMetric::Episodes:
      return {ClaimTest::RateRatio};
    case ClaimMetric::FirstDeparture:
      return {ClaimTest::Sign};
    case ClaimMetric::Identical:
      return {ClaimTest::Bits};
  }
  return {};
}

void read_test(const TomlTable& table, Claim& claim) {
  const std::vector<ClaimTest> tests = tests_of(claim);
  claim.test = tests.front();
  if (!table.has("test")) return;
  claim.test = table.word("test", kTests);
  if (std::find(tests.begin(), tests.end(), claim.test) != tests.end()) return;
  std::vector<std::string> names;
  for (const ClaimTest test : tests) names.push_back(to_string(test));
  table.fail("test", fmt::format("does not decide {} {}; allowed: {}", claim.metric, to_string(claim.direction),
                                 fmt::join(names, ", ")));
}

void read_margin(const TomlTable& table, Claim& claim) {
  if (!table.has("margin")) {
    if (claim.direction == ClaimDirection::Equivalent) table.fail("margin", "is missing: an equivalence needs one");
    return;
  }
  if (!table.has("direction")) table.fail("margin", "needs a direction: higher, lower or equivalent");
  if (const auto* text = table.node("margin")->as_string()) {
    char* end = nullptr;
    claim.margin = std::strtod(text->get().c_str(), &end) / 100;
    claim.margin_is_relative = true;
    if (std::string(end) != " %" || !std::isfinite(claim.margin) || claim.margin < 0)
      table.fail("margin", "must be a number, or a percentage of the second's mean as \"0.25 %\"");
  } else {
    claim.margin = table.number("margin", 0, 1e30);
  }
  const bool is_mean = claim.kind == ClaimMetric::FinalLoss || claim.kind == ClaimMetric::Series;
  if (claim.margin_is_relative && !is_mean)
    table.fail("margin", "of a percentage goes with final_loss and series alone");
  if (claim.margin > 0 && !is_mean && claim.kind != ClaimMetric::Episodes)
    table.fail("margin", "must be 0 with metric " + claim.metric);
  if (claim.direction == ClaimDirection::Equivalent && claim.margin == 0)
    table.fail("margin", "of an equivalence must be positive");
}

void read_compared(const TomlTable& table, Claim& claim) {
  const auto* pair = table.table()["compare"].as_array();
  if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_value() || !(*pair)[1].is_value())
    table.fail("compare", "must be two values, as [\"e8m3\", \"bf16\"]");
  claim.first = toml_text((*pair)[0]), claim.second = toml_text((*pair)[1]);
  if (claim.first == claim.second) table.fail("compare", "names the same value twice");
  if (!table.has("at")) return;
  const auto* at = table.table()["at"].as_table();
  if (at == nullptr) table.fail("at", "must be a table, as {\"optimizer.lr\" = 1e-3}");
  for (const auto& [key, value] : *at) {
    if (!value.is_value()) table.fail("at", "has values, no arrays or tables");
    claim.at[std::string(key.str())] = toml_text(value);
  }
}

void read_lever(const TomlTable& table, Claim& claim) {
  const bool literal = table.has("literal") && table.flag("literal");
  if (literal == table.has("accelerated"))
    table.fail("literal", "a claim says literal = true or accelerated = \"the lever\", one of both");
  if (!literal) claim.accelerated = table.text("accelerated");
}

// All keys but one in the order of kKeys, so that the order in the file and comments do not matter.
std::string canonical_text(const toml::table& table, const std::string& without = "") {
  std::string text;
  for (const std::string& key : kKeys) {
    const toml::node* node = table.get(key);
    if (node == nullptr || key == without) continue;
    std::ostringstream value;
    node->visit([&](const auto& typed) { value << typed; });
    text += key + " = " + value.str() + "\n";
  }
  return text;
}

Claim read_claim(const toml::table& toml_table, const TomlFile& file) {
  const TomlTable table(file, toml_table, "claim", kKeys);
  Claim claim;
  claim.file = file.name(), claim.line = table.line();
  claim.id = table.text("id");
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
  };
  if (claim.id.size() > 60 || !std::all_of(claim.id.begin(), claim.id.end(), is_word))
    table.fail("id", "must be one word of at most 60 letters, digits, _ - and .");
  claim.source = table.text("source"), claim.says = table.text("says");
  if (table.has("paper")) claim.paper = table.text("paper");
  if (claim.paper.size() > kMostQuoted) table.fail("paper", fmt::format("has at most {} characters", kMostQuoted));
  read_metric(table, claim);
  read_compared(table, claim);
  if (claim.kind == ClaimMetric::Identical || claim.kind == ClaimMetric::FirstDeparture) {
    if (table.has("direction")) table.fail("direction", "is a part of the metric itself here");
  } else {
    claim.direction = table.word("direction", kDirections);
  }
  if (claim.direction == ClaimDirection::Equivalent && tests_of(claim).front() != ClaimTest::Tost)
    table.fail("direction", "equivalent goes with final_loss and series alone");
  read_margin(table, claim);
  read_test(table, claim);
  if (table.has("effect")) claim.effect = table.number("effect", 0, 1e30);
  claim.family = table.has("family") ? table.text("family") : claim.id;
  if (table.has("alpha")) claim.alpha = table.number("alpha", 1e-6, 0.5);
  claim.n = table.whole("n", claim.kind == ClaimMetric::Identical ? 1 : 2, kMaxPairs);
  if (table.has("seeds")) claim.sequential = table.word("seeds", kSeeds);
  read_lever(table, claim);
  claim.text = canonical_text(toml_table);
  claim.prediction = canonical_text(toml_table, "paper");
  return claim;
}

std::vector<Claim> claims_of(const TomlFile& file) {
  std::vector<Claim> claims;
  const toml::node* node = file.root().get("claim");
  if (node == nullptr) return claims;
  const auto* tables = node->as_array();
  if (tables == nullptr || !tables->is_homogeneous(toml::node_type::table))
    throw ConfigError({file.name(), static_cast<int>(node->source().begin.line), "claim", ""},
                      "claims are [[claim]] tables");
  std::set<std::string> ids;
  std::map<std::string, double> alphas;
  for (const toml::node& table : *tables) {
    claims.push_back(read_claim(*table.as_table(), file));
    const Claim& claim = claims.back();
    if (!ids.insert(claim.id).second)
      throw ConfigError({file.name(), claim.line, "claim.id", claim.id}, "names two claims");
    if (const auto [family, is_new] = alphas.emplace(claim.family, claim.alpha);
        !is_new && family->second != claim.alpha)
      throw ConfigError(
          {file.name(), claim.line, "claim.alpha", fmt::format("{}", claim.alpha)},
          fmt::format("claims of family {} share one alpha, which is {} above", claim.family, family->second));
  }
  return claims;
}

// The keys that move together under this name in the file's [sweep] table; none where it is no such name.
std::vector<std::string> linked_keys(const TomlFile& file, const std::string& name) {
  const toml::array* arms = file.root()["sweep"][name].as_array();
  const toml::table* first = arms == nullptr || arms->empty() ? nullptr : (*arms)[0].as_table();
  std::vector<std::string> keys;
  if (first == nullptr) return keys;
  for (const auto& [key, node] : *first)
    if (key.str() != "label") keys.emplace_back(key.str());
  return keys;
}

// Runs know their axes by config keys alone.
void check_places(const Claim& claim, const TomlFile& file) {
  static const std::vector<std::string> kConfigKeys = [] {
    std::vector<std::string> names;
    for (const ConfigKey& key : config_keys()) names.push_back(key.name);
    return names;
  }();
  for (const auto& [key, value] : claim.at) {
    if (std::find(kConfigKeys.begin(), kConfigKeys.end(), key) != kConfigKeys.end()) continue;
    const std::vector<std::string> linked = linked_keys(file, key);
    const std::string near = nearest_word(key, kConfigKeys);
    const std::string instead =
        !linked.empty() ? fmt::format(
                              "; keys that move together under this name are {}: name one of them, with its "
                              "value or its label",
                              fmt::join(linked, ", "))
        : near.empty() ? ""
                       : fmt::format("; did you mean {}?", near);
    throw ConfigError({file.name(), claim.line, "claim.at", key}, "is no key of a config" + instead);
  }
}

}  // namespace

std::string to_string(ClaimDirection direction) {
  return spelling_of(direction, kDirections);
}
std::string to_string(ClaimTest test) {
  return spelling_of(test, kTests);
}

std::vector<Claim> parse_claims(const std::string& toml_text, const std::string& file_name) {
  return claims_of(TomlFile(toml_text, file_name));
}

std::vector<Claim> read_claims(const std::filesystem::path& path) {
  const TomlFile file = TomlFile::read(path);
  std::vector<Claim> claims = claims_of(file);
  for (const Claim& claim : claims) check_places(claim, file);
  return claims;
}

double least_p(const Claim& claim) {
  const bool counts_signs =
      claim.test == ClaimTest::Sign || claim.test == ClaimTest::SignedRank || claim.test == ClaimTest::McNemar;
  return counts_signs ? least_exact_p(claim.n) : 0;
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
#include "experiments/claims/claims_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiments/claims/claim_runs.h"
#include "experiments/console/console.h"
#include "experiments/console/table.h"
#include "metrics/statistics/signed_ranks.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

std::string effect_text(double value) {
  return std::isnan(value) ? "-" : fmt::format("{:.4g}", value);
}

std::string range_text(const Interval& interval) {
  return std::isnan(interval.low) ? "-" : fmt::format("[{:.4g}, {:.4g}]", interval.low, interval.high);
}

// Why a verdict is no confirmation.
std::string standing(const RegisteredClaim& registered) {
  if (registered.changed) return "changed after its runs began";
  if (registered.late) return "written after its runs began";
  if (registered.looked_at > 0)
    return fmt::format("exploratory: it could be judged with {} pairs before", registered.looked_at);
  if (registered.claim.sequential) return "exploratory: its n grew as results came in";
  return "";
}

std::string notes_of(const JudgedClaim& claim, const RegisteredClaim& registered) {
  std::vector<std::string> notes;
  if (!standing(registered).empty()) notes.push_back(standing(registered));
  if (registered.asked > 0)
    notes.push_back(fmt::format("judged with {} pairs where it asks for {}", registered.claim.n, registered.asked));
  if (!claim.reason.empty()) notes.push_back(claim.reason);
  if (claim.dropped > 0) notes.push_back(fmt::format("{} pairs without a number left out", claim.dropped));
  if (claim.would_need > 0) notes.push_back(fmt::format("would need {} pairs of fresh seeds", claim.would_need));
  if (claim.would_need < 0) notes.push_back("no number of seeds up to 1000 would decide it");
  if (!claim.interval_of.empty() && !std::isnan(claim.interval.low)) notes.push_back("interval: " + claim.interval_of);
  std::string text;
  for (const std::string& note : notes) text += (text.empty() ? "" : "; ") + note;
  return text;
}

std::string claimed_text(const Claim& claim) {
  const std::string margin = claim.margin == 0          ? ""
                             : claim.margin_is_relative ? fmt::format(" by {:g} %", 100 * claim.margin)
                                                        : fmt::format(" by {:g}", claim.margin);
  if (claim.kind == ClaimMetric::Identical) return fmt::format("{} is {} in every bit", claim.first, claim.second);
  if (claim.kind == ClaimMetric::FirstDeparture)
    return fmt::format("{} of {} over {}", claim.metric, claim.first, claim.second);
  if (claim.direction == ClaimDirection::Equivalent)
    return fmt::format("{} of {} within{} of {}", claim.metric, claim.first, margin.substr(margin.empty() ? 0 : 3),
                       claim.second);
  return fmt::format("{} of {} {} than {}{}", claim.metric, claim.first, to_string(claim.direction), claim.second,
                     margin);
}

Json paired_counts_json(const PairedCounts& counts) {
  return {{"both", counts.both},
          {"only_first", counts.only_first},
          {"only_second", counts.only_second},
          {"neither", counts.neither}};
}

Json beside_json(const BesideTests& beside) {
  return {{"sign_p", finite_or_word(beside.sign_p)},
          {"signed_rank_p", finite_or_word(beside.signed_rank_p)},
          {"hodges_lehmann", finite_or_word(beside.hodges_lehmann)},
          {"hodges_lehmann_interval", json_of<finite_or_word>(beside.hodges_lehmann_interval)}};
}

Json claim_json(const JudgedClaim& judged, const RegisteredClaim& registered) {
  const Claim& claim = judged.claim;
  Json json{{"id", claim.id},
            {"source", claim.source},
            {"says", claim.says},
            {"paper", claim.paper},
            {"claim", claimed_text(claim)},
            {"verdict", to_string(judged.verdict)},
            {"reason", judged.reason},
            {"n", claim.n},
            {"claimed", claim.effect ? finite_or_word(*claim.effect) : Json()},
            {"asked", registered.asked > 0 ? registered.asked : claim.n},
            {"looked_at", registered.looked_at},
            {"pairs", judged.pairs},
            {"dropped", judged.dropped},
            {"effect", finite_or_word(judged.effect)},
            {"unit", judged.effect_unit},
            {"interval", json_of<finite_or_word>(judged.interval)},
            {"interval_of", judged.interval_of},
            {"confidence", finite_or_word(judged.confidence)},
            {"test", to_string(claim.test)},
            {"p", finite_or_word(judged.p)},
            {"holm_p", finite_or_word(judged.holm_p)},
            {"family", claim.family},
            {"alpha", claim.alpha},
            {"literal", claim.accelerated.empty()},
            {"accelerated", claim.accelerated},
            {"would_need", judged.would_need},
            {"changed", registered.changed},
            {"late", registered.late},
            {"sequential", claim.sequential},
            {"cpu_seconds", finite_or_word(judged.cpu_seconds)},
            {"wall_seconds", judged.wall_seconds}};
  if (judged.counts) json["counts"] = paired_counts_json(*judged.counts);
  if (judged.beside) json["beside"] = beside_json(*judged.beside);
  return json;
}

}  // namespace

ClaimsReport claims_report(const SweepData& data, const std::vector<RegisteredClaim>& claims) {
  ClaimsReport report;
  report.directory = data.directory.string();
  report.command = "precipice claims " + shell_word(path_argument(data.directory));
  report.registered = claims;
  std::vector<Claim> plain;
  for (const RegisteredClaim& claim : claims) plain.push_back(claim.claim);
  report.judged = judge_claims(data, plain);
  return report;
}

std::string to_text(const ClaimsReport& report) {
  std::vector<std::vector<std::string>> rows{
      {"claim", "verdict", "pairs", "effect", "interval", "p", "Holm p", "test"}};
  for (const JudgedClaim& claim : report.judged)
    rows.push_back({claim.claim.id, to_string(claim.verdict), fmt::format("{} of {}", claim.pairs, claim.claim.n),
                    effect_text(claim.effect), range_text(claim.interval), effect_text(claim.p),
                    effect_text(claim.holm_p), to_string(claim.claim.test)});
  std::string text = format_table(rows) + "\n";
  for (std::size_t i = 0; i < report.judged.size(); ++i) {
    const Claim& claim = report.judged[i].claim;
    const std::string notes = notes_of(report.judged[i], report.registered[i]);
    const std::string quoted = claim.paper.empty() ? "" : fmt::format(": \"{}\"", claim.paper);
    text += format_table(
        {{fmt::format("{}: {} ({}{}): {}; {}{}", claim.id, claim.says, claim.source, quoted, claimed_text(claim),
                      claim.accelerated.empty() ? "literal" : "accelerated: " + claim.accelerated,
                      notes.empty() ? "" : "; " + notes)}});
  }
  return text;
}

Json to_json(const ClaimsReport& report) {
  Json claims = Json::array();
  for (std::size_t i = 0; i < report.judged.size(); ++i)
    claims.push_back(claim_json(report.judged[i], report.registered[i]));
  return {{"directory", report.directory}, {"command", report.command}, {"claims", claims}};
}

std::vector<IndexColumn> index_columns(const ClaimsReport& report) {
  const auto texts = [&](const char* name, const char* meaning, const auto& value) {
    IndexColumn column{std::string("/claims/") + name, "", meaning, std::vector<std::string>{}};
    for (std::size_t i = 0; i < report.judged.size(); ++i)
      std::get<0>(column.values).push_back(value(report.judged[i], report.registered[i]));
    return column;
  };
  const auto numbers = [&](const char* name, const char* units, const char* meaning, const auto& value) {
    IndexColumn column{std::string("/claims/") + name, units, meaning, std::vector<double>{}};
    for (const JudgedClaim& judged : report.judged) {
      const double number = value(judged);
      std::get<1>(column.values).push_back(std::isfinite(number) ? number : kNaN);
    }
    return column;
  };
  using J = JudgedClaim;
  using R = RegisteredClaim;
  return {
      texts("id", "claim", [](const J& j, const R&) { return j.claim.id; }),
      texts("says", "the claim in words", [](const J& j, const R&) { return j.claim.says; }),
      texts("paper", "what the source reports; empty where the claim does not quote it",
            [](const J& j, const R&) { return j.claim.paper; }),
      texts("source", "who claims it", [](const J& j, const R&) { return j.claim.source; }),
      texts("metric", "what is compared", [](const J& j, const R&) { return j.claim.metric; }),
      texts("verdict", "the program's word", [](const J& j, const R&) { return to_string(j.verdict); }),
      texts("reason", "why, and what should be known", [](const J& j, const R& r) { return notes_of(j, r); }),
      texts("test", "the test that decides", [](const J& j, const R&) { return to_string(j.claim.test); }),
      texts("unit", "of effect", [](const J& j, const R&) { return j.effect_unit; }),
      texts("standing", "why it is no prediction; empty where it is one",
            [](const J&, const R& r) { return standing(r); }),
      texts("command", "what gives the same verdicts", [&](const J&, const R&) { return report.command; }),
      numbers("n", "pairs", "pairs of seeds that the claim asks for",
              [](const J& j) { return static_cast<double>(j.claim.n); }),
      numbers("pairs", "pairs", "pairs that the deciding test used",
              [](const J& j) { return static_cast<double>(j.pairs); }),
      numbers("dropped", "pairs", "pairs left out of it, a run having diverged",
              [](const J& j) { return static_cast<double>(j.dropped); }),
      numbers("effect", "1", "first format against second, in `unit`; NaN: none or infinite",
              [](const J& j) { return j.effect; }),
      numbers("low", "1", "lower end of its interval; NaN: none or infinite",
              [](const J& j) { return j.interval.low; }),
      numbers("high", "1", "upper end of its interval; NaN: none or infinite",
              [](const J& j) { return j.interval.high; }),
      numbers("confidence", "1", "of the interval", [](const J& j) { return j.confidence; }),
      numbers("p", "1", "of the margin", [](const J& j) { return j.p; }),
      numbers("holm_p", "1", "p within its family", [](const J& j) { return j.holm_p; }),
      numbers("cpu_seconds", "s", "processor time of its runs", [](const J& j) { return j.cpu_seconds; }),
  };
}

std::set<std::string> groups_for(const std::vector<RegisteredClaim>& claims) {
  std::set<std::string> groups = statistics_groups();
  for (const RegisteredClaim& registered : claims) {
    const Claim& claim = registered.claim;
    if (claim.kind == ClaimMetric::Identical) return {};
    for (const SeriesName* name : {&claim.series, &claim.other_series})
      if (!name->group.empty()) groups.insert(name->group);
  }
  return groups;
}

std::optional<ClaimsReport> registered_report(const SweepData& data) {
  const std::vector<RegisteredClaim> claims = registered_claims(data.directory);
  if (claims.empty()) return std::nullopt;
  return claims_report(data, claims);
}

std::vector<std::string> undecidable_claims(const std::vector<Claim>& claims) {
  std::vector<std::string> lines;
  for (const Claim& claim : claims) {
    const auto members =
        std::count_if(claims.begin(), claims.end(), [&](const Claim& c) { return c.family == claim.family; });
    const double level = claim.alpha / static_cast<double>(members);
    if (least_p(claim) <= level) continue;
    std::int64_t needed = claim.n;
    while (least_exact_p(needed) > level) ++needed;
    lines.push_back(
        fmt::format("claim {}: {} pairs cannot decide it: the least p of {} is {:.2g}, and the first of {} claims of "
                    "family {} is tested at {:.2g}; {} pairs that differ could",
                    claim.id, claim.n, to_string(claim.test), least_p(claim), members, claim.family, level, needed));
  }
  return lines;
}

std::vector<std::string> unjudgeable_claims(const SweepData& planned, const std::vector<Claim>& claims) {
  std::vector<std::string> lines;
  for (const Claim& claim : claims)
    if (const std::string problem = problem_of_plan(planned, claim); !problem.empty())
      lines.push_back(fmt::format("claim {} cannot be judged by these runs: {}", claim.id, problem));
  return lines;
}

}  // namespace precipice

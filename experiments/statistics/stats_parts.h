// SPDX-License-Identifier: Apache-2.0
// What `precipice stats` answers, part by part, as its JSON has it. Private to stats_answer.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "experiments/statistics/paired_summaries.h"
#include "experiments/statistics/summaries.h"
#include "metrics/statistics/lr_sensitivity.h"

namespace precipice::stats {

struct Request {
  double confidence = kConfidence;
  std::uint64_t seed = 0;
  BootstrapOptions bootstrap() const { return {seed, confidence}; }
};

// An answer for a group, under its name.
template <class Answer>
struct Named {
  std::string name;
  Answer answer;
};

// A comparison by pairs, where both groups name seeds that match, or of the groups as they are.
template <class Group, class Paired>
using EitherPair = std::variant<Group, Paired>;
using CountComparison = EitherPair<CountPair, PairedEvents>;
using SurvivalPair = EitherPair<LogRankSummary, PairedSurvival>;
using ValueComparison = EitherPair<ValuePair, PairedValues>;

// A comparison of two groups.
template <class Answer>
struct PairOf {
  std::string a, b;
  Answer answer;
  double holm_p;
};

template <class Group, class Pair>
struct Part {
  std::vector<Named<Group>> groups;
  std::vector<PairOf<Pair>> pairs;
};

struct SurvivalPart {
  Part<SurvivalSummary, SurvivalPair> each;
  LogRankSummary all;
};

struct ValueSummary {
  std::size_t n;
  double mean, median;
  std::string reason;  // of these
  BootstrapSummary bootstrap;
};

struct ScoreSummary {
  AucSummary auc;  // with the exact test's p
  double average_precision;
};

struct ScorePair {
  double difference;
  Interval interval;
  double p;
  std::string reason;
};

struct SensitivitySummary {
  std::size_t n;
  LrSensitivity found;
  std::string reason;
};

struct PowerAnswer {
  std::optional<double> effect, p, q;
  std::int64_t seeds;  // -1: too many
};

struct HolmAnswer {
  std::vector<double> p, holm_p;
};

struct StatsAnswer {
  Request request;
  std::optional<Part<CountSummary, CountComparison>> counts;
  std::optional<SurvivalPart> survival;
  std::optional<Part<ValueSummary, ValueComparison>> values;
  std::optional<Part<ScoreSummary, ScorePair>> scores;
  std::optional<std::vector<Named<SensitivitySummary>>> lr_sensitivity;
  std::optional<std::vector<PowerAnswer>> power;
  std::optional<HolmAnswer> p_values;
};

template <class Answer, class Visit>
void visit_fields(const Named<Answer>& group, const Visit& visit) {
  visit("name", group.name);
  visit_fields(group.answer, visit);
}

template <class Answer, class Visit>
void visit_answer(const Answer& answer, const Visit& visit) {
  visit_fields(answer, visit);
}
template <class... Answers, class Visit>
void visit_answer(const std::variant<Answers...>& answer, const Visit& visit) {
  std::visit([&](const auto& either) { visit_fields(either, visit); }, answer);
}

template <class Answer, class Visit>
void visit_fields(const PairOf<Answer>& pair, const Visit& visit) {
  visit("a", pair.a);
  visit("b", pair.b);
  visit_answer(pair.answer, visit);
  visit("holm_p", pair.holm_p);
}

template <class Group, class Pair, class Visit>
void visit_fields(const Part<Group, Pair>& part, const Visit& visit) {
  visit("groups", part.groups);
  visit("pairs", part.pairs);
}

template <class Visit>
void visit_fields(const SurvivalPart& part, const Visit& visit) {
  visit("groups", part.each.groups);
  visit("all", part.all);
  visit("pairs", part.each.pairs);
}

template <class Visit>
void visit_fields(const ValueSummary& summary, const Visit& visit) {
  visit("n", summary.n);
  visit("mean", summary.mean);
  visit("median", summary.median);
  visit_bootstrap(summary.reason, summary.bootstrap, visit);
}

template <class Visit>
void visit_fields(const ScoreSummary& summary, const Visit& visit) {
  visit_fields(summary.auc, visit);
  visit("test", "Mann-Whitney");
  visit("average_precision", summary.average_precision);
}

template <class Visit>
void visit_fields(const ScorePair& pair, const Visit& visit) {
  visit("difference", pair.difference);
  visit("interval", pair.interval);
  visit("test", "DeLong, paired");
  visit("p", pair.p);
  visit_reason(pair.reason, visit);
}

template <class Visit>
void visit_fields(const SensitivitySummary& summary, const Visit& visit) {
  visit("n", summary.n);
  visit("sensitivity", summary.found.sensitivity);
  visit("best_loss", summary.found.best_loss);
  visit_reason(summary.reason, visit);
}

template <class Visit>
void visit_fields(const PowerAnswer& answer, const Visit& visit) {
  if (answer.effect) visit("effect", *answer.effect);
  if (answer.p) visit("p", *answer.p);
  if (answer.q) visit("q", *answer.q);
  visit("seeds", answer.seeds > 0 ? std::optional(answer.seeds) : std::nullopt);
  if (answer.seeds < 0) visit("reason", "more than 1000 seeds a group");
}

template <class Visit>
void visit_fields(const HolmAnswer& answer, const Visit& visit) {
  visit("p", answer.p);
  visit("holm_p", answer.holm_p);
}

template <class Visit>
void visit_fields(const StatsAnswer& answer, const Visit& visit) {
  visit("confidence", answer.request.confidence);
  visit("seed", answer.request.seed);
  const auto visit_part = [&](const char* key, const auto& part) {
    if (part) visit(key, *part);
  };
  visit_part("counts", answer.counts);
  visit_part("survival", answer.survival);
  visit_part("values", answer.values);
  visit_part("scores", answer.scores);
  visit_part("lr_sensitivity", answer.lr_sensitivity);
  visit_part("power", answer.power);
  visit_part("p_values", answer.p_values);
}

}  // namespace precipice::stats

// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/stats_answer.h"

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "experiments/statistics/stats_input.h"
#include "experiments/statistics/summaries.h"
#include "metrics/statistics/lr_sensitivity.h"
#include "metrics/statistics/power.h"
#include "metrics/statistics/ranks.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr std::int64_t kMaxCount = 1'000'000;  // of runs: tables of the exact test stay small
constexpr std::size_t kMaxPairs = 25'000'000;  // cases times controls in a paired comparison
constexpr std::size_t kMaxGroups = 100;
constexpr double kLargest = std::numeric_limits<double>::max();

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
  Part<SurvivalSummary, LogRankSummary> each;
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
  std::optional<Part<CountSummary, CountPair>> counts;
  std::optional<SurvivalPart> survival;
  std::optional<Part<ValueSummary, ValuePair>> values;
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
void visit_fields(const PairOf<Answer>& pair, const Visit& visit) {
  visit("a", pair.a);
  visit("b", pair.b);
  visit_fields(pair.answer, visit);
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

// A name for every group; the answers refer to them.
std::vector<std::string> names_of(const std::vector<StatsInput>& groups, const StatsInput& part) {
  if (groups.size() > kMaxGroups) part.refuse("at most 100 groups");
  std::vector<std::string> names;
  for (const StatsInput& group : groups)
    names.push_back(group.has("name") ? group.at("name").text() : std::to_string(names.size()));
  return names;
}

double p_of(const LogRankSummary& summary) {
  return summary.test.p;
}
double p_of(const auto& pair) {
  return pair.p;
}

// compare(a, b) of every pair of groups, by their places, adjusted for their number.
template <class Compare>
auto all_pairs(const std::vector<std::string>& names, const Compare& compare_groups) {
  using Answer = decltype(compare_groups(0, 0));
  std::vector<PairOf<Answer>> pairs;
  for (std::size_t a = 0; a < names.size(); ++a)
    for (std::size_t b = a + 1; b < names.size(); ++b)
      pairs.push_back({names[a], names[b], compare_groups(a, b), kNaN});
  adjust_by_holm(pairs, [](const PairOf<Answer>& pair) { return p_of(pair.answer); });
  return pairs;
}

Part<CountSummary, CountPair> answer_counts(const StatsInput& part, const Request& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<Count> counts;
  Part<CountSummary, CountPair> answer;
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "events", "trials"});
    const std::int64_t trials = element.at("trials").whole(0, kMaxCount);
    counts.push_back({element.at("events").whole(0, trials), trials});
    answer.groups.push_back({names[answer.groups.size()], summary_of(counts.back(), request.confidence)});
  }
  answer.pairs =
      all_pairs(names, [&](std::size_t a, std::size_t b) { return compare(counts[a], counts[b], request.confidence); });
  return answer;
}

std::vector<SurvivalTime> read_survival_times(const StatsInput& element) {
  element.allow_keys({"name", "times", "events"});
  const std::vector<StatsInput> times = element.at("times").elements(), events = element.at("events").elements();
  if (times.size() != events.size()) element.at("events").refuse("must have one entry per time");
  std::vector<SurvivalTime> runs;
  for (std::size_t i = 0; i < times.size(); ++i) runs.push_back({times[i].number(0, kLargest), events[i].boolean()});
  return runs;
}

SurvivalPart answer_survival(const StatsInput& part, const Request& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<std::vector<SurvivalTime>> runs;
  SurvivalPart answer;
  for (const StatsInput& element : elements) {
    runs.push_back(read_survival_times(element));
    answer.each.groups.push_back({names[answer.each.groups.size()], summary_of(runs.back(), request.confidence)});
  }
  answer.each.pairs = all_pairs(names, [&](std::size_t a, std::size_t b) {
    const std::vector<std::vector<SurvivalTime>> two{runs[a], runs[b]};
    return compare(two);
  });
  answer.all = compare(runs);
  return answer;
}

ValueSummary summary_of_values(const std::vector<double>& values, const Request& request) {
  const Bootstrap mean = bootstrap_mean(values, request.bootstrap());
  const std::span<const double> groups[] = {values};
  ValueSummary summary{values.size(), mean.estimate, median_of(values), "", summary_of(mean, groups)};
  if (values.empty()) {
    summary.reason = "no values";
    return summary;
  }
  if (std::isnan(summary.mean)) summary.reason = "inf and -inf meet in the mean";
  if (std::isnan(summary.median)) summary.reason = joined_reasons(summary.reason, "inf and -inf meet in the median");
  return summary;
}

Part<ValueSummary, ValuePair> answer_values(const StatsInput& part, const Request& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<std::vector<double>> values;
  Part<ValueSummary, ValuePair> answer;
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "values"});
    values.push_back(element.at("values").numbers(true));
    answer.groups.push_back({names[answer.groups.size()], summary_of_values(values.back(), request)});
  }
  answer.pairs = all_pairs(
      names, [&](std::size_t a, std::size_t b) { return compare(values[a], values[b], request.bootstrap()); });
  return answer;
}

struct Scores {
  std::vector<double> cases, controls;
};

ScorePair compare_scores(const Scores& a, const Scores& b, double confidence) {
  ScorePair pair{kNaN, {kNaN, kNaN}, kNaN, ""};
  if (a.cases.size() != b.cases.size() || a.controls.size() != b.controls.size()) {
    pair.reason = "not the same runs: the numbers of cases or controls differ";
  } else if (a.cases.size() * a.controls.size() > kMaxPairs) {
    pair.reason = "more than 25,000,000 pairs";
  } else {
    const AucComparison comparison =
        compare_auc(compare_pairs(a.cases, a.controls), compare_pairs(b.cases, b.controls), false, confidence);
    pair.difference = comparison.difference, pair.interval = comparison.interval, pair.p = comparison.p;
    if (a.cases.size() < 2 || a.controls.size() < 2)
      pair.reason = "n too small: needs two cases and two controls";
    else if (std::isnan(comparison.interval.low))
      pair.reason = comparison.difference == 0 ? "both scores order the runs alike: the difference has no variance"
                                               : "the difference has no variance";
  }
  return pair;
}

Part<ScoreSummary, ScorePair> answer_scores(const StatsInput& part, const Request& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<Scores> scores;
  Part<ScoreSummary, ScorePair> answer;
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "cases", "controls"});
    scores.push_back({element.at("cases").numbers(true), element.at("controls").numbers(true)});
    const Scores& own = scores.back();
    ScoreSummary summary{summary_of(auc_of_scores(own.cases, own.controls), false, request.confidence),
                         average_precision(own.cases, own.controls)};
    // Of a score per run the exact test is at hand; DeLong's z is far too sure of itself for a handful of runs.
    summary.auc.p = mann_whitney(own.cases, own.controls).p;
    answer.groups.push_back({names[answer.groups.size()], summary});
  }
  answer.pairs = all_pairs(
      names, [&](std::size_t a, std::size_t b) { return compare_scores(scores[a], scores[b], request.confidence); });
  return answer;
}

std::string why_sensitivity(const std::vector<double>& losses, const LrSensitivity& found, double initial_loss) {
  if (losses.empty()) return "no losses";
  if (losses.size() == 1) return "one loss: 0 by definition";
  if (std::isnan(found.sensitivity)) return "a loss is -inf: there is no best loss";
  return found.sensitivity == 0 && found.best_loss == initial_loss ? "no loss lies below the initial one: 0 by the cap"
                                                                   : "";
}

std::vector<Named<SensitivitySummary>> answer_lr_sensitivity(const StatsInput& part) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<Named<SensitivitySummary>> groups;
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "losses", "initial_loss"});
    const std::vector<double> losses = element.at("losses").numbers(true);
    const double initial_loss = element.at("initial_loss").number(-kLargest, kLargest);
    const LrSensitivity found = lr_sensitivity(losses, initial_loss);
    groups.push_back({names[groups.size()], {losses.size(), found, why_sensitivity(losses, found, initial_loss)}});
  }
  return groups;
}

std::vector<PowerAnswer> answer_power(const StatsInput& part) {
  std::vector<PowerAnswer> answers;
  for (const StatsInput& element : part.elements()) {
    element.allow_keys({"p", "q", "effect"});
    if (element.has("effect")) {
      if (element.has("p") || element.has("q")) element.refuse("either p and q, or effect");
      const double effect = element.at("effect").number(-100, 100);
      answers.push_back({effect, {}, {}, seeds_for_means(effect)});
    } else {
      const double p = element.at("p").number(0, 1), q = element.at("q").number(0, 1);
      answers.push_back({{}, p, q, seeds_for_proportions(p, q)});
    }
  }
  return answers;
}

HolmAnswer answer_p_values(const StatsInput& part) {
  std::vector<double> p_values;
  for (const StatsInput& element : part.elements()) p_values.push_back(element.number(0, 1));
  return {p_values, holm_adjusted(p_values)};
}

}  // namespace

std::string answer_statistics(const std::string& text) {
  const Json json = StatsInput::parse(text);
  const StatsInput input(json, "");
  input.allow_keys(
      {"counts", "survival", "values", "scores", "lr_sensitivity", "power", "p_values", "confidence", "seed"});
  Request request;
  if (input.has("confidence")) request.confidence = input.at("confidence").number(0.5, 0.9999);
  if (input.has("seed"))
    request.seed = static_cast<std::uint64_t>(input.at("seed").whole(0, std::numeric_limits<std::int64_t>::max()));
  StatsAnswer answer{request, {}, {}, {}, {}, {}, {}, {}};
  if (input.has("counts")) answer.counts = answer_counts(input.at("counts"), request);
  if (input.has("survival")) answer.survival = answer_survival(input.at("survival"), request);
  if (input.has("values")) answer.values = answer_values(input.at("values"), request);
  if (input.has("scores")) answer.scores = answer_scores(input.at("scores"), request);
  if (input.has("lr_sensitivity")) answer.lr_sensitivity = answer_lr_sensitivity(input.at("lr_sensitivity"));
  if (input.has("power")) answer.power = answer_power(input.at("power"));
  if (input.has("p_values")) answer.p_values = answer_p_values(input.at("p_values"));
  return dump(statistics_json(answer));
}

}  // namespace precipice

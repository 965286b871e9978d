// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/format_comparisons.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "experiments/statistics/compared_formats.h"
#include "experiments/statistics/comparison_words.h"
#include "experiments/statistics/run_pairs.h"
#include "metrics/statistics/ranks.h"
#include "metrics/statistics/verdict.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

using Runs = std::vector<const AnalysedRun*>;
constexpr double kFamilyAlpha = 0.05;

bool failed_to_train(const AnalysedRun& run) {
  return run.diverged() || run.untrained() || run.skipped();
}
bool has_diverged(const AnalysedRun& run) {
  return run.diverged();
}

Runs runs_where(const Runs& runs, const std::function<bool(const AnalysedRun&)>& is_wanted) {
  Runs some;
  for (const AnalysedRun* run : runs)
    if (is_wanted(*run)) some.push_back(run);
  return some;
}

Runs ended_runs(const Runs& runs) {
  return runs_where(runs, [](const AnalysedRun& run) { return run.ended(); });
}

// The two groups of one comparison, those that can be used, with their pairs.
struct Groups {
  Groups(FormatComparison& head, Runs a, Runs b) : first(std::move(a)), second(std::move(b)) {
    pairs = pairs_by_seed(first, second);
    head.n = {static_cast<std::int64_t>(first.size()), static_cast<std::int64_t>(second.size())};
    head.paired = are_paired(pairs.size(), first.size(), second.size());
    head.pairs = static_cast<std::int64_t>(pairs.size());
  }
  Runs first, second;
  std::vector<RunPair> pairs;
};

std::int64_t count_where(const Runs& runs, bool (*is)(const AnalysedRun&)) {
  return std::ranges::count_if(runs, [is](const AnalysedRun* run) { return is(*run); });
}

OutcomeComparison compare_outcomes(const FormatComparison& head, const Runs& runs, const Runs& others,
                                   bool (*is)(const AnalysedRun&)) {
  OutcomeComparison found{head, {}, {}};
  const Groups groups(found, ended_runs(runs), ended_runs(others));
  if (found.paired) {
    found.counts.emplace();
    for (const RunPair& pair : groups.pairs) {
      const bool a = is(*pair.first), b = is(*pair.second);
      found.events[0] += a, found.events[1] += b;
      ++(a && b ? found.counts->both
         : a    ? found.counts->only_first
         : b    ? found.counts->only_second
                : found.counts->neither);
    }
    const PairedEvents test = compare_paired(*found.counts);
    found.n = {found.pairs, found.pairs};
    found.test = "McNemar, exact", found.effect = test.test.difference, found.p = test.test.p;
    return found;
  }
  found.events = {count_where(groups.first, is), count_where(groups.second, is)};
  const CountPair test = compare({found.events[0], found.n[0]}, {found.events[1], found.n[1]}, kConfidence);
  found.test = "Fisher", found.effect = test.difference, found.p = test.p;
  return found;
}

// At the level that the family gives this comparison.
void set_interval(OutcomeComparison& found, double level) {
  found.confidence = 1 - level;
  if (found.counts) {
    found.interval = mcnemar(*found.counts, 1 - level).interval;
    found.interval_of = "share of the pairs that differ in which it is the format";
  } else {
    found.interval =
        newcombe_difference({found.events[0], found.n[0]}, {found.events[1], found.n[1]}, 1 - level).interval;
  }
}

SurvivalComparison compare_survival(const FormatComparison& head, const Runs& runs, const Runs& others) {
  SurvivalComparison found{head, {}, {}, 0};
  const auto usable = [](const Runs& all) {
    return runs_where(all, [](const AnalysedRun& run) { return run.usable(); });
  };
  const Groups groups(found, usable(runs), usable(others));
  found.effect = kNaN, found.interval = {kNaN, kNaN};
  if (found.paired) {
    Runs firsts, seconds;
    for (const RunPair& pair : groups.pairs) firsts.push_back(pair.first), seconds.push_back(pair.second);
    const PairedSurvival test = compare_paired(survival_times(firsts), survival_times(seconds));
    found.n = {found.pairs, found.pairs};
    found.test = "log-rank stratified by seed, exact", found.p = test.test.p, found.reason = test.reason;
    found.informative = test.test.informative;
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}})
      found.observed[i] = static_cast<double>(test.events[i]);
    found.expected = {found.observed[0] - test.test.u, found.observed[1] + test.test.u};
    return found;
  }
  const std::vector<std::vector<SurvivalTime>> times{survival_times(groups.first), survival_times(groups.second)};
  const LogRankSummary test = compare(times);
  found.test = "log-rank", found.p = test.test.p, found.reason = test.reason;
  for (std::size_t i = 0; i < 2 && i < test.test.observed.size(); ++i)
    found.observed[i] = test.test.observed[i], found.expected[i] = test.test.expected[i];
  return found;
}

std::vector<double> final_losses_of(const Runs& runs) {
  std::vector<double> losses;
  for (const AnalysedRun* run : runs) losses.push_back(run->final_loss());
  return losses;
}

// The losses of a comparison, kept until its interval's level is known.
struct Losses {
  std::vector<double> first, second;
};

LossComparison compare_losses(const FormatComparison& head, const Runs& runs, const Runs& others, Losses& losses) {
  LossComparison found{head, {}, {}};
  const auto has_loss = [](const AnalysedRun& run) { return !std::isnan(run.final_loss()); };
  const Groups groups(found, runs_where(runs, has_loss), runs_where(others, has_loss));
  if (found.paired) {
    for (const RunPair& pair : groups.pairs)
      losses.first.push_back(pair.first->final_loss()), losses.second.push_back(pair.second->final_loss());
    found.pairwise = compare_paired(losses.first, losses.second);
    found.n = {found.pairs, found.pairs};
    found.test = "paired t", found.effect = found.pairwise->test.mean, found.p = found.pairwise->test.p;
    return found;
  }
  losses = {final_losses_of(groups.first), final_losses_of(groups.second)};
  const MannWhitney test = mann_whitney(losses.first, losses.second);
  found.test = "Mann-Whitney", found.effect = median_of(losses.first) - median_of(losses.second), found.p = test.p;
  return found;
}

void set_interval(LossComparison& found, const Losses& losses, double level) {
  found.confidence = 1 - level;
  if (found.pairwise) {
    found.pairwise = compare_paired(losses.first, losses.second, 1 - level);
    found.interval = found.pairwise->test.interval;
  } else {
    found.groups = compare(losses.first, losses.second, BootstrapOptions{kReportSeed, 1 - level});
    found.interval = found.groups->bootstrap.interval;
    found.interval_of = "difference of medians, bootstrap by run";
  }
}

template <class Entries>
std::vector<double> levels_of(Entries& entries) {
  std::vector<double> p_values;
  for (const auto& entry : entries) p_values.push_back(entry.p);
  adjust_by_holm(entries, [](const auto& entry) { return entry.p; });
  return holm_levels(p_values, kFamilyAlpha);
}

void finish(std::vector<OutcomeComparison>& outcomes, const char* what) {
  const std::vector<double> levels = levels_of(outcomes);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    set_interval(outcomes[i], levels[i]);
    add_words(outcomes[i], what, outcomes.size());
  }
}

FormatComparison head_of(const ComparedFormats& pair, double rate, const Runs& runs, const Runs& others) {
  FormatComparison head;
  head.format = pair.format, head.reference = pair.reference, head.differs = pair.differs, head.learning_rate = rate;
  head.untrained = {count_ended(runs, &AnalysedRun::untrained), count_ended(others, &AnalysedRun::untrained)};
  head.skipped = {count_ended(runs, &AnalysedRun::skipped), count_ended(others, &AnalysedRun::skipped)};
  head.holm_p = kNaN, head.interval = {kNaN, kNaN};
  return head;
}

}  // namespace

std::int64_t count_ended(const std::vector<const AnalysedRun*>& runs, bool (AnalysedRun::*is)() const) {
  return std::ranges::count_if(runs, [is](const AnalysedRun* run) { return run->ended() && (run->*is)(); });
}

std::vector<SurvivalTime> survival_times(const std::vector<const AnalysedRun*>& runs) {
  std::vector<SurvivalTime> times;
  for (const AnalysedRun* run : runs)
    if (run->usable()) times.push_back({run->end_step(), run->diverged()});
  return times;
}

Count divergence_count(const std::vector<const AnalysedRun*>& runs) {
  Count found;
  for (const AnalysedRun* run : runs) found.trials += run->ended(), found.events += run->ended() && run->diverged();
  return found;
}

FormatComparisons format_comparisons(const SweepData& data) {
  FormatComparisons all;
  std::vector<Losses> losses;
  const bool any_apart = std::ranges::any_of(
      data.runs, [](const AnalysedRun& run) { return run.ended() && (run.untrained() || run.skipped()); });
  for (const ComparedFormats& pair : compared_formats(data))
    for (const double rate : data.learning_rates) {
      const Runs runs = data.cell(pair.format, rate), others = data.cell(pair.reference, rate);
      if (runs.empty() || others.empty()) continue;
      const FormatComparison head = head_of(pair, rate, runs, others);
      all.divergence.push_back(compare_outcomes(head, runs, others, has_diverged));
      if (any_apart) all.failure.push_back(compare_outcomes(head, runs, others, failed_to_train));
      all.survival.push_back(compare_survival(head, runs, others));
      losses.emplace_back();
      all.final_loss.push_back(compare_losses(head, runs, others, losses.back()));
    }
  finish(all.divergence, "diverged");
  finish(all.failure, "diverged or learnt nothing");
  levels_of(all.survival);
  for (SurvivalComparison& pair : all.survival) add_words(pair);
  const std::vector<double> levels = levels_of(all.final_loss);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    set_interval(all.final_loss[i], losses[i], levels[i]);
    add_words(all.final_loss[i]);
  }
  return all;
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/sweep_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "experiments/statistics/sweep_statistics_text.h"
#include "metrics/statistics/lr_sensitivity.h"
#include "metrics/statistics/ranks.h"

namespace precipice {
namespace {

using Runs = std::vector<const AnalysedRun*>;
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

struct Losses {
  std::vector<double> ranked, capped, finite;  // +inf for diverged runs; those at their initial loss; without them
};

Losses losses_of(const Runs& runs) {
  Losses losses;
  for (const AnalysedRun* run : runs) {
    const double loss = run->final_loss();
    if (std::isnan(loss)) continue;
    losses.ranked.push_back(loss);
    losses.capped.push_back(std::isfinite(loss) ? loss : run->initial_loss());
    if (std::isfinite(loss)) losses.finite.push_back(loss);
  }
  // A run whose first loss was no number has no initial loss; it still ranks last.
  std::erase_if(losses.capped, [](double v) { return std::isnan(v); });
  return losses;
}

std::int64_t count_ended(const Runs& runs, bool (AnalysedRun::*is)() const) {
  return std::ranges::count_if(runs, [is](const AnalysedRun* run) { return run->ended() && (run->*is)(); });
}

FinalLosses final_losses(const Losses& losses) {
  const auto range = std::minmax_element(losses.finite.begin(), losses.finite.end());
  const bool has_finite = !losses.finite.empty();
  return {losses.capped.size(), median_of(losses.capped), has_finite ? *range.first : kUnknown,
          has_finite ? *range.second : kUnknown,
          losses.capped.empty() ? "no run has ended with a validation loss"
          : has_finite          ? ""
                                : "every run that ended diverged"};
}

CellStatistics cell_of(const std::string& format, double rate, const Runs& runs) {
  return {format,
          rate,
          runs.size(),
          summary_of(divergence_count(runs), kConfidence),
          count_ended(runs, &AnalysedRun::untrained),
          count_ended(runs, &AnalysedRun::skipped),
          summary_of(survival_times(runs), kConfidence),
          final_losses(losses_of(runs))};
}

// Runs that ended without diverging and are no success either: " (untrained: 3 and 0)", or "" where there are none.
std::string apart_text(const FormatComparison& pair) {
  std::string text;
  for (const auto& [state, counts] : {std::pair("untrained", &pair.untrained), {"skipped", &pair.skipped}})
    if ((*counts)[0] != 0 || (*counts)[1] != 0)
      text += fmt::format("{}{}: {} and {}", text.empty() ? "" : "; ", state, (*counts)[0], (*counts)[1]);
  return text.empty() ? "" : " (" + text + ")";
}

std::string verdict_of(double holm_p, double effect) {
  if (!std::isfinite(holm_p)) return "nothing can be said";
  if (holm_p > 0.05) return "undecided";
  return std::isfinite(effect) && effect < 0 ? "lower" : "higher";
}

std::string points(double fraction) {
  return fmt::format("{:+.1f}", 100 * fraction);
}

void add_sentence(DivergenceComparison& pair) {
  const CountPair& test = pair.test;
  const std::string head = fmt::format("At learning rate {}, {} of {} runs of {} and {} of {} of {} diverged{}",
                                       rate_text(pair.learning_rate), pair.events[0], test.n[0], pair.format,
                                       pair.events[1], test.n[1], pair.reference, apart_text(pair));
  if (test.n[0] < 2 || test.n[1] < 2) {
    pair.verdict = "n too small";
    pair.sentence = head + ": n too small to compare.";
    return;
  }
  pair.verdict = verdict_of(pair.holm_p, test.difference);
  pair.sentence =
      fmt::format("{}: difference {} points (95 % interval {} to {}, Newcombe), Fisher p = {}, {} after Holm: {}.",
                  head, points(test.difference), points(test.newcombe.low), points(test.newcombe.high), p_text(test.p),
                  p_text(pair.holm_p), pair.verdict);
}

void add_sentence(SurvivalComparison& pair) {
  const LogRank& test = pair.test.test;
  if (!std::isfinite(test.p)) {
    pair.verdict = "nothing can be said";
    pair.sentence =
        fmt::format("At learning rate {}, times to divergence of {} and {} (n = {} and {}){} cannot be compared: {}.",
                    rate_text(pair.learning_rate), pair.format, pair.reference, pair.n[0], pair.n[1], apart_text(pair),
                    pair.test.reason);
    return;
  }
  pair.verdict = pair.holm_p > 0.05 ? "undecided" : test.observed[0] > test.expected[0] ? "sooner" : "later";
  pair.sentence = fmt::format(
      "At learning rate {}, {} had {} divergences where {:.1f} were expected if it were like {} "
      "(n = {} and {}){}: log-rank p = {}, {} after Holm: {}.",
      rate_text(pair.learning_rate), pair.format, test.observed[0], test.expected[0], pair.reference, pair.n[0],
      pair.n[1], apart_text(pair), p_text(test.p), p_text(pair.holm_p), pair.verdict);
}

void add_sentence(LossComparison& pair) {
  const ValuePair& test = pair.test;
  if (test.n[0] < 2 || test.n[1] < 2) {
    pair.verdict = "n too small";
    pair.sentence = fmt::format("At learning rate {}, {} has {} and {} has {} final losses: n too small to compare.",
                                rate_text(pair.learning_rate), pair.format, test.n[0], pair.reference, test.n[1]);
    return;
  }
  pair.verdict = verdict_of(pair.holm_p, test.median_difference);
  pair.sentence = fmt::format(
      "At learning rate {}, the median final loss of {} (n = {}) is {} nats from that of {} (n = {}; 95 % interval {} "
      "to {}, bootstrap by run; diverged runs at their initial loss); Mann-Whitney with diverged runs last p = {}, {} "
      "after Holm: {}.",
      rate_text(pair.learning_rate), pair.format, test.n[0], number_text(test.median_difference, "{:+.4f}"),
      pair.reference, test.n[1], number_text(test.bootstrap.interval.low, "{:+.4f}"),
      number_text(test.bootstrap.interval.high, "{:+.4f}"), p_text(test.p), p_text(pair.holm_p), pair.verdict);
}

// Of the losses of two groups.
ValuePair compare_losses(const Losses& a, const Losses& b) {
  ValuePair pair = compare(a.capped, b.capped, BootstrapOptions{kReportSeed});
  const MannWhitney ranked = mann_whitney(a.ranked, b.ranked);
  pair.n = {a.ranked.size(), b.ranked.size()};
  pair.u = ranked.u, pair.superiority = ranked.superiority, pair.exact = ranked.exact, pair.p = ranked.p;
  return pair;
}

void add_comparisons(FormatComparisons& all, const FormatComparison& head, const Runs& runs, const Runs& others) {
  const Count a = divergence_count(runs), b = divergence_count(others);
  all.divergence.push_back({head, compare(a, b, kConfidence), {a.events, b.events}});
  const std::vector<std::vector<SurvivalTime>> times{survival_times(runs), survival_times(others)};
  all.survival.push_back({head, compare(times), {times[0].size(), times[1].size()}});
  all.final_loss.push_back({head, compare_losses(losses_of(runs), losses_of(others))});
}

FormatComparisons comparisons_of(const SweepData& data) {
  FormatComparisons all;
  for (const std::string& format : data.formats)
    for (const double rate : data.learning_rates) {
      const Runs runs = data.cell(format, rate), others = data.cell(data.reference, rate);
      if (format == data.reference || runs.empty() || others.empty()) continue;
      FormatComparison head{format, data.reference, rate, {}, {}, kUnknown, "", ""};
      head.untrained = {count_ended(runs, &AnalysedRun::untrained), count_ended(others, &AnalysedRun::untrained)};
      head.skipped = {count_ended(runs, &AnalysedRun::skipped), count_ended(others, &AnalysedRun::skipped)};
      add_comparisons(all, head, runs, others);
    }
  adjust_by_holm(all.divergence, [](const DivergenceComparison& pair) { return pair.test.p; });
  adjust_by_holm(all.survival, [](const SurvivalComparison& pair) { return pair.test.test.p; });
  adjust_by_holm(all.final_loss, [](const LossComparison& pair) { return pair.test.p; });
  for (DivergenceComparison& pair : all.divergence) add_sentence(pair);
  for (SurvivalComparison& pair : all.survival) add_sentence(pair);
  for (LossComparison& pair : all.final_loss) add_sentence(pair);
  return all;
}

SensitivityStatistics sensitivity_of(const SweepData& data, const std::string& format) {
  std::map<std::string, std::map<double, const AnalysedRun*>> by_seed;
  for (const AnalysedRun& run : data.runs)
    if (run.format == format && run.ended() && !std::isnan(run.final_loss()))
      by_seed[run.seeds][run.learning_rate] = &run;
  std::vector<double> values;
  bool has_learnt = false;  // a run below its initial loss
  for (const auto& [seed, runs] : by_seed) {
    if (runs.size() != data.learning_rates.size()) continue;
    std::vector<double> losses;
    for (const auto& [rate, run] : runs) losses.push_back(run->final_loss());
    const double initial = runs.begin()->second->initial_loss();
    const LrSensitivity found = lr_sensitivity(losses, initial);
    if (std::isnan(found.sensitivity)) continue;
    values.push_back(found.sensitivity);
    has_learnt = has_learnt || found.best_loss < initial;
  }
  const Bootstrap mean = bootstrap_mean(values, {kReportSeed});
  SensitivityStatistics result{format, data.learning_rates, values.size(), mean.estimate, values, {}, ""};
  // By the formula both are 0, which would read as: any rate will do.
  if (data.learning_rates.size() < 2)
    result.reason = "one learning rate: the sensitivity is 0 by definition";
  else if (!values.empty() && !has_learnt)
    result.reason = "no run ended below its initial loss";
  if (!result.reason.empty()) {
    result.mean = kUnknown;
  } else if (values.size() < 2) {
    result.reason = "n too small: fewer than two seeds have ended at every rate";
  } else {
    const std::span<const double> groups[] = {values};
    result.bootstrap = summary_of(mean, groups);
    result.reason = result.bootstrap->reason;
  }
  return result;
}

}  // namespace

Interval SensitivityStatistics::interval() const {
  return bootstrap ? bootstrap->interval : Interval{kUnknown, kUnknown};
}

std::vector<SurvivalTime> survival_times(const std::vector<const AnalysedRun*>& runs) {
  std::vector<SurvivalTime> times;
  for (const AnalysedRun* run : runs)
    if (run->usable()) times.push_back({run->end_step(), run->diverged()});
  return times;
}

Count divergence_count(const std::vector<const AnalysedRun*>& runs) {
  Count count;
  for (const AnalysedRun* run : runs) count.trials += run->ended(), count.events += run->ended() && run->diverged();
  return count;
}

SweepStatistics sweep_statistics(const SweepData& data) {
  SweepStatistics statistics{data.directory.string(), data.reference, {}, {}, comparisons_of(data), data.problems()};
  for (const std::string& format : data.formats) {
    for (const double rate : data.learning_rates) {
      const Runs runs = data.cell(format, rate);
      if (!runs.empty()) statistics.cells.push_back(cell_of(format, rate, runs));
    }
    statistics.lr_sensitivity.push_back(sensitivity_of(data, format));
  }
  return statistics;
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/sweep_statistics_text.h"

#include <fmt/format.h>

#include <cmath>

#include "experiments/console/table.h"

namespace precipice {
namespace {

std::string percent(const Interval& interval) {
  return fmt::format("{:.1f}-{:.1f}%", 100 * interval.low, 100 * interval.high);
}

std::vector<std::string> row_of(const CellStatistics& cell) {
  const CountSummary& diverged = cell.diverged;
  return {cell.format,
          rate_text(cell.learning_rate),
          std::to_string(cell.runs),
          fmt::format("{}/{}", diverged.count.events, diverged.count.trials),
          percent(diverged.wilson),
          percent(diverged.jeffreys),
          std::to_string(cell.untrained),
          std::to_string(cell.skipped),
          number_text(cell.survival.median, "{:g}"),
          std::isinf(cell.final_loss.median) ? "diverged" : number_text(cell.final_loss.median, "{:.4f}")};
}

std::string line_of(const SensitivityStatistics& s) {
  return fmt::format("LR sensitivity of {}: {} (95 % {} to {}; seeds: {}, rates: {}){}\n", s.format,
                     number_text(s.mean, "{:.4f}"), number_text(s.interval().low, "{:.4f}"),
                     number_text(s.interval().high, "{:.4f}"), s.seeds, s.rates.size(),
                     s.reason.empty() ? "" : ": " + s.reason);
}

// Comparisons in which nothing happened are one line together.
void add_outcome_sentences(std::string& text, const std::vector<OutcomeComparison>& pairs, const char* what) {
  std::int64_t quiet = 0;
  for (const OutcomeComparison& pair : pairs)
    if (pair.events[0] + pair.events[1] == 0)
      ++quiet;
    else
      text += pair.sentence + "\n";
  if (quiet > 0) text += fmt::format("In {} of {} comparisons no run of either format {}\n", quiet, pairs.size(), what);
}

void add_survival_sentences(std::string& text, const std::vector<SurvivalComparison>& pairs) {
  for (const SurvivalComparison& pair : pairs)
    if (pair.observed[0] + pair.observed[1] > 0) text += pair.sentence + "\n";
}

}  // namespace

std::string rate_text(double learning_rate) {
  return fmt::format("{:g}", learning_rate);
}

std::string number_text(double value, const char* format) {
  if (std::isfinite(value)) return fmt::format(fmt::runtime(format), value);
  return std::isnan(value) ? "-" : value > 0 ? "inf" : "-inf";
}

std::string p_text(double p) {
  return std::isfinite(p) ? fmt::format("{:.2g}", p) : "none";
}

std::string statistics_text(const SweepStatistics& statistics) {
  std::vector<std::vector<std::string>> rows{{"format", "lr", "runs", "diverged", "Wilson 95 %", "Jeffreys 95 %",
                                              "untrained", "skipped", "median step", "median loss"}};
  for (const CellStatistics& cell : statistics.cells) rows.push_back(row_of(cell));
  std::string text = format_table(rows);
  for (const SensitivityStatistics& entry : statistics.lr_sensitivity) text += line_of(entry);
  add_outcome_sentences(text, statistics.comparisons.divergence, "diverged");
  add_outcome_sentences(text, statistics.comparisons.failure, "diverged or learnt nothing");
  add_survival_sentences(text, statistics.comparisons.survival);
  for (const LossComparison& pair : statistics.comparisons.final_loss) text += pair.sentence + "\n";
  for (const std::string& note : statistics.notes) text += note + "\n";
  return text;
}

}  // namespace precipice

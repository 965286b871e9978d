// SPDX-License-Identifier: Apache-2.0
#include "experiments/warnings/warn_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "experiments/console/table.h"

namespace precipice {
namespace {

std::string number(double value, const char* format) {
  return std::isfinite(value) ? fmt::format(fmt::runtime(format), value) : "-";
}

std::string interval(const Interval& ends, const char* format) {
  return std::isfinite(ends.low) ? number(ends.low, format) + " to " + number(ends.high, format) : "-";
}

std::string count(const CountSummary& of) {
  return fmt::format("{}/{}", of.count.events, of.count.trials);
}

std::string percent(const CountSummary& of) {
  return of.count.trials == 0 ? "-" : fmt::format("{:.0f}-{:.0f}%", 100 * of.wilson.low, 100 * of.wilson.high);
}

std::string head(const WarnReport& report) {
  std::string apart;
  for (const auto& [state, runs] : {std::pair("untrained", report.untrained), {"skipped", report.skipped}})
    if (runs != 0) apart += fmt::format("{}{} {}", apart.empty() ? " (of them " : ", ", runs, state);
  const std::string compared = report.equal_settings ? "runs of equal settings"
                               : report.within.empty()
                                   ? "all runs, whatever their settings"
                                   : fmt::format("runs with equal {}", fmt::join(report.within, ", "));
  return fmt::format("{}: {} cases (rule {}), {} controls{}; compared: {}\n\n", report.directory, report.cases,
                     report.rule, report.controls, apart.empty() ? "" : apart + ")", compared);
}

// The names that the tables show.
std::set<std::string> shown_names(const WarnReport& report, bool all) {
  const std::size_t shown = all ? report.best.size() : std::min(report.best.size(), kShownSignals);
  return {report.best.begin(), report.best.begin() + static_cast<std::ptrdiff_t>(shown)};
}

// What is not shown, by verdict: "28 more signals: 25 undecided, 3 warns".
std::string rest_by_verdict(const WarnReport& report, const std::set<std::string>& shown) {
  std::map<std::string, std::string> verdicts;  // of each signal, the most telling one
  for (const SignalResult& row : report.signals) {
    const std::string& verdict = row.verdict;
    if (shown.contains(row.signal)) continue;
    std::string& known = verdicts[row.signal];
    if (known.empty() || verdict == "warns" || (verdict == "inverse" && known != "warns")) known = verdict;
  }
  std::map<std::string, std::size_t> counts;
  for (const auto& [name, verdict] : verdicts) ++counts[verdict];
  std::vector<std::string> parts;
  for (const auto& [verdict, count] : counts) parts.push_back(fmt::format("{} {}", count, verdict));
  return verdicts.empty()
             ? ""
             : fmt::format("{} more signals: {}; --all shows them\n", verdicts.size(), fmt::join(parts, ", "));
}

std::vector<std::string> row_of(const SignalResult& row) {
  const BaselineComparison& against = row.against_baseline;
  return {row.signal,
          std::to_string(row.horizon),
          fmt::format("{}+{}", row.auc.cases, row.auc.controls),
          number(row.auc.auc, "{:.3f}"),
          interval(row.auc.interval, "{:.3f}"),
          number(row.holm_p, "{:.2g}"),
          number(row.average_precision, "{:.2f}") + " (" + number(row.base_rate, "{:.2f}") + ")",
          row.verdict,
          against.baseline.value_or("-"),
          number(against.difference, "{:+.3f}"),
          interval(against.interval, "{:+.3f}"),
          number(against.holm_p, "{:.2g}"),
          against.verdict};
}

std::string signal_table(const WarnReport& report, const std::set<std::string>& shown) {
  std::vector<std::vector<std::string>> rows{{"signal", "horizon", "n", "AUC", "95 %", "Holm p", "AUPRC (base)",
                                              "verdict", "baseline", "difference", "95 %", "Holm p", "than baseline"}};
  std::map<std::pair<std::int64_t, std::string>, std::vector<std::string>> without_numbers;  // by horizon and reason
  for (const SignalResult& row : report.signals) {
    if (!shown.contains(row.signal)) continue;
    if (std::isfinite(row.holm_p))
      rows.push_back(row_of(row));
    else
      without_numbers[{row.horizon, row.reason.empty() ? "no variance" : row.reason}].push_back(row.signal);
  }
  std::string text = rows.size() > 1 ? format_table(rows) : "";
  for (const auto& [why, names] : without_numbers)
    text += fmt::format("horizon {}: {}: {}\n", why.first, why.second, fmt::join(names, ", "));
  return text;
}

std::string alarm_table(const WarnReport& report, const std::set<std::string>& shown) {
  std::vector<std::vector<std::string>> rows{
      {"signal", "detected", "95 %", "false alarms", "95 %", "median lead", "thresholds"}};
  for (const AlarmResult& row : report.alarms)
    if (shown.contains(row.signal))
      rows.push_back({row.signal, count(row.detected), percent(row.detected), count(row.false_alarms),
                      percent(row.false_alarms), number(row.median_lead, "{:g}"),
                      number(row.trial.thresholds[0], "{:.4g}") + ", " + number(row.trial.thresholds[1], "{:.4g}")});
  return "\nAlarms at a 5 % rate of false ones; thresholds from one half of the seeds, tried on the other:\n" +
         format_table(rows);
}

}  // namespace

std::string warnings_text(const WarnReport& report, bool all) {
  const std::set<std::string> shown = shown_names(report, all);
  std::string text =
      head(report) + signal_table(report, shown) + rest_by_verdict(report, shown) + alarm_table(report, shown);
  if (!report.absent.empty()) text += fmt::format("\nNot logged: {}\n", fmt::join(report.absent, ", "));
  for (const std::string& note : report.notes) text += "Note: " + note + "\n";
  return text;
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// The warning report as tables for people.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <set>

#include "experiments/console/table.h"
#include "experiments/statistics/warn_report.h"

namespace precipice {
namespace {

std::string number(const Json& value, const char* format) {
  return value.is_number() ? fmt::format(fmt::runtime(format), value.get<double>()) : "-";
}

std::string interval(const Json& value, const char* format) {
  return value[0].is_number() ? number(value[0], format) + " to " + number(value[1], format) : "-";
}

std::string count(const Json& value) {
  return fmt::format("{}/{}", value["events"].get<int>(), value["trials"].get<int>());
}

std::string percent(const Json& value) {
  return value["trials"] == 0 ? "-"
                              : fmt::format("{:.0f}-{:.0f}%", 100 * value["wilson"][0].get<double>(),
                                            100 * value["wilson"][1].get<double>());
}

std::string head(const Json& report) {
  std::string apart;
  for (const char* state : {"untrained", "skipped"})
    if (report[state] != 0)
      apart += fmt::format("{}{} {}", apart.empty() ? " (of them " : ", ", report[state].get<int>(), state);
  const auto keys = report["within"].get<std::vector<std::string>>();
  const std::string compared = report["equal_settings"] ? "runs of equal settings"
                               : keys.empty()           ? "all runs, whatever their settings"
                                                        : fmt::format("runs with equal {}", fmt::join(keys, ", "));
  return fmt::format("{}: {} cases (rule {}), {} controls{}; compared: {}\n\n", report["directory"].get<std::string>(),
                     report["cases"].get<int>(), report["rule"].get<std::string>(), report["controls"].get<int>(),
                     apart.empty() ? "" : apart + ")", compared);
}

// The names that the tables show.
std::set<std::string> shown_names(const Json& report, bool all) {
  std::set<std::string> names;
  for (const Json& name : report["best"])
    if (all || names.size() < kShownSignals) names.insert(name);
  return names;
}

// What is not shown, by verdict: "28 more signals: 25 undecided, 3 warns".
std::string folded(const Json& report, const std::set<std::string>& shown) {
  std::map<std::string, std::string> verdicts;  // of each signal, the most telling one
  for (const Json& row : report["signals"]) {
    const std::string name = row["signal"], verdict = row["verdict"];
    if (shown.contains(name)) continue;
    std::string& known = verdicts[name];
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

std::string signal_table(const Json& report, const std::set<std::string>& shown) {
  std::vector<std::vector<std::string>> rows{{"signal", "horizon", "n", "AUC", "95 %", "Holm p", "AUPRC (base)",
                                              "verdict", "baseline", "difference", "95 %", "Holm p", "than baseline"}};
  std::map<std::pair<std::int64_t, std::string>, std::vector<std::string>> without_numbers;  // by horizon and reason
  for (const Json& row : report["signals"]) {
    if (!shown.contains(row["signal"])) continue;
    const Json& against = row["against_baseline"];
    if (!row["holm_p"].is_number()) {
      without_numbers[{row["horizon"].get<std::int64_t>(), row.value("reason", "no variance")}].push_back(
          row["signal"]);
      continue;
    }
    rows.push_back({row["signal"], std::to_string(row["horizon"].get<int>()),
                    fmt::format("{}+{}", row["cases"].get<int>(), row["controls"].get<int>()),
                    number(row["auc"], "{:.3f}"), interval(row["interval"], "{:.3f}"), number(row["holm_p"], "{:.2g}"),
                    number(row["average_precision"], "{:.2f}") + " (" + number(row["base_rate"], "{:.2f}") + ")",
                    row["verdict"], against["baseline"].is_string() ? against["baseline"].get<std::string>() : "-",
                    number(against["difference"], "{:+.3f}"), interval(against["interval"], "{:+.3f}"),
                    number(against["holm_p"], "{:.2g}"), against["verdict"]});
  }
  std::string text = rows.size() > 1 ? format_table(rows) : "";
  for (const auto& [why, names] : without_numbers)
    text += fmt::format("horizon {}: {}: {}\n", why.first, why.second, fmt::join(names, ", "));
  return text;
}

std::string alarm_table(const Json& report, const std::set<std::string>& shown) {
  std::vector<std::vector<std::string>> rows{
      {"signal", "detected", "95 %", "false alarms", "95 %", "median lead", "thresholds"}};
  for (const Json& row : report["alarms"])
    if (shown.contains(row["signal"]))
      rows.push_back({row["signal"], count(row["detected"]), percent(row["detected"]), count(row["false_alarms"]),
                      percent(row["false_alarms"]), number(row["median_lead"], "{:g}"),
                      number(row["thresholds"][0], "{:.4g}") + ", " + number(row["thresholds"][1], "{:.4g}")});
  return "\nAlarms at a 5 % rate of false ones; thresholds from one half of the seeds, tried on the other:\n" +
         format_table(rows);
}

}  // namespace

std::string warnings_text(const Json& report, bool all) {
  const std::set<std::string> shown = shown_names(report, all);
  std::string text = head(report) + signal_table(report, shown) + folded(report, shown) + alarm_table(report, shown);
  const auto& absent = report["absent"];
  if (!absent.empty())
    text += fmt::format("\nNot logged: {}\n", fmt::join(absent.get<std::vector<std::string>>(), ", "));
  for (const Json& note : report["notes"]) text += "Note: " + note.get<std::string>() + "\n";
  return text;
}

}  // namespace precipice

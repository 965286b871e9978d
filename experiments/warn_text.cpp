// SPDX-License-Identifier: Apache-2.0
// The warning report as tables for people.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "experiments/table.h"
#include "experiments/warn_report.h"

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

}  // namespace

std::string warnings_text(const Json& report) {
  std::string text =
      fmt::format("{}: {} cases (rule {}), {} controls\n\n", report["directory"].get<std::string>(),
                  report["cases"].get<int>(), report["rule"].get<std::string>(), report["controls"].get<int>());
  std::vector<std::vector<std::string>> rows{{"signal", "horizon", "n", "AUC", "95 %", "Holm p", "AUPRC (base)",
                                              "verdict", "baseline", "difference", "95 %", "Holm p", "than baseline"}};
  std::map<std::pair<std::int64_t, std::string>, std::vector<std::string>>
      without_numbers;  // names by horizon and reason
  for (const Json& row : report["signals"]) {
    const Json& against = row["against_baseline"];
    if (row.contains("reason")) {
      without_numbers[{row["horizon"].get<std::int64_t>(), row["reason"].get<std::string>()}].push_back(row["signal"]);
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
  text += rows.size() > 1 ? format_table(rows) : "";
  for (const auto& [why, names] : without_numbers)
    text += fmt::format("horizon {}: {}: {}\n", why.first, why.second, fmt::join(names, ", "));
  text += "\nAlarms at a 5 % rate of false ones; thresholds from one half of the seeds, tried on the other:\n";
  rows = {{"signal", "detected", "95 %", "false alarms", "95 %", "median lead", "thresholds"}};
  for (const Json& row : report["alarms"])
    rows.push_back({row["signal"], count(row["detected"]), percent(row["detected"]), count(row["false_alarms"]),
                    percent(row["false_alarms"]), number(row["median_lead"], "{:g}"),
                    number(row["thresholds"][0], "{:.4g}") + ", " + number(row["thresholds"][1], "{:.4g}")});
  text += format_table(rows);
  const auto& absent = report["absent"];
  if (!absent.empty())
    text += fmt::format("\nNot logged: {}\n", fmt::join(absent.get<std::vector<std::string>>(), ", "));
  for (const Json& note : report["notes"]) text += "Note: " + note.get<std::string>() + "\n";
  return text;
}

}  // namespace precipice

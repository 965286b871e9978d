// SPDX-License-Identifier: Apache-2.0
#include "experiments/status/status_watch.h"

#include <algorithm>
#include <map>

#include "experiments/sweep/observed_run.h"

namespace precipice {

std::string changes_text(const StatusReport& before, const StatusReport& after) {
  std::map<std::string, RunState> states;
  for (const ReportedRun& run : before.runs) states[run.id] = run.status.state;
  std::string text;
  for (const ReportedRun& run : after.runs) {
    const auto known = states.find(run.id);
    if (known == states.end() ? run.status.state == RunState::Pending : known->second == run.status.state) continue;
    text += run.id;
    for (std::size_t a = 0; a < run.values.size(); ++a)
      text += "  " + shown_value(after.labels, after.axes[a], run.values[a]);
    text += "  " + describe(run.status) + "\n";
  }
  return text;
}

bool all_ended(const StatusReport& report) {
  return std::all_of(report.runs.begin(), report.runs.end(), [](const ReportedRun& run) {
    return is_finished(run.status.state) || run.status.state == RunState::Failed;
  });
}

}  // namespace precipice

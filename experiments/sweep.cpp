// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace precipice {
namespace {

constexpr const char* kTable = "sweep.";

KeyKind kind_of(const std::string& key) {
  RunConfig scratch;
  for (const ConfigField& field : config_fields(scratch)) {
    if (field.key != key) continue;
    if (std::holds_alternative<std::vector<double>*>(field.target)) return KeyKind::List;
    if (std::holds_alternative<std::string*>(field.target)) return KeyKind::Text;
  }
  return KeyKind::Single;
}

Setting setting_of(const std::string& key, const AxisValue& value, ConfigError::Where where) {
  where.value = to_toml(value);
  return {key, value.values, value.is_array, where};
}

// The axis's values as a config stores them, so that E8M3 and e8m3, 1e3 and 1000 are one value.
Axis checked_axis(Axis axis) {
  for (AxisValue& value : axis.values) value.values = checked_setting(setting_of(axis.key, value, axis.where)).values;
  return axis;
}

template <class Items>
void erase_key(Items& items, const std::string& key) {
  std::erase_if(items, [&](const auto& item) { return item.key == key; });
}

void apply_assignment(Sweep& sweep, const Assignment& assignment) {
  const Axis axis = checked_axis(
      {assignment.key, parse_axis(assignment.value, kind_of(assignment.key), assignment.where), assignment.where});
  if (axis.values.size() == 1) {
    erase_key(sweep.axes, axis.key);
    erase_key(sweep.base, axis.key);
    sweep.base.push_back(setting_of(axis.key, axis.values.front(), axis.where));
    return;
  }
  const auto old = std::find_if(sweep.axes.begin(), sweep.axes.end(), [&](const Axis& a) { return a.key == axis.key; });
  if (old == sweep.axes.end()) {
    sweep.axes.push_back(axis);
  } else {
    *old = axis;
  }
}

std::size_t count_combinations(const std::vector<Axis>& axes) {
  std::size_t count = 1;
  for (const Axis& axis : axes) {
    count *= axis.values.size();  // both factors are at most kMaxRuns here
    if (count > kMaxRuns)
      throw ConfigError(axis.where, fmt::format("a sweep has at most {} runs; its axes make more", kMaxRuns));
  }
  return count;
}

bool looks_like_an_axis(const ConfigError::Where& where) {
  return where.line == 0 && (where.value.find(',') != std::string::npos || where.value.ends_with(")") ||
                             where.value.find("..") != std::string::npos);
}

}  // namespace

std::vector<Assignment> read_assignments(const std::vector<std::string>& texts) {
  std::vector<Assignment> assignments;
  std::set<std::string> seen;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw ConfigError({"command line", 0, text, ""}, "expected key=value");
    Assignment assignment{text.substr(0, equals), text.substr(equals + 1), {}};
    assignment.where = {"command line", 0, assignment.key, assignment.value};
    if (!seen.insert(assignment.key).second) throw ConfigError(assignment.where, "the key is given twice");
    assignments.push_back(std::move(assignment));
  }
  return assignments;
}

Sweep make_sweep(const std::vector<Setting>& file_settings, const std::vector<Assignment>& assignments) {
  Sweep sweep;
  for (Setting setting : file_settings) {
    if (!setting.key.starts_with(kTable)) {
      sweep.base.push_back(std::move(setting));
      continue;
    }
    setting.key = setting.where.key = setting.key.substr(std::string(kTable).size());
    sweep.axes.push_back(checked_axis({setting.key, axis_values(setting, kind_of(setting.key)), setting.where}));
  }
  for (const Assignment& assignment : assignments) apply_assignment(sweep, assignment);
  for (const Axis& axis : sweep.axes) erase_key(sweep.base, axis.key);
  return sweep;
}

std::vector<SweepRun> expand_sweep(const Sweep& sweep) {
  const std::size_t combinations = count_combinations(sweep.axes);
  std::vector<SweepRun> runs;
  std::set<std::string> ids;
  for (std::size_t index = 0; index < combinations; ++index) {
    SweepRun run;
    std::vector<Setting> settings = sweep.base;
    std::size_t stride = combinations;
    for (const Axis& axis : sweep.axes) {
      stride /= axis.values.size();
      run.values.push_back(axis.values[index / stride % axis.values.size()]);
      settings.push_back(setting_of(axis.key, run.values.back(), axis.where));
    }
    run.config = resolve_config(settings);
    run.id = run_id(run.config);
    if (ids.insert(run.id).second) runs.push_back(std::move(run));
  }
  return runs;
}

RunConfig single_run_config(const std::vector<Setting>& file_settings, const std::vector<Assignment>& assignments) {
  std::vector<Setting> settings = file_settings;
  for (const Setting& setting : settings)
    if (setting.key.starts_with(kTable)) throw ConfigError(setting.where, "a [sweep] table is for `precipice sweep`");
  for (const Assignment& assignment : assignments)
    settings.push_back(parse_assignment(assignment.key + "=" + assignment.value));
  try {
    return resolve_config(settings);
  } catch (const ConfigError& error) {
    if (!looks_like_an_axis(error.where())) throw;
    throw ConfigError(error.where(), error.problem() + "; several values are for `precipice sweep`");
  }
}

}  // namespace precipice

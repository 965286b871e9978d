// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "precision/base/check.h"
#include "train/recipes/resolved_run.h"
#include "train/run/resolve_config.h"

namespace precipice {
namespace {

constexpr const char* kTable = "sweep.";

KeyKind kind_of(const std::string& key) {
  RunConfig scratch;
  for (const ConfigField& field : config_fields(scratch)) {
    if (field.key != key) continue;
    if (is_list(field)) return KeyKind::List;
    if (is_text(field)) return KeyKind::Text;
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

// What would make two values of an axis look alike.
void check_labels(const Axis& axis) {
  std::set<std::string> shown;
  std::set<std::string> values;
  for (std::size_t i = 0; i < axis.values.size(); ++i) {
    const std::string text = to_text(axis.values[i]);
    if (!values.insert(text).second)
      throw ConfigError(axis.where, fmt::format("{} is given twice on an axis with labels", text));
    const std::string& name = axis.labels[i].empty() ? text : axis.labels[i];
    if (!shown.insert(name).second)
      throw ConfigError(axis.where, fmt::format("two values of the axis are called \"{}\"", name));
  }
}

Axis* find_axis(Sweep& sweep, const std::string& key) {
  const auto axis = std::find_if(sweep.axes.begin(), sweep.axes.end(), [&](const Axis& a) { return a.key == key; });
  return axis == sweep.axes.end() ? nullptr : &*axis;
}

// `own`: the axis as the file has it, one value per label.
void apply_labels(Axis& own, const std::vector<std::string>& labels, Axis* axis) {
  if (kind_of(own.key) == KeyKind::List)
    throw ConfigError(own.where, "the values of this key are lists, which have no labels");
  PRECIPICE_CHECK(own.values.size() == labels.size(), own.key);
  own.labels = labels;
  check_labels(own);
  if (!axis) return;
  axis->labels.assign(axis->values.size(), "");
  for (std::size_t v = 0; v < axis->values.size(); ++v) {
    const auto same = std::find(own.values.begin(), own.values.end(), axis->values[v]);
    if (same != own.values.end()) axis->labels[v] = labels[static_cast<std::size_t>(same - own.values.begin())];
  }
  check_labels(*axis);
}

// Axes of the file that move together; a command line that sets one of their keys would tear them apart.
void apply_link(const std::vector<std::string>& settings, int link, const std::vector<Assignment>& assignments,
                Sweep& sweep) {
  for (const std::string& setting : settings) {
    const std::string key = setting.substr(std::string(kTable).size());
    for (const Assignment& assignment : assignments)
      if (assignment.key == key)
        throw ConfigError(assignment.where, "moves together with other keys of the sweep file and cannot be set alone");
    find_axis(sweep, key)->link = link;
  }
}

// A comma inside a value of the command line has made two of it: the word that is refused says how to keep it.
[[noreturn]] void rethrow_with_comma(const ConfigError& error, const Axis& axis) {
  throw ConfigError(error.where(),
                    fmt::format("a comma separates values, quotes keep it inside one: {}='\"{}\"'; this part {}",
                                axis.key, axis.text, error.problem()));
}

// The axis that the command line gave as text with commas and no quotes, if `key` is one.
const Axis* split_axis(const Sweep& sweep, const std::string& key) {
  for (const Axis& axis : sweep.axes)
    if (axis.key == key && axis.text.find(',') != std::string::npos &&
        axis.text.find_first_of("\"'[(") == std::string::npos && kind_of(key) == KeyKind::Text)
      return &axis;
  return nullptr;
}

RunConfig resolved_with(const Sweep& sweep, const std::vector<Setting>& settings) {
  try {
    return resolve_config(settings);
  } catch (const ConfigError& error) {
    if (const Axis* axis = split_axis(sweep, error.where().key)) rethrow_with_comma(error, *axis);
    throw;
  }
}

// Whether an earlier axis of the same link moves for this one too.
bool follows(const std::vector<Axis>& axes, std::size_t index) {
  return axes[index].link >= 0 && std::any_of(axes.begin(), axes.begin() + static_cast<std::ptrdiff_t>(index),
                                              [&](const Axis& axis) { return axis.link == axes[index].link; });
}

std::size_t count_combinations(const std::vector<Axis>& axes) {
  std::size_t count = 1;
  for (std::size_t a = 0; a < axes.size(); ++a) {
    const Axis& axis = axes[a];
    if (follows(axes, a)) continue;
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

std::vector<Assignment> read_assignments(const std::vector<std::string>& texts, const std::string& source) {
  std::vector<Assignment> assignments;
  std::set<std::string> seen;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) throw ConfigError({source, 0, text, ""}, "expected key=value");
    Assignment assignment{text.substr(0, equals), text.substr(equals + 1), {}};
    assignment.where = {source, 0, assignment.key, assignment.value};
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
  for (const Assignment& assignment : assignments)
    if (Axis* axis = find_axis(sweep, assignment.key)) axis->text = assignment.value;
  for (const Axis& axis : sweep.axes) erase_key(sweep.base, axis.key);
  return sweep;
}

Sweep make_labelled_sweep(const LabelledSettings& file, const std::vector<Assignment>& assignments) {
  // The file's own axes first: a mistake in its labels is one whatever the command line says.
  Sweep own = make_sweep(file.settings, {}), sweep = make_sweep(file.settings, assignments);
  for (const auto& [setting, labels] : file.labels) {
    const std::string key = setting.substr(std::string(kTable).size());
    apply_labels(*find_axis(own, key), labels, find_axis(sweep, key));
  }
  for (std::size_t link = 0; link < file.links.size(); ++link)
    apply_link(file.links[link], static_cast<int>(link), assignments, sweep);
  sweep.included = file.included;
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
    std::map<int, std::size_t> moved;  // by link: the place of its axes
    for (const Axis& axis : sweep.axes) {
      const auto with = moved.find(axis.link);
      if (axis.link < 0 || with == moved.end()) stride /= axis.values.size();
      const std::size_t v = axis.link < 0 || with == moved.end() ? index / stride % axis.values.size() : with->second;
      moved[axis.link] = v;
      run.values.push_back(axis.values[v]);
      run.shown.push_back(axis.labels.empty() || axis.labels[v].empty() ? to_text(axis.values[v]) : axis.labels[v]);
      settings.push_back(setting_of(axis.key, run.values.back(), axis.where));
    }
    run.config = resolved_with(sweep, settings);
    run.id = run_id(run.config);
    if (ids.insert(run.id).second) runs.push_back(std::move(run));
  }
  return runs;
}

ResolvedRun single_run(const std::vector<Setting>& file_settings, const std::vector<Assignment>& assignments) {
  std::vector<Setting> settings = file_settings;
  for (const Setting& setting : settings)
    if (setting.key.starts_with(kTable)) throw ConfigError(setting.where, "a [sweep] table is for `precipice sweep`");
  for (const Assignment& assignment : assignments) {
    Setting setting{assignment.key, {}, false, assignment.where};
    setting.values = parse_value(assignment.value, setting.is_array, assignment.where);
    settings.push_back(std::move(setting));
  }
  try {
    return resolve_run(settings);
  } catch (const ConfigError& error) {
    if (!looks_like_an_axis(error.where())) throw;
    throw ConfigError(error.where(), error.problem() + "; several values are for `precipice sweep`");
  }
}

}  // namespace precipice

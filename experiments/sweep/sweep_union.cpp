// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/sweep_union.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "experiments/sweep/observed_run.h"
#include "metrics/files/directory.h"
#include "metrics/files/files.h"
#include "train/run/config_difference.h"
#include "train/run/resolve_config.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

bool holds(const std::vector<std::string>& keys, const std::string& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

AxisValue value_of(const Setting& setting) {
  return {setting.values, setting.is_array};
}

std::optional<AxisValue> find_value(const std::vector<Setting>& settings, const std::string& key) {
  for (auto setting = settings.rbegin(); setting != settings.rend(); ++setting)
    if (setting->key == key) return value_of(*setting);
  return std::nullopt;
}

// 1 and 1.0 are one number.
bool is_same(const Scalar& a, const Scalar& b) {
  const auto number = [](const Scalar& scalar) -> std::optional<double> {
    if (const auto* real = std::get_if<double>(&scalar)) return *real;
    if (const auto* whole = std::get_if<std::int64_t>(&scalar)) return static_cast<double>(*whole);
    return std::nullopt;
  };
  const auto x = number(a), y = number(b);
  return a == b || (x && y && *x == *y);
}

bool is_same(const AxisValue& a, const AxisValue& b) {
  return a.is_array == b.is_array && std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end(),
                                                [](const Scalar& x, const Scalar& y) { return is_same(x, y); });
}

// Runs that differ in their seeds alone are what a sweep is made of.
std::vector<ConfigDifference> without_seeds(std::vector<ConfigDifference> differences) {
  std::erase_if(differences, [](const ConfigDifference& difference) {
    return difference.key == "seed" || difference.key.ends_with(".seed");
  });
  return differences;
}

// The config of a run directory; nothing where it cannot be read or is another run's.
std::optional<RunConfig> config_of(const fs::path& directory, const std::string& id) {
  try {
    const RunConfig config = RunDirectory(directory).read_config();
    if (run_id(config) == id) return config;
  } catch (const Error&) {
  }
  return std::nullopt;
}

// A run that the directory held before the new command.
struct EarlierRun {
  std::string id;
  bool is_listed = false;           // by the earlier record
  std::vector<AxisValue> recorded;  // one per axis of the earlier record
  std::optional<RunConfig> config;
};

class Joiner {
 public:
  Joiner(const fs::path& directory, const Sweep& sweep, const std::vector<SweepRun>& runs, const std::string& command)
      : directory_(directory), sweep_(sweep), runs_(runs), fresh_(make_record(sweep, runs, command)) {}

  JoinedSweep join(bool add) {
    read_earlier();
    joined_.record.command = fresh_.command;
    joined_.record.axes = fresh_.axes;
    joined_.record.included = fresh_.included;
    if (earlier_)
      for (const std::string& file : earlier_->included)
        if (!holds(joined_.record.included, file)) joined_.record.included.push_back(file);
    if (earlier_)
      for (const std::string& axis : earlier_->axes)
        if (!holds(fresh_.axes, axis)) joined_.record.axes.push_back(axis);
    const std::vector<EarlierRun> kept = earlier_runs(add);
    join_base();
    join_labels();
    for (const SweepRun& run : runs_) joined_.record.runs.push_back({run.id, values_of(run)});
    for (const EarlierRun& run : kept) joined_.record.runs.push_back({run.id, values_of(run)});
    joined_.earlier = kept.size();
    return std::move(joined_);
  }

 private:
  void read_earlier() {
    earlier_ = read_record(directory_);
    if (!earlier_) return;
    for (const std::string& line : earlier_->base)
      for (Setting& setting : parse_settings(line, (directory_ / kSweepFileName).string()))
        earlier_base_.push_back(std::move(setting));
    // Each command once, in the order in which they were last given.
    std::vector<std::string>& commands = joined_.record.earlier_commands;
    commands = earlier_->earlier_commands;
    if (!holds(commands, earlier_->command)) commands.push_back(earlier_->command);
    std::erase(commands, fresh_.command);
  }

  std::vector<EarlierRun> earlier_runs(bool add) {
    std::set<std::string> fresh_ids;
    for (const SweepRun& run : runs_) fresh_ids.insert(run.id);
    // By construction, nothing but the axes tells the runs of such a record from the new ones.
    const bool alike = earlier_ && fixed_lines(earlier_base_) == fixed_lines(sweep_.base);
    std::vector<EarlierRun> kept;
    std::vector<ConfigDifference> others;
    if (earlier_)
      for (const RecordedRun& run : earlier_->runs) {
        if (fresh_ids.contains(run.id)) continue;
        kept.push_back({run.id, true, run.values, alike ? std::nullopt : config_of(directory_ / run.id, run.id)});
        note_differences(kept.back(), others);
      }
    if (const auto meant = without_seeds(others); !meant.empty() && !add)
      throw ConfigError({(directory_ / kSweepFileName).string(), 0, "", ""},
                        fmt::format("the sweep in this directory has other settings: {}; `add` takes both into one "
                                    "sweep, another `directory` keeps them apart",
                                    describe(meant)));
    SweepRecord known = earlier_.value_or(SweepRecord{});
    for (const std::string& id : fresh_ids) known.runs.push_back({id, {}});
    for (const std::string& id : unlisted_runs(directory_, known)) {
      EarlierRun run{id, false, {}, config_of(directory_ / id, id)};
      std::vector<ConfigDifference> differences;
      if (!run.config) continue;
      note_differences(run, differences);
      if (!without_seeds(differences).empty() && !add) continue;
      others.insert(others.end(), differences.begin(), differences.end());
      kept.push_back(std::move(run));
      ++joined_.recovered;
    }
    for (const ConfigDifference& difference : others)
      if (!holds(joined_.record.axes, difference.key)) joined_.record.axes.push_back(difference.key);
    return kept;
  }

  // The settings that are on no axis, as text.
  std::set<std::string> fixed_lines(const std::vector<Setting>& settings) const {
    std::set<std::string> lines;
    for (const Setting& setting : settings)
      if (!holds(joined_.record.axes, setting.key)) lines.insert(base_line(setting));
    return lines;
  }

  // Adds the keys in which the run differs from what the new command's settings make of its axis values.
  void note_differences(const EarlierRun& run, std::vector<ConfigDifference>& differences) const {
    if (!run.config) return;
    for (const ConfigDifference& difference : config_differences(*run.config, counterpart(*run.config))) {
      if (holds(joined_.record.axes, difference.key)) continue;
      const bool named = std::any_of(differences.begin(), differences.end(),
                                     [&](const ConfigDifference& other) { return other.key == difference.key; });
      if (!named) differences.push_back(difference);
    }
  }

  RunConfig counterpart(const RunConfig& config) const {
    std::vector<Setting> settings = sweep_.base;
    std::erase_if(settings, [&](const Setting& setting) { return holds(joined_.record.axes, setting.key); });
    const std::vector<Setting> own = every_setting(config);
    for (const std::string& axis : joined_.record.axes)
      if (const auto value = find_value(own, axis))
        settings.push_back({axis, value->values, value->is_array, {"", 1, axis, ""}});
    try {
      return resolve_config(settings);
    } catch (const ConfigError&) {
      return runs_.front().config;  // settings of the two do not even go together
    }
  }

  // The settings of all runs, as text.
  void join_base() {
    std::set<std::string> keys;
    const auto take = [&](const Setting& setting) {
      if (!holds(joined_.record.axes, setting.key) && keys.insert(setting.key).second)
        joined_.record.base.push_back(base_line(setting));
    };
    for (const Setting& setting : sweep_.base) take(setting);
    for (const Setting& setting : earlier_base_) take(setting);
    std::sort(joined_.record.base.begin(), joined_.record.base.end());
  }

  void join_labels() {
    joined_.record.labels = fresh_.labels;
    if (!earlier_) return;
    for (const auto& [axis, labels] : earlier_->labels)
      for (const auto& [value, label] : labels) {
        auto& own = joined_.record.labels[axis];
        const bool taken = std::any_of(own.begin(), own.end(), [&, &label = label, &value = value](const auto& other) {
          return other.second == label && other.first != value;
        });
        if (taken)
          throw ConfigError({(directory_ / kSweepFileName).string(), 0, axis, value},
                            fmt::format("is called \"{}\" there, which the new sweep calls another value", label));
        own.emplace(value, label);
      }
  }

  // The form in which a value already stands in the record, so that 1 and 1.0 are one value of an axis.
  AxisValue known_form(std::size_t axis, AxisValue value) const {
    for (const RecordedRun& run : joined_.record.runs)
      if (is_same(run.values[axis], value)) return run.values[axis];
    return value;
  }

  std::vector<AxisValue> values_of(const SweepRun& run) const {
    std::vector<AxisValue> values = run.values;
    for (std::size_t axis = values.size(); axis < joined_.record.axes.size(); ++axis) {
      const std::string& key = joined_.record.axes[axis];
      const auto fixed = find_value(sweep_.base, key);
      values.push_back(known_form(axis, fixed ? *fixed : *find_value(every_setting(run.config), key)));
    }
    return values;
  }

  std::vector<AxisValue> values_of(const EarlierRun& run) const {
    std::vector<AxisValue> values;
    for (std::size_t axis = 0; axis < joined_.record.axes.size(); ++axis) {
      const std::string& key = joined_.record.axes[axis];
      std::optional<AxisValue> value = recorded_value(run, key);
      if (!value) {
        const auto config = run.config ? run.config : config_of(directory_ / run.id, run.id);
        // What is known of a run whose config is gone, beside its sweep's settings: the defaults.
        value = find_value(every_setting(config ? *config : resolve_config({})), key);
      }
      values.push_back(known_form(axis, *value));
    }
    return values;
  }

  // As the earlier record has it: on an axis, or as a setting of all its runs.
  std::optional<AxisValue> recorded_value(const EarlierRun& run, const std::string& key) const {
    if (!run.is_listed) return std::nullopt;
    const auto place = std::find(earlier_->axes.begin(), earlier_->axes.end(), key);
    if (place == earlier_->axes.end()) return find_value(earlier_base_, key);
    return run.recorded[static_cast<std::size_t>(place - earlier_->axes.begin())];
  }

  const fs::path& directory_;
  const Sweep& sweep_;
  const std::vector<SweepRun>& runs_;
  const SweepRecord fresh_;
  std::optional<SweepRecord> earlier_;
  std::vector<Setting> earlier_base_;
  JoinedSweep joined_;
};

}  // namespace

JoinedSweep join_sweep(const fs::path& directory, const Sweep& sweep, const std::vector<SweepRun>& runs,
                       const std::string& command, bool add) {
  return Joiner(directory, sweep, runs, command).join(add);
}

JoinedSweep record_sweep(const fs::path& directory, const Sweep& sweep, const std::vector<SweepRun>& runs,
                         const std::string& command, bool add) {
  make_directories(directory);
  // Two sweeps that start at once must not forget each other's runs.
  const Directory held(directory);
  held.lock();
  JoinedSweep joined = join_sweep(directory, sweep, runs, command, add);
  write_record(directory, joined.record);
  return joined;
}

}  // namespace precipice

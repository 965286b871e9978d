// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/sweep_record.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <set>

#include "experiments/console/printable.h"
#include "experiments/sweep/observed_run.h"
#include "metrics/files/files.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxRecordBytes = 64 << 20;

[[noreturn]] void throw_damaged(const fs::path& path, const std::string& what) {
  throw DataError(fmt::format("{}: damaged: {}", path.string(), what));
}

std::string quoted(const std::string& text) {
  return to_toml(Scalar(text));
}

// Double quotes whatever the text holds, so that a reader without a TOML library finds it.
std::string double_quoted(const std::string& plain) {
  std::string text = "\"";
  for (const char c : plain) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + '"';
}

std::string string_array(const std::vector<std::string>& strings) {
  std::string text = "[";
  for (const std::string& s : strings) text += "\n  " + quoted(s) + ",";
  return text + (strings.empty() ? "]" : "\n]");
}

std::string to_toml(const SweepRecord& record) {
  std::string text = "# What this sweep directory holds. The same command resumes the sweep.\nschema_version = 1\n";
  text += "command = " + quoted(record.command) + "\n";
  if (!record.earlier_commands.empty()) text += "earlier_commands = " + string_array(record.earlier_commands) + "\n";
  if (!record.included.empty()) text += "included = " + string_array(record.included) + "\n";
  text += "base = " + string_array(record.base) + "\naxes = " + string_array(record.axes) + "\n";
  for (const auto& [axis, labels] : record.labels) {
    text += fmt::format("\n[labels.{}]\n", double_quoted(axis));
    for (const auto& [value, label] : labels)
      text += fmt::format("{} = {}\n", double_quoted(value), double_quoted(label));
  }
  for (const RecordedRun& run : record.runs) {
    std::string values;
    for (std::size_t i = 0; i < record.axes.size(); ++i)
      values += fmt::format("{}\"{}\" = {}", i > 0 ? ", " : "", record.axes[i], to_toml(run.values[i]));
    text += fmt::format("\n[[runs]]\nid = \"{}\"\nvalues = {{{}}}\n", run.id, values);
  }
  return text;
}

std::optional<Scalar> scalar_of(const toml::node& node) {
  if (const auto* v = node.as_boolean()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_string()) return v->get();
  return std::nullopt;
}

std::optional<AxisValue> value_of(const toml::node& node) {
  AxisValue value;
  const auto* array = node.as_array();
  value.is_array = array != nullptr;
  if (!array) {
    if (const auto scalar = scalar_of(node)) return AxisValue{{*scalar}, false};
    return std::nullopt;
  }
  for (const toml::node& element : *array) {
    const auto scalar = scalar_of(element);
    if (!scalar) return std::nullopt;
    value.values.push_back(*scalar);
  }
  return value;
}

std::vector<std::string> strings_of(const toml::table& table, const char* key, const fs::path& path) {
  std::vector<std::string> strings;
  const toml::array* array = table[key].as_array();
  if (!array) throw_damaged(path, fmt::format("no array \"{}\"", key));
  for (const toml::node& node : *array) {
    if (!node.is_string()) throw_damaged(path, fmt::format("\"{}\" holds something that is no text", key));
    strings.push_back(node.as_string()->get());
  }
  return strings;
}

AxisLabels labels_of(const toml::table& table, const fs::path& path) {
  AxisLabels labels;
  const toml::table* axes = table["labels"].as_table();
  if (!axes && table.contains("labels")) throw_damaged(path, "\"labels\" is no table");
  if (!axes) return labels;
  for (const auto& [axis, values] : *axes) {
    const toml::table* names = values.as_table();
    if (!names) throw_damaged(path, fmt::format("the labels of {} are no table", axis.str()));
    for (const auto& [value, label] : *names) {
      if (!label.is_string()) throw_damaged(path, fmt::format("a label of {} is no text", axis.str()));
      labels[std::string(axis.str())][std::string(value.str())] = label.as_string()->get();
    }
  }
  return labels;
}

// An axis becomes a name in files and on the terminal: only a key can be one.
void check_axes(const std::vector<std::string>& axes, const fs::path& path) {
  RunConfig scratch;
  std::set<std::string> keys, seen;
  for (const ConfigField& field : config_fields(scratch)) keys.insert(field.key);
  for (const std::string& axis : axes) {
    if (!keys.contains(axis))
      throw_damaged(path, fmt::format("the axis \"{}\" is no key of a config", printable_line(axis)));
    if (!seen.insert(axis).second) throw_damaged(path, fmt::format("the axis \"{}\" is there twice", axis));
  }
}

RecordedRun run_of(const toml::node& node, const std::vector<std::string>& axes, const fs::path& path) {
  const toml::table* table = node.as_table();
  if (!table) throw_damaged(path, "a run is no table");
  RecordedRun run;
  run.id = (*table)["id"].value_or(std::string());
  // An id becomes a path: anything else could leave the sweep directory.
  if (!is_run_id(run.id)) throw_damaged(path, "a run's id is not ten hex digits");
  const toml::table* values = (*table)["values"].as_table();
  for (const std::string& axis : axes) {
    const toml::node* value = values ? values->get(axis) : nullptr;
    const auto read = value ? value_of(*value) : std::nullopt;
    if (!read) throw_damaged(path, fmt::format("run {} has no value of {}", run.id, axis));
    run.values.push_back(*read);
  }
  return run;
}

toml::table parse_record(const fs::path& path) {
  const std::string text = read_file(path, kMaxRecordBytes);
  try {
    return toml::parse(text, path.string());
  } catch (const toml::parse_error& error) {
    throw_damaged(path, fmt::format("line {}: {}", error.source().begin.line, error.description()));
  }
}

}  // namespace

std::string shown_value(const AxisLabels& labels, const std::string& axis, const AxisValue& value) {
  const std::string text = to_text(value);
  const auto names = labels.find(axis);
  if (names == labels.end()) return text;
  const auto name = names->second.find(text);
  return name == names->second.end() ? text : name->second;
}

std::string base_line(const Setting& setting) {
  return setting.key + " = " + to_toml(AxisValue{setting.values, setting.is_array});
}

SweepRecord make_record(const Sweep& sweep, const std::vector<SweepRun>& runs, const std::string& command) {
  SweepRecord record;
  record.command = command;
  record.included = sweep.included;
  for (const Setting& setting : sweep.base) record.base.push_back(base_line(setting));
  std::sort(record.base.begin(), record.base.end());
  for (const Axis& axis : sweep.axes) {
    record.axes.push_back(axis.key);
    for (std::size_t i = 0; i < axis.labels.size(); ++i)
      if (!axis.labels[i].empty()) record.labels[axis.key][to_text(axis.values[i])] = axis.labels[i];
  }
  for (const SweepRun& run : runs) record.runs.push_back({run.id, run.values});
  return record;
}

std::optional<SweepRecord> read_record(const fs::path& directory) {
  const fs::path path = directory / kSweepFileName;
  if (std::error_code error; !fs::exists(path, error) && !error) return std::nullopt;
  const toml::table table = parse_record(path);
  SweepRecord record;
  record.command = table["command"].value_or(std::string());
  if (table.contains("earlier_commands")) record.earlier_commands = strings_of(table, "earlier_commands", path);
  if (table.contains("included")) record.included = strings_of(table, "included", path);
  record.base = strings_of(table, "base", path);
  record.axes = strings_of(table, "axes", path);
  check_axes(record.axes, path);
  std::set<std::string> ids;
  record.labels = labels_of(table, path);
  if (const toml::array* runs = table["runs"].as_array()) {
    for (const toml::node& node : *runs) {
      record.runs.push_back(run_of(node, record.axes, path));
      if (!ids.insert(record.runs.back().id).second)
        throw_damaged(path, fmt::format("run {} is there twice", record.runs.back().id));
    }
  }
  return record;
}

void write_record(const fs::path& directory, const SweepRecord& record) {
  const fs::path path = directory / kSweepFileName;
  const std::string text = to_toml(record);
  make_directories(directory);
  if (fs::exists(path) && read_file(path, kMaxRecordBytes) == text) return;
  write_file_atomic(path, text);
}

std::vector<std::string> unlisted_runs(const fs::path& directory, const SweepRecord& record) {
  std::set<std::string> listed;
  for (const RecordedRun& run : record.runs) listed.insert(run.id);
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") || listed.contains(name) || !entry.is_directory(error)) continue;
    const RunDirectory run(entry.path());
    if (fs::exists(run.config_file(), error) || fs::exists(run.status_file(), error) || !run.result().empty())
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// Reading and writing status.json, and publishing run.h5 beside it.
#include "metrics/log/status_file.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "metrics/files/files.h"
#include "metrics/log/run_file.h"
#include "metrics/log/status_fields.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxStatusBytes = 1 << 20;
constexpr const char* kStateNames[] = {"pending", "running", "done",        "diverged", "untrained",
                                       "skipped", "failed",  "interrupted", "stale"};
// Files of earlier versions do not have them.
constexpr std::string_view kLaterKeys[] = {"run_id", "unigram_floor", "skipped_steps", "cpu_seconds"};

Json encode(RunState state) {
  return to_string(state);
}
Json encode(const std::string& text) {
  return text;
}
Json encode(std::integral auto number) {
  return number;
}
// JSON knows no NaN, and null would lose which one it was.
Json encode(double number) {
  if (std::isfinite(number)) return number;
  return std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf";
}

void decode(const Json& json, std::string& text) {
  text = json.get<std::string>();
}

void decode(const Json& json, RunState& state) {
  const auto name = json.get<std::string>();
  const auto found = std::find(std::begin(kStateNames), std::end(kStateNames), name);
  if (found == std::end(kStateNames)) throw DataError("unknown state");
  state = static_cast<RunState>(found - std::begin(kStateNames));
}

template <std::signed_integral Integer>
void decode(const Json& json, Integer& number) {
  // nlohmann would cast 1e300 or a too large integer silently.
  const bool fits = json.is_number_unsigned()
                        ? std::in_range<Integer>(json.get<std::uint64_t>())
                        : json.is_number_integer() && std::in_range<Integer>(json.get<std::int64_t>());
  if (!fits) throw DataError("not an integer of this size");
  number = json.get<Integer>();
}

void decode(const Json& json, double& number) {
  if (json.is_number()) {
    number = json.get<double>();
    return;
  }
  const auto name = json.get<std::string>();
  if (name != "nan" && name != "inf" && name != "-inf") throw DataError("not a number");
  number = name == "nan" ? std::numeric_limits<double>::quiet_NaN() : name == "inf" ? kInfinity : -kInfinity;
}

// Which file lies there if a publication was cut short, now that the next one is about to replace it.
void settle(const Directory& run_dir, RunStatus& status) {
  if (status.run_file_before.empty()) return;
  const bool is_new =
      run_dir.has(kRunFileName) && sha256_hex(run_dir.read(kRunFileName, kMaxRunFileBytes)) == status.run_file_sha256;
  if (!is_new) status.run_file_sha256 = status.run_file_before == kNoRunFile ? "" : status.run_file_before;
  status.run_file_before.clear();
}

}  // namespace

std::string to_string(RunState state) {
  return kStateNames[static_cast<std::size_t>(state)];
}

bool is_finished(RunState state) {
  return state == RunState::Done || state == RunState::Diverged || state == RunState::Untrained ||
         state == RunState::Skipped;
}

void write_status(const Directory& run_dir, const RunStatus& status, const std::string& name) {
  PRECIPICE_CHECK(status.state != RunState::Stale, "stale is observed, never written");
  Json json;
  visit_status(status, [&json](const char* key, const auto& value) {
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>)
      if (value.empty() && is_device_field(key)) return;
    json[key] = encode(value);
  });
  // A path or message that is no UTF-8 must not stop a run.
  run_dir.write_atomic(name, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::optional<RunStatus> read_status(const std::filesystem::path& path) {
  if (!is_there(path)) return std::nullopt;
  const std::string bytes = read_file(path, kMaxStatusBytes);
  RunStatus status;
  status.cpu_seconds = std::numeric_limits<double>::quiet_NaN();
  std::string key_read;
  try {
    const Json json = Json::parse(bytes);
    visit_status(status, [&](const char* key, auto& value) {
      key_read = key;
      const bool is_later = is_device_field(key) || std::ranges::find(kLaterKeys, key) != std::end(kLaterKeys);
      if (!json.contains(key) && is_later) return;
      decode(json.at(key), value);
    });
    if (status.state == RunState::Stale) throw DataError("stale is observed, never written");
  } catch (const std::exception&) {
    throw DataError(path.string() + ": damaged status file" +
                    (key_read.empty() ? " (no JSON)" : " (at key \"" + key_read + "\")"));
  }
  return status;
}

void publish_run_file(const Directory& run_dir, std::string_view bytes, RunStatus& status) {
  settle(run_dir, status);
  RunStatus publishing = status;
  publishing.run_file_before = status.run_file_sha256.empty() ? kNoRunFile : status.run_file_sha256;
  publishing.run_file_sha256 = sha256_hex(bytes);
  write_status(run_dir, publishing);
  status.run_file_before = publishing.run_file_before;
  status.run_file_sha256 = publishing.run_file_sha256;
  run_dir.write_atomic(kRunFileName, bytes);
  status.run_file_before.clear();
  write_status(run_dir, status);
}

}  // namespace precipice

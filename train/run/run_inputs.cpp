// SPDX-License-Identifier: Apache-2.0
#include "train/run/run_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "metrics/files/directory.h"
#include "metrics/files/files.h"
#include "metrics/files/input_file.h"
#include "metrics/files/run_files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "metrics/log/run_file.h"
#include "precision/base/check.h"
#include "train/data/tokens.h"
#include "train/run/run_directory.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxRecordBytes = 1 << 20;

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string hash_of(const RunInput& input) {
  try {
    return sha256_of_file(input.path);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{} = {}", input.key, error.what()));
  }
}

const RunInput* find_key(const std::vector<RunInput>& inputs, const std::string& key) {
  const auto found = std::find_if(inputs.begin(), inputs.end(), [&](const RunInput& i) { return i.key == key; });
  return found == inputs.end() || found->sha256.empty() ? nullptr : &*found;
}

void write_record(const Directory& run, const std::vector<RunInput>& inputs) {
  Json json{{"schema_version", 1}, {"inputs", Json::array()}};
  for (const RunInput& input : inputs)
    json["inputs"].push_back({{"key", input.key}, {"path", input.path}, {"sha256", input.sha256}});
  run.write_atomic(kInputsFileName, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

// data_sha256 of a run.h5 that is the published one: damaged files must not reach the HDF5 library.
std::vector<RunInput> published_inputs(const RunDirectory& directory, const RunConfig& config) {
  std::vector<RunInput> inputs = named_inputs(config);
  std::erase_if(inputs, [](const RunInput& input) { return input.key != kDataInput; });
  if (inputs.empty()) return {};
  const fs::path path = directory.run_file();
  const auto status = directory.read_status();
  if (!status || !is_there(path)) return {};
  std::string bytes = read_file(path, kMaxRunFileBytes);
  if (sha256_hex(bytes) != status->run_file_sha256) return {};
  const Hdf5Reader file(std::move(bytes), path.string());
  if (file.has_attribute("/", "data_sha256")) inputs[0].sha256 = file.attribute_text("/", "data_sha256");
  return is_sha256(inputs[0].sha256) ? inputs : std::vector<RunInput>{};
}

}  // namespace

std::vector<RunInput> named_inputs(const RunConfig& config) {
  std::vector<RunInput> inputs;
  if (!config.data.path.empty()) inputs.push_back({kDataInput, config.data.path, ""});
  if (!config.init.from.empty()) inputs.push_back({kInitInput, config.init.from, ""});
  return inputs;
}

std::vector<RunInput> hashed_inputs(const RunConfig& config, const TokenSource& tokens) {
  std::vector<RunInput> inputs = named_inputs(config);
  for (RunInput& input : inputs) input.sha256 = input.key == kDataInput ? tokens.sha256() : hash_of(input);
  return inputs;
}

std::vector<RunInput> read_inputs_file(const fs::path& run) {
  const fs::path path = RunDirectory(run).inputs_file();
  if (!is_there(path)) return {};
  const std::string text = read_file(path, kMaxRecordBytes);
  std::vector<RunInput> inputs;
  try {
    const Json json = Json::parse(text);
    for (const Json& entry : json.at("inputs")) {
      inputs.push_back({entry.at("key").get<std::string>(), entry.at("path").get<std::string>(),
                        entry.at("sha256").get<std::string>()});
      if (!is_sha256(inputs.back().sha256)) throw DataError("no SHA-256");
    }
  } catch (const std::exception&) {
    throw DataError(path.string() + ": damaged record of the run's input files");
  }
  return inputs;
}

std::vector<RunInput> recorded_inputs(const fs::path& run) {
  const RunDirectory directory(run);
  if (is_there(directory.inputs_file())) return read_inputs_file(run);
  return directory.has_config() ? published_inputs(directory, directory.read_config()) : std::vector<RunInput>{};
}

std::vector<RunInput> recorded_inputs(const fs::path& run, const RunConfig& config) {
  const RunDirectory directory(run);
  return is_there(directory.inputs_file()) ? read_inputs_file(run) : published_inputs(directory, config);
}

void compare_inputs(const fs::path& run, const std::vector<RunInput>& recorded, const std::vector<RunInput>& now) {
  for (const RunInput& input : now) {
    const RunInput* before = find_key(recorded, input.key);
    if (before == nullptr || input.sha256.empty() || before->sha256 == input.sha256) continue;
    throw DataError(
        fmt::format("{} = {}: this is not the file that {} began with: SHA-256 {} then, {} now; put the old file back, "
                    "or begin a new run in another directory",
                    input.key, input.path, run.string(), before->sha256, input.sha256));
  }
}

bool claim_inputs(const Directory& run, const std::vector<RunInput>& now) {
  if (now.empty()) return true;
  const std::vector<RunInput> recorded = recorded_inputs(run.path());
  compare_inputs(run.path(), recorded, now);
  const auto is_recorded = [&](const RunInput& input) { return find_key(recorded, input.key) != nullptr; };
  if (std::all_of(now.begin(), now.end(), is_recorded)) return true;
  // Steps may have been taken on other files than these.
  if (run.has(kJournalFileName)) return false;
  write_record(run, now);
  return true;
}

void check_input(const fs::path& run, const RunConfig& config, const std::string& key) {
  for (RunInput& input : named_inputs(config)) {
    if (input.key != key || !is_there(input.path)) continue;
    input.sha256 = hash_of(input);
    compare_inputs(run, recorded_inputs(run), {input});
  }
}

void check_inputs(const fs::path& run, const RunConfig& config) {
  for (const char* key : {kDataInput, kInitInput}) check_input(run, config, key);
}

}  // namespace precipice

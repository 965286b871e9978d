// SPDX-License-Identifier: Apache-2.0
// What a run reads from outside its directory: the files that its config names by path (data.path, init.from). A path
// says nothing about contents, so a run keeps the SHA-256 of each of them in inputs.json, written before the first step
// and never again, and everything that reads them later for this run compares first:
//   {"schema_version": 1, "inputs": [{"key": "data.path", "path": "corpus.txt", "sha256": "..."}]}
// A run that names no file has no inputs.json. For a run that was begun without one, data_sha256 in its run.h5 counts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "train/config/run_config.h"

namespace precipice {

class Directory;
class TokenSource;

inline constexpr const char* kDataInput = "data.path";
inline constexpr const char* kInitInput = "init.from";

struct RunInput {
  std::string key;     // of the config: "data.path"
  std::string path;    // as the config has it
  std::string sha256;  // "" where it is not known
  bool operator==(const RunInput&) const = default;
};

// Every file that the config names, with no hash.
std::vector<RunInput> named_inputs(const RunConfig& config);
// The same with the hashes of now. Throws DataError where one cannot be read.
std::vector<RunInput> hashed_inputs(const RunConfig& config, const TokenSource& tokens);
// What the run that lies there recorded; empty where it recorded nothing. Throws DataError when inputs.json is damaged.
std::vector<RunInput> recorded_inputs(const std::filesystem::path& run);
std::vector<RunInput> recorded_inputs(const std::filesystem::path& run, const RunConfig& config);  // its own, known
std::vector<RunInput> read_inputs_file(const std::filesystem::path& run);                          // inputs.json alone

// Throws DataError with both hashes when `now` has another file under a key than `recorded` has.
void compare_inputs(const std::filesystem::path& run, const std::vector<RunInput>& recorded,
                    const std::vector<RunInput>& now);
// For the process that holds the run directory: compares with the record or, before the run has begun, writes it.
// Returns whether the inputs are those that the run began with; false: it was begun without a record.
bool claim_inputs(const Directory& run, const std::vector<RunInput>& now);
// What the config names under `key`, if anything, and is there must be what the run that lies there began with: for
// whoever reads it once more.
void check_input(const std::filesystem::path& run, const RunConfig& config, const std::string& key);
void check_inputs(const std::filesystem::path& run, const RunConfig& config);  // all of them

}  // namespace precipice

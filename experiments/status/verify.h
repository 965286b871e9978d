// SPDX-License-Identifier: Apache-2.0
// `precipice verify`: whether the files of a run are what the program wrote: config, status (of this very run),
// journal, run.h5 against its recorded hash, checkpoints; and whether the files that its config names are those that it
// began with. Each run is read in a child process with a time limit, since the HDF5 library may crash or hang on a
// damaged file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "metrics/log/run_check.h"

namespace precipice {

// One entry per file. `expected_id`: the run that a sweep says is here, "" when not known.
std::vector<FileCheck> check_run_files(const std::filesystem::path& directory, const std::string& expected_id);

// Hashes the files that the run recorded as its inputs, so that the children of this process know them already.
void hash_inputs_of(const std::filesystem::path& directory);

// The same in a child process, which must not have been preceded by threads; a crash becomes one failed entry.
std::vector<FileCheck> check_run_isolated(const std::filesystem::path& directory, const std::string& expected_id);

}  // namespace precipice

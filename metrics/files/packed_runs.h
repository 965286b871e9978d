// SPDX-License-Identifier: Apache-2.0
// Runs of a sweep that lie in its bundles. A path SWEEP/<id>/<file> whose directory has no config.toml means that file in a
// bundle SWEEP/packed/*.zip (bundle.h): read_file and is_there (files.h) look there for what is missing, so that everything
// that reads a run reads a packed one. A run directory comes before a bundle; of two bundles, the first by name.
// Bundles are opened once and again when their folder or they themselves have changed. Any thread may call.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "metrics/files/bundle.h"

namespace precipice {

// The bundles of a sweep, by name; empty where there are none. Throws DataError where one cannot be read.
std::vector<std::shared_ptr<const Bundle>> bundles_of(const std::filesystem::path& sweep);

// Throws DataError in one line where a bundle has a problem, for whoever counts runs: those that are lost would look as if
// they had never begun.
void check_bundles(const std::filesystem::path& sweep);

// Where a path leads in a bundle.
struct PackedFile {
  std::shared_ptr<const Bundle> bundle;
  std::string id, file;  // file: "" for the run itself
  std::string read(std::uint64_t max_bytes) const { return bundle->read(id, file, max_bytes); }
};
// Of SWEEP/<id>/...; nothing where it is no path of a packed run, or the bundle has no such file.
std::optional<PackedFile> find_packed(const std::filesystem::path& path);
// Of SWEEP/<id>; nothing where the run lies in its directory, or no bundle has it.
std::optional<PackedFile> find_packed_run(const std::filesystem::path& run_directory);

// Names of the files in a folder of a packed run, SWEEP/<id>/ckpt.
std::vector<std::string> packed_names(const std::filesystem::path& folder);

}  // namespace precipice

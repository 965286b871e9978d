// SPDX-License-Identifier: Apache-2.0
// run.h5: everything a run logged, for plain tools (h5py, xarray, h5ls, HDFView). Built from the journal's rows.
//   /metrics/step, /metrics/<series>   1-D on the `step` dimension scale; /eval/*, /sharpness/* alike
//   /tensors/step, /tensors/site, /tensors/<series>   2-D (step, site) with a string `site` scale
//   /histograms/bin, /histograms/<series>   3-D (step, site, bin) with a string `bin` scale as well
//   /config   the resolved TOML text; root attributes: provenance
// Every series carries units and long_name, and every dimension has a named scale, so that netCDF's readers need no name of
// their own; attributes of NXdata (nexus_hints.h) let viewers open on loss against step. Two runs of one config give equal bytes: no times, no host names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "metrics/files/run_files.h"
#include "metrics/log/series.h"

namespace precipice {

inline constexpr std::uint64_t kMaxRunFileBytes = std::uint64_t{16} << 30;
inline constexpr const char* kRunFileSchema = "1";  // root attribute schema_version, always written

struct RunFileHeader {
  std::string config_toml;
  std::map<std::string, std::string> text;       // root attributes: commit, status, divergence_reason, ...
  std::map<std::string, std::int64_t> integers;  // seeds, threads, divergence_step (-1: none), ...
  std::map<std::string, double> numbers;         // entropy_floor, ...
};

// The file's bytes. Groups without rows are written with length-0 series, so that a reader finds every name. Rows that
// a journal holds in order may come in any group order; within a group they keep it.
std::string build_run_file(const RunSeries& series, const RunFileHeader& header);

// Throws DataError naming what is wrong unless the file opens, has this schema, and holds for each group of `journal`
// rising steps, which begin as the journal's do, and of every series one readable number (or one of each site and bin)
// per step; and nothing else that has steps.
void check_run_file(const std::filesystem::path& path, const RunSeries& journal);

}  // namespace precipice

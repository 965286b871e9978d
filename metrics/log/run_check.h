// SPDX-License-Identifier: Apache-2.0
// What `precipice verify` says about a run directory's status, journal and run.h5 (checkpoints are checked by train/).
// It may be called while the run goes on. run.h5 is handed to the HDF5 library only when its SHA-256 is the recorded
// one, since that library crashes on about one damaged file in a hundred.
//   status.json  parses.
//   metrics.jnl  reads whole. A torn tail is no fault (a kill leaves one, resume cuts it) and is noted; whole
//                rows behind damage are one.
//   run.h5       has the recorded hash (while a publication was cut short, the old one: noted), opens, and has the
//                schema of this program with the journal's groups and steps; every number in it can be read, from the
//                file itself.
// A run that is pending may lack the journal; one that never published may lack run.h5.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace precipice {

struct FileCheck {
  std::filesystem::path path;
  bool ok = false;
  std::string message;   // one line; what is intact, or what is wrong
  bool unknown = false;  // not damaged, but it could not be looked at
};

// One entry for each of the three files, in the order above. Never throws on bad files.
std::vector<FileCheck> check_run(const std::filesystem::path& run_dir);

}  // namespace precipice

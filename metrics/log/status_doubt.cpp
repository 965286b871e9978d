// SPDX-License-Identifier: Apache-2.0
#include "metrics/log/status_doubt.h"

#include <algorithm>
#include <utility>

#include "metrics/files/files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "metrics/log/run_file.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

bool is_one_of(std::span<const std::string> ids, const std::string& id) {
  return std::ranges::find(ids, id) != ids.end();
}

std::string of_another(const char* file, const std::string& found, std::span<const std::string> ids) {
  const bool is_id =
      found.size() == ids.front().size() && found.find_first_not_of("0123456789abcdef") == std::string::npos;
  return join_parts(file, " is that of ", is_id ? "run " + found : "no run of this program", ", not of ", ids.front());
}

// Of a finished run: whether run.h5 is what the status says, and its own.
std::string doubt_about_result(const std::filesystem::path& path, const RunStatus& status,
                               std::span<const std::string> ids, std::string* run_file) {
  if (!std::filesystem::exists(std::filesystem::symlink_status(path)) && !is_there(path)) return "run.h5 is missing";
  try {
    std::string bytes = read_file(path, kMaxRunFileBytes);
    if (sha256_hex(bytes) != status.run_file_sha256) return "run.h5 is not the file whose SHA-256 status.json records";
    if (!status.run_id.empty()) {
      if (run_file) *run_file = std::move(bytes);
      return "";
    }
    const std::string id = Hdf5Reader(std::move(bytes), path.string()).attribute_text("/", "run_id");
    return is_one_of(ids, id) ? "" : of_another(kRunFileName, id, ids);
  } catch (const DataError& error) {
    return error.what();
  }
}

}  // namespace

std::string reason_to_doubt(const std::filesystem::path& run_dir, const RunStatus& status,
                            std::span<const std::string> ids, std::string* run_file) {
  PRECIPICE_CHECK(!ids.empty());
  if (!status.run_id.empty() && !is_one_of(ids, status.run_id)) return of_another(kStatusFileName, status.run_id, ids);
  if (!is_finished(status.state)) return "";
  if (status.state != RunState::Diverged && status.step != status.steps)
    return join_parts("status.json says ", to_string(status.state), " at step ", status.step, " of ", status.steps);
  return doubt_about_result(run_dir / kRunFileName, status, ids, run_file);
}

}  // namespace precipice

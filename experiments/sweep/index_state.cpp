// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/index_state.h"

#include <algorithm>

#include "metrics/files/files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "precision/base/check.h"

namespace precipice {

std::string to_string(IndexState state) {
  return state == IndexState::Missing ? "missing" : state == IndexState::Current ? "current" : "stale";
}

std::string digest_of_runs(RunHashes hashes) {
  std::sort(hashes.begin(), hashes.end());
  std::string text;
  for (const auto& [id, hash] : hashes) text += id + " " + hash + "\n";
  return sha256_hex(text);
}

IndexState state_of_index(const std::filesystem::path& directory, RunHashes hashes) {
  const std::filesystem::path path = directory / kIndexFileName;
  if (std::error_code error; !std::filesystem::exists(path, error)) return IndexState::Missing;
  try {
    const Hdf5Reader file(path);
    const bool current = file.has_attribute("/", kRunsDigest) &&
                         file.attribute_text("/", kRunsDigest) == digest_of_runs(std::move(hashes));
    return current ? IndexState::Current : IndexState::Stale;
  } catch (const DataError&) {
    return IndexState::Stale;
  }
}

}  // namespace precipice

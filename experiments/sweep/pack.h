// SPDX-License-Identifier: Apache-2.0
// Packing finished runs of a sweep: from their directories into a bundle in SWEEP/packed (metrics/files/bundle.h), and back.
// A directory is removed only after its run was appended to the bundle, is on the disk (fsync), and was read back from there
// with the SHA-256 of every file. A kill leaves the directory, the bundle's copy, or both, which are the same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace precipice {

// The bundle of processes on this host: "<host>.zip". Another process that writes to it at the same time makes the callee
// take "<host>-2.zip", and so on; a shard may name its own.
std::string default_bundle_name();

struct PackResult {
  std::size_t runs = 0, files = 0;
  std::uint64_t bytes = 0;
  std::filesystem::path bundle;     // the last one written to; "" where there was nothing to do
  std::vector<std::string> stayed;  // "ID: why", of finished runs
};

// "packed 27 runs, 162 files, 81 MB, into runs/x/packed/host.zip", a line; "" where no run was packed.
std::string pack_line(const PackResult& result);

// Packs those of the runs that have ended and lie in directories; others stay as they are, and so does a run that another
// process holds, or whose directory has anything but files and folders. `bundle`: name in SWEEP/packed without suffix.
// Throws OutputError, and DataError where a bundle is damaged; then nothing was removed that is not whole in a bundle.
PackResult pack_runs(const std::filesystem::path& sweep, const std::vector<std::string>& ids,
                     const std::string& bundle = default_bundle_name());

struct UnpackResult {
  std::size_t runs = 0;
  std::vector<std::string> kept;  // "BUNDLE: why", of bundles that are still there
};

// Gives every packed run its directory back, and removes the bundles whose runs all have one. Of a bundle that is cut short,
// the whole runs; it stays. Throws OutputError, and DataError where a run in a bundle is damaged.
UnpackResult unpack_runs(const std::filesystem::path& sweep);

// Packs as a sweep goes on: not each run at once, since each append writes the bundle's list anew, but when those that have
// ended and lie loose are kLeast, or a sixteenth of those that were packed.
class PackAsTheyEnd {
 public:
  static constexpr std::size_t kLeast = 64;

  PackAsTheyEnd(std::filesystem::path sweep, std::string bundle)
      : sweep_(std::move(sweep)), bundle_(std::move(bundle)) {}
  // A run has ended. Throws what pack_runs throws.
  PackResult add(const std::string& id);

 private:
  std::filesystem::path sweep_;
  std::string bundle_;
  std::vector<std::string> loose_;
  std::size_t packed_ = 0;
};

}  // namespace precipice

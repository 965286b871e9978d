// SPDX-License-Identifier: Apache-2.0
// Whether index.h5 still says what the runs of its sweep say. `merge` stores the digest of the runs that it read: the
// SHA-256 of one line "ID SHA256-OF-RUN.H5" per run (the hash as status.json has it), sorted.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace precipice {

inline constexpr const char* kIndexFileName = "index.h5";
inline constexpr const char* kRunsDigest = "runs_sha256";  // attribute of its root

enum class IndexState { Missing, Current, Stale };
std::string to_string(IndexState state);  // "missing", ...

// Pairs of a run's id and the hash of its run.h5, "" where there is none.
using RunHashes = std::vector<std::pair<std::string, std::string>>;
std::string digest_of_runs(RunHashes hashes);

// A file that cannot be read or holds no digest is stale.
IndexState state_of_index(const std::filesystem::path& directory, RunHashes hashes);

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// Whether a status.json may be believed. A directory can hold another run's: copied there, restored from elsewhere, or
// written by a program that did not notice that its directory had been moved.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "metrics/log/status_file.h"

namespace precipice {

// "" when `status`, read in run_dir, may be believed about the run that has one of these ids; otherwise what speaks
// against it, in one line. It must name the run. Where it says that nothing is left to train, all steps must be done
// (but of a run that diverged), and run.h5 must be the file whose SHA-256 it records. A status of an earlier version
// names no run: then it counts whose run.h5 it is, for a status of a finished run.
// `run_file`: gets the bytes of a finished run's run.h5 if they are the recorded ones and the status names its run, so that
// nobody need read them again; else it stays as it is.
std::string reason_to_doubt(const std::filesystem::path& run_dir, const RunStatus& status,
                            std::span<const std::string> ids, std::string* run_file = nullptr);

}  // namespace precipice

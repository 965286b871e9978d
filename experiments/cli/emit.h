// SPDX-License-Identifier: Apache-2.0
// The part of `precipice sweep` that hands its runs to somebody else's scheduler: --emit and --slurm.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "experiments/sweep/sweep_session.h"

namespace precipice {

struct EmitOptions {
  std::string engine;  // of --emit; "" where none is printed
  bool submit = false;
  std::int64_t max_array = 1000, tasks = 0;  // tasks at most, and as asked for; 0: as many as their length asks for
  bool is_asked() const { return submit || !engine.empty(); }
};

void add_emit_options(CLI::App& sweep, EmitOptions& options);

struct EmittedSweep {
  std::string file, directory;     // as typed
  std::vector<std::string> words;  // settings and options that each task gets beside these and the number of jobs
  std::size_t jobs = 1;            // runs at once in a task
  RunSelection selection = RunSelection::Unfinished;
  const Sweep& sweep;
  const std::vector<SweepRun>& runs;
};

// Prints the script or manifest, or what the submission said. Gives the exit code.
int emit_sweep(const EmittedSweep& emitted, const EmitOptions& options);

}  // namespace precipice

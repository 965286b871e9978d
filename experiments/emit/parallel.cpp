// SPDX-License-Identifier: Apache-2.0
// GNU parallel: one command line, on this machine or over ssh. parallel(1) of 2022-11-22; tests/cluster runs it.
#include <fmt/format.h>

#include "experiments/console/console.h"
#include "experiments/emit/engines.h"
#include "metrics/files/files.h"

namespace precipice {
namespace {

// parallel ends jobs with SIGTERM and kills them within a second unless told otherwise: they need time for a checkpoint.
constexpr const char* kParallelScript = R"(#!/bin/bash
# {{runs}} runs of a sweep, shared by {{tasks}} processes, of which {{slots}} at once. Read it, change it, keep it.
# The same again goes on: what the log of this command has as done is left out, and so is every finished run.
# Cost: {{cost}}.
# On other machines that see the same files: --sshlogin 8/host1,8/host2 --workdir {{folder}} (8 at once on each).
mkdir -p {{directory}} && cd {{folder}} || exit
seq 0 {{last}} | parallel --quote --jobs {{slots}} --joblog {{log}} --resume --resume-failed --termseq TERM,60000,KILL,25 {{task}}
code=$?
{{program}} merge {{directory}} && {{program}} report {{directory}}
exit "$code"  # how many processes failed
)";

}  // namespace

std::string parallel_script(const ClusterJob& job) {
  const std::string task = task_line(job, fmt::format("{{}}/{}", job.tasks));
  // Another sweep into the directory has a log of its own: parallel would leave out its tasks by their numbers.
  const std::string log = fmt::format("{}/parallel_{}.log", job.directory, sha256_hex(task).substr(0, 8));
  return filled(kParallelScript, {{"runs", std::to_string(job.runs)},
                                  {"tasks", std::to_string(job.tasks)},
                                  {"slots", std::to_string(job.local_tasks)},
                                  {"cost", job.cost},
                                  {"folder", shell_word(job.folder)},
                                  {"directory", shell_word(job.directory)},
                                  {"last", std::to_string(job.tasks - 1)},
                                  {"log", shell_word(log)},
                                  {"task", task},
                                  {"program", shell_word(job.program)}});
}

}  // namespace precipice

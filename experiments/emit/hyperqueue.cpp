// SPDX-License-Identifier: Apache-2.0
// HyperQueue: a task array. Options as crates/hyperqueue/src/client/commands/submit/command.rs of github.com/It4innovations/
// hyperqueue has them (2026-08-03). A task that loses its worker is started again by HyperQueue; one that ends with an
// error is not.
#include <fmt/format.h>

#include "experiments/console/console.h"
#include "experiments/emit/engines.h"

namespace precipice {
namespace {

constexpr const char* kHyperQueueScript = R"(#!/bin/bash
# {{runs}} runs of a sweep, shared by the {{tasks}} tasks of one HyperQueue array. Read it, change it, keep it.
# It needs a server and workers (hq server start; hq worker start, or hq alloc add slurm). The same again later goes on:
# finished runs are left alone.
# Cost: {{cost}}.
# {{jobs}} at once in a task, {{threads}}; memory (MB) as a dry run says, and a quarter more.
mkdir -p {{folder}} || exit
hq submit --wait --name {{name}} --array 0-{{last}} --cpus {{cores}} --resource mem={{megabytes}} --time-request 10min \
  --crash-limit unlimited --cwd {{start}} --stdout {{out}} --stderr {{err}} -- \
  {{task}}
code=$?
{{program}} merge {{directory}} && {{program}} report {{directory}}
exit "$code"  # not 0 where a task failed: hq job list --all
)";

}  // namespace

std::string hyperqueue_script(const ClusterJob& job) {
  const std::string folder = job.directory + "/hq";
  return filled(kHyperQueueScript,
                {{"runs", std::to_string(job.runs)},
                 {"tasks", std::to_string(job.tasks)},
                 {"cost", job.cost},
                 {"jobs", job.jobs == 1 ? "One run" : fmt::format("{} runs", job.jobs)},
                 {"threads", job.threads == 1 ? "one thread each" : fmt::format("{} threads each", job.threads)},
                 {"folder", shell_word(folder)},
                 {"name", job.name},
                 {"last", std::to_string(job.tasks - 1)},
                 {"cores", std::to_string(job.jobs * job.threads)},
                 {"megabytes", std::to_string(job.megabytes)},
                 {"start", shell_word(job.folder)},
                 {"out", shell_word(folder + "/%{TASK_ID}.log")},
                 {"err", shell_word(folder + "/%{TASK_ID}.err")},
                 {"task", task_line(job, fmt::format("auto/{}", job.tasks))},
                 {"program", shell_word(job.program)},
                 {"directory", shell_word(job.directory)}});
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// Slurm: a job array whose tasks are shares, and a job that depends on it. The script submits itself, so that one file
// says both. sbatch(1), scontrol(1) of Slurm 22.05; tests/cluster runs it under a real slurmctld.
//   - `--signal=B:` warns the shell alone, which hands the warning on; when a job is ended, all its processes get SIGTERM.
//   - A task whose budget is used asks for itself again with `scontrol requeue`, which puts it behind other jobs and lets
//     it wait two minutes; preempted tasks, and those of a lost node, are requeued by Slurm.
#include <fmt/format.h>

#include "experiments/console/console.h"
#include "experiments/emit/engines.h"

namespace precipice {
namespace {

constexpr const char* kSlurmScript = R"(#!/bin/bash
# {{runs}} runs of a sweep, shared by the {{tasks}} tasks of one array. Read it, change it, keep it.
#   bash THIS_FILE    submits the array, and a job that merges and reports when its last task has ended.
#                     Again later: what is missing or failed; finished runs are left alone.
# Cost: {{cost}}.
# Partition and account: lines `#SBATCH --partition=...` here, or SBATCH_PARTITION and SBATCH_ACCOUNT in the environment.
#SBATCH --job-name={{name}}
# A task for each share. %8 behind it: at most eight at once. The number of shares is the one behind auto/ below.
#SBATCH --array=0-{{last}}
#SBATCH --nodes=1
#SBATCH --ntasks=1
# {{jobs}} at once in a task, {{threads}}; memory as a dry run says, and a quarter more.
#SBATCH --cpus-per-task={{cores}}
#SBATCH --mem={{megabytes}}M
# Minutes. It may be shorter than the work: a task that is out of time goes on later from its runs' checkpoints.
#SBATCH --time={{minutes}}
# The warning before that limit: checkpoint and end.
#SBATCH --signal=B:USR2@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --chdir={{folder}}
#SBATCH --output={{log}}

precipice={{program}}
directory={{directory}}

if [[ -z ${SLURM_ARRAY_TASK_ID-} ]]; then  # not inside a job: submit
  script=$(readlink -f "$0")
  mkdir -p "$directory/slurm"
  array=$(sbatch --parsable "$script") || exit
  array=${array%%;*}
  merge=$(sbatch --parsable --array=0 --job-name={{name}}-merge --dependency="afterany:$array" --cpus-per-task=1 \
    --mem={{more_megabytes}}M --time=60 --output={{merge_log}} "$script" merge) || exit
  echo "job $array: {{tasks}} tasks. Job ${merge%%;*} merges and reports after them."
  printf 'Follow it:  squeue --jobs=%s --array    %q status %q --watch    logs in %q\n' \
    "$array" "$precipice" "$directory" "$directory/slurm"
  printf 'End it:     scancel %s    Its runs keep their checkpoints: bash %q goes on with them.\n' "$array" "$script"
  exit
fi

if [[ ${1-} == merge ]]; then
  trap '' USR2  # the warning is for runs
  "$precipice" merge "$directory" && "$precipice" report "$directory"
  exit
fi

{{task}} &
task=$!
trap 'kill -USR2 "$task"' USR2
trap 'kill -TERM "$task"' TERM
while kill -0 "$task" 2>/dev/null; do wait "$task"; done
wait "$task"
code=$?

# {{more}}: its time is used and there is more to do. {{permanent}}: another try would end in the same way. {{some}}: some runs failed.
if ((code == {{more}} && ${SLURM_RESTART_COUNT:-0} < 100)); then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" && exit
fi
exit "$code"
)";

// A file name in which sbatch replaces % by numbers.
std::string slurm_pattern(const std::string& path) {
  std::string pattern;
  for (const char c : path) pattern += c == '%' ? std::string("%%") : std::string(1, c);
  return pattern;
}

}  // namespace

std::string slurm_script(const ClusterJob& job) {
  std::string task = task_line(job, fmt::format("auto/{}", job.tasks));
  for (const std::string& word : job.budget_words) task += " " + shell_word(word);
  return filled(kSlurmScript,
                {{"runs", std::to_string(job.runs)},
                 {"tasks", std::to_string(job.tasks)},
                 {"cost", job.cost},
                 {"name", job.name},
                 {"last", std::to_string(job.tasks - 1)},
                 {"jobs", job.jobs == 1 ? "One run" : fmt::format("{} runs", job.jobs)},
                 {"threads", job.threads == 1 ? "one thread each" : fmt::format("{} threads each", job.threads)},
                 {"cores", std::to_string(job.jobs * job.threads)},
                 {"megabytes", std::to_string(job.megabytes)},
                 {"more_megabytes", std::to_string(merging_megabytes(job))},
                 {"minutes", std::to_string(job.limit_minutes)},
                 {"folder", shell_word(job.folder)},
                 {"log", shell_word(slurm_pattern(job.directory) + "/slurm/%A_%a.log")},
                 {"merge_log", shell_word(slurm_pattern(job.directory) + "/slurm/%A_merge.log")},
                 {"program", shell_word(job.program)},
                 {"directory", shell_word(job.directory)},
                 {"task", task},
                 {"more", std::to_string(job.codes.more_to_do)},
                 {"permanent", joined_codes(job.codes.permanent)},
                 {"some", std::to_string(job.codes.some_failed)}});
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
#include "experiments/emit/cluster_job.h"

#include <cctype>

#include "experiments/emit/engines.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"

using namespace precipice;
using Catch::Contains;

namespace {

ClusterJob some_job() {
  ClusterJob job;
  job.name = "precipice-x";
  job.program = "/opt/precipice";
  job.sweep_file = "/home/u/x.toml";
  job.directory = "/scratch/runs/100%";
  job.folder = "/home/u";
  job.words = {"sweep", kFilePlace, "a={{b}}", "--out", kDirectoryPlace, "--shard", kSharePlace};
  job.budget_words = {"--for", "55m"};
  job.files = {{"x.toml", "seed = 1\n"}};
  job.runs = 36;
  job.tasks = 8;
  job.jobs = 2;
  job.threads = 3;
  job.megabytes = 320;
  job.cost = "a guess";
  job.codes = {{2, 4}, 3, 7, {130, 143}};
  return job;
}

}  // namespace

TEST_CASE("the name of a job is one that every scheduler takes, whatever the sweep's file is called") {
  CHECK(job_name("fp8_vs_bf16") == "precipice-fp8-vs-bf16");
  CHECK(job_name("Odd name (2)") == "precipice-odd-name-2");
  CHECK(job_name("") == "precipice");
  CHECK(job_name("\xc3\xa9t\xc3\xa9") == "precipice-t");
  for (const std::string& stem : {std::string(100, 'a'), std::string(29, 'b') + "--c", std::string("...")}) {
    const std::string name = job_name(stem);
    CAPTURE(name);
    CHECK(name.size() <= 40);
    CHECK(std::isalnum(static_cast<unsigned char>(name.back())));
  }
}

TEST_CASE("places in a text are filled once, and one without a value is a broken contract") {
  CHECK(filled("{{a}} and {{b}}{{a}}", {{"a", "1"}, {"b", "{{a}}"}}) == "1 and {{a}}1");
  CHECK(filled("no place", {}) == "no place");
  CHECK_THROWS(filled("{{c}}", {{"a", "1"}}));
  CHECK_THROWS(filled("{{a", {{"a", "1"}}));
}

TEST_CASE("only a task's file, directory and share are put into its words") {
  CHECK(task_words(some_job(), "F", "D", "0/8") ==
        std::vector<std::string>{"sweep", "F", "a={{b}}", "--out", "D", "--shard", "0/8"});
}

TEST_CASE("every engine's text has the command, the number of tasks, cores and memory") {
  for (const Engine& engine : kEngines) {
    const std::string text = engine.text(some_job());
    CAPTURE(engine.word, text);
    CHECK_THAT(text, Contains("a={{b}}"));
    CHECK_THAT(text, Contains("/8"));
    CHECK_THAT(text, Contains("36 runs"));
    CHECK_THAT(text, Contains("merge"));
    CHECK(text.back() == '\n');
    if (std::string(engine.word) == "parallel") continue;  // it knows slots only
    CHECK_THAT(text, Contains("320"));
    CHECK_THAT(text, Contains("6"));
  }
  const std::string slurm = slurm_script(some_job());
  CHECK_THAT(slurm, Contains("#SBATCH --array=0-7\n"));
  CHECK_THAT(slurm, Contains("#SBATCH --cpus-per-task=6\n"));
  // sbatch takes % in a file's name for the beginning of a number's place.
  CHECK_THAT(slurm, Contains("#SBATCH --output=/scratch/runs/100%%/slurm/%A_%a.log\n"));
  CHECK_THAT(slurm, Contains("--shard auto/8 --for 55m &\n"));
}

// SPDX-License-Identifier: Apache-2.0
// Plans and refusals: what `--dry-run` says is what a run takes, and what cannot fit is refused before it begins.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>

#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

using namespace precipice;
namespace fs = std::filesystem;

namespace {

constexpr int kNotEnoughMemory = 6;

// Bytes of "... memory      about 1.23 GB, of".
double planned_bytes(const std::string& plan) {
  const std::size_t at = plan.find("memory      about ");
  if (at == std::string::npos) return 0;
  const std::string text = plan.substr(at + 18, 12);
  const double factor = contains(text, " kB") ? 1e3 : contains(text, " MB") ? 1e6 : contains(text, " GB") ? 1e9 : 1e12;
  return factor * std::stod(text);
}

// VmHWM of a run in a process of its own, as the kernel counted it.
double measured_bytes(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), program_path());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    if (!std::freopen("/dev/null", "w", stdout)) _exit(127);
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  REQUIRE(wait4(child, &status, 0, &usage) == child);
  REQUIRE(status == 0);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace

TEST_CASE("the memory of a plan is within 15 % of what runs take", "[integration][.slow]") {
  const std::vector<std::vector<std::string>> configs = {
      {"model.layers=6", "model.width=384", "model.heads=6", "model.context=256", "train.batch=8",
       "precision.recipe=fp8"},
      {"model.layers=4", "model.width=256", "model.heads=4", "model.context=512", "train.batch=8",
       "precision.recipe=fp32", "metrics.gradient_error_every=0", "metrics.attention_every=0",
       "metrics.tensors_every=0"},
      {"model.kind=llama", "model.layers=4", "model.width=512", "model.heads=8", "model.kv_heads=2",
       "model.context=256", "train.batch=8", "precision.recipe=mxfp8"},
      {"model.layers=2", "model.width=768", "model.heads=12", "model.context=128", "train.batch=4", "data.source=text",
       "model.bias=true", "precision.recipe=bf16", "optimizer.kind=lion"}};
  Workplace place;
  write_text(place.path("text"), std::string(20000, 'a'));
  write_text(place.path("empty.toml"), "[train]\nsteps = 2\neval_batches = 1\n[data]\ntokens = 20000\n");
  for (std::size_t i = 0; i < configs.size(); ++i) {
    std::vector<std::string> words = with({"train", place.path("empty.toml")}, configs[i]);
    if (i == 3) words.push_back("data.path=" + place.path("text"));
    const ProgramResult plan = place.run(with(words, {"--dry-run", "--out", place.path("plan")}));
    CAPTURE(i, configs[i], plan.out, plan.err);
    REQUIRE(plan.exit_code == 0);
    const double measured = measured_bytes(with(words, {"--quiet", "--out", place.path("run" + std::to_string(i))}));
    CAPTURE(planned_bytes(plan.out), measured);
    CHECK(std::abs(planned_bytes(plan.out) / measured - 1) < 0.15);
  }
}

TEST_CASE("a run that needs more memory than the machine has is refused before it begins, with what would fit",
          "[integration]") {
  Workplace place;
  const std::vector<std::string> train = {"train", place.config(), "--out", place.path("run")};
  const ProgramResult refused = place.run(with(train, {"model.context=400", "train.batch=600000"}));
  CAPTURE(refused.out, refused.err);
  CHECK(refused.exit_code == kNotEnoughMemory);
  CHECK(contains(refused.err, "error: not enough memory: the run needs about "));
  CHECK(contains(refused.err, "model.context = 400 (up to "));
  CHECK(contains(refused.err, "train.batch = 600000 (up to "));
  CHECK(count_lines(refused.err) == 1);
  CHECK_FALSE(fs::exists(place.path("run")));

  // A width of which not one head fits: nothing of the model is made.
  const ProgramResult wide = place.run(with(train, {"model.width=65536", "model.layers=512"}));
  CHECK(wide.exit_code == kNotEnoughMemory);
  CHECK(contains(wide.err, "model.width = 65536"));

  const ProgramResult sweep = place.run(
      {"sweep", place.config(), "model.context=400", "train.batch=600000", "seed=0,1", "--out", place.path("s")});
  CHECK(sweep.exit_code == kNotEnoughMemory);
  CHECK(contains(sweep.err, "train.batch = 600000 (up to "));
  CHECK_FALSE(fs::exists(place.path("s")));

  // The plan says the same, after all that it knows.
  const ProgramResult plan = place.run(with(train, {"model.context=400", "train.batch=600000", "--dry-run"}));
  CHECK(plan.exit_code == kNotEnoughMemory);
  CHECK(contains(plan.out, "memory      about "));
  CHECK(contains(plan.err, "not enough memory"));
}

TEST_CASE("too many jobs at once are refused by their number, and as many as fit are chosen without one",
          "[integration]") {
  Workplace place;
  // One run is a tenth of the machine or more: thirty at once are not to be had.
  const double pages = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  const double of_10000 = planned_bytes(
      place.run({"train", place.config(), "train.batch=10000", "--dry-run", "--out", place.path("run")}).out);
  const auto batch = static_cast<std::int64_t>(std::min(1e6, 10000 * pages / 10 / of_10000));
  const std::vector<std::string> sweep = {
      "sweep",         place.config(), "train.batch=" + std::to_string(batch), "seed=range(0,30)", "--out",
      place.path("s"), "--dry-run"};
  const ProgramResult refused = place.run(with(sweep, {"--jobs", "30"}));
  CAPTURE(refused.out, refused.err);
  if (contains(refused.err, "run ")) {
    WARN("skipped: a tenth of this machine's memory is not free");
    return;
  }
  CHECK(refused.exit_code == kNotEnoughMemory);
  CHECK(contains(refused.err, "not enough memory: 30 jobs at once need about "));
  CHECK(contains(refused.err, "too large: --jobs 30 (up to "));
  CHECK(place.run(sweep).exit_code == 0);
}

TEST_CASE("memory that runs out later ends a run with a word and a code of its own", "[integration]") {
  Workplace place;
  // The limit is of addresses, of which no plan knows; the data alone asks for more.
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_AS, &before) == 0);
  const rlimit tight{rlim_t{3} << 30, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_AS, &tight) == 0);
  RunningProgram program(place.dir.path(),
                         {"train", place.config(), "data.tokens=2000000000", "--out", place.path("run")});
  REQUIRE(setrlimit(RLIMIT_AS, &before) == 0);
  const ProgramResult result = program.wait();
  CAPTURE(result.out, result.err);
  if (contains(result.err, "not enough memory:")) {
    WARN("skipped: 4 GB of this machine's memory are not free");
    return;
  }
  CHECK(result.exit_code == kNotEnoughMemory);
  CHECK(contains(result.err, "error: out of memory"));
  CHECK_FALSE(contains(result.err, "bad_alloc"));
}

TEST_CASE("a plan needs a vocabulary and no data, and no device but the one that trains", "[integration]") {
  Workplace place;
  const std::vector<std::string> train = {"train",
                                          place.config(),
                                          "data.source=tokens",
                                          "data.path=" + place.path("not-there.bin"),
                                          "data.vocabulary=512",
                                          "--out",
                                          place.path("run")};
  const ProgramResult plan = place.run(with(train, {"--dry-run"}));
  CAPTURE(plan.out, plan.err);
  REQUIRE(plan.exit_code == 0);
  CHECK(contains(plan.out, "not-there.bin is not there yet; planned for a vocabulary of 512"));
  // 512 rows of the embedding in place of 64.
  CHECK(contains(plan.out, std::to_string(4400 + (512 - 64) * 16) + " parameters"));
  CHECK(place.run(train).exit_code == 4);

  write_text(place.path("not-there.bin"), "odd");
  CHECK(place.run(with(train, {"--dry-run"})).exit_code == 4);
  for (const char* command : {"train", "sweep"}) {
    const ProgramResult cuda =
        place.run({command, place.config(), "device=cuda", "--dry-run", "--out", place.path("cuda")});
    CHECK(cuda.exit_code == 2);
    CHECK(contains(cuda.err, "device = cuda"));
  }
}

TEST_CASE("a plan of GPT-2 answers at once and ends within its time", "[integration][.slow]") {
  Workplace place;
  ProgramResult plan;
  const double seconds = seconds_of([&] {
    plan = place.run({"train", place.config(), "model.layers=12", "model.width=768", "model.heads=12",
                      "model.context=1024", "model.bias=true", "train.batch=16", "data.source=tokens",
                      "data.path=" + place.path("none"), "data.vocabulary=50257", "--dry-run", "--out",
                      place.path("run")});
  });
  CAPTURE(plan.out, plan.err);
  CHECK((plan.exit_code == 0 || plan.exit_code == kNotEnoughMemory));
  CHECK(contains(plan.out, "124439808 parameters"));
  CHECK(planned_bytes(plan.out) > 20e9);
  CHECK(contains(plan.out, "time        "));
  CHECK(seconds < 20);  // ten, on a machine that does nothing else
}

TEST_CASE("a long table of runs is folded, after the summary, and shown whole when asked for", "[integration]") {
  Workplace place;
  const std::vector<std::string> sweep = {"sweep",     place.config(), "seed=range(0,100)",
                                          "--dry-run", "--out",        place.path("s")};
  const ProgramResult folded = place.run(sweep), whole = place.run(with(sweep, {"--all-runs"}));
  CAPTURE(folded.out);
  REQUIRE(folded.exit_code == 0);
  CHECK(folded.out.starts_with("runs        100, 100 to go, 2000 steps\n"));
  CHECK(folded.out.ends_with("... and 60 more runs; --all-runs shows them\n"));
  CHECK(count_lines(whole.out) == count_lines(folded.out) + 60 - 1);
  CHECK(folded.out.find("memory      ") < folded.out.find("\nid "));
}

TEST_CASE("the times on a plan are one measurement", "[integration]") {
  Workplace place;
  const ProgramResult plan =
      place.run({"sweep", place.config(), "seed=range(0,4)", "--jobs", "1", "--dry-run", "--out", place.path("s")});
  CAPTURE(plan.out);
  REQUIRE(plan.exit_code == 0);
  const auto after = [&](const std::string& words) {
    const std::size_t at = plan.out.find(words);
    REQUIRE(at != std::string::npos);
    const std::size_t begin = at + words.size();
    return plan.out.substr(begin, plan.out.find_first_of(" ;\n", begin) - begin);
  };
  CHECK(after("time        about ") == after("--jobs 1 with threads=1: about "));
}

TEST_CASE("512 layers train with histograms of all of them, and without", "[integration]") {
  Workplace place;
  const std::vector<std::string> deep = {"model.layers=512",
                                         "model.width=2",
                                         "model.context=2",
                                         "train.batch=1",
                                         "train.steps=1",
                                         "train.eval_every=0",
                                         "data.tokens=100",
                                         "data.vocabulary=4",
                                         "metrics.tensors_every=0",
                                         "metrics.attention_every=0",
                                         "metrics.critical_every=0",
                                         "metrics.sam_every=0",
                                         "metrics.noise_every=0",
                                         "metrics.gradient_error_every=0"};
  const ProgramResult without = place.run(with({"train", place.config(), "--quiet", "--out", place.path("off")}, deep));
  CAPTURE(without.err);
  CHECK(without.exit_code == 0);
  const ProgramResult result =
      place.run(with(with({"train", place.config()}, deep),
                     {"model.kind=llama", "metrics.histograms_every=1", "--out", place.path("histograms")}));
  CAPTURE(result.err);
  CHECK(result.exit_code == 0);
  CHECK(place.run({"verify", place.path("histograms")}).exit_code == 0);
}

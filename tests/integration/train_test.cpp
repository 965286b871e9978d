// SPDX-License-Identifier: Apache-2.0
// precipice train end to end: files, repetition, divergence, interruption and resumption with equal bytes.
#include <bit>
#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>
#include <random>

#include "metrics/hdf5/hdf5_file.h"
#include "metrics/log/journal.h"
#include "metrics/log/status_file.h"
#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

using namespace precipice;
namespace fs = std::filesystem;

namespace {

// Long enough to be hit in the middle.
std::vector<std::string> long_train_run(const Workplace& place, const std::string& out) {
  return {"train", place.config(), "train.steps=300", "train.checkpoint_every=40", "--out", place.path(out), "--quiet"};
}

RunStatus run_status_of(const Workplace& place, const std::string& run) {
  return read_status(fs::path(place.path(run)) / kStatusFileName).value();
}

}  // namespace

TEST_CASE("train leaves every file of a run, and repeating it changes none", "[integration]") {
  Workplace place;
  const std::string run = place.path("run");
  const ProgramResult first = place.run({"train", place.config(), "seed=3", "--out", run});
  CAPTURE(first.err);
  REQUIRE(first.exit_code == 0);
  CHECK(contains(first.out, "step 1/20  loss "));
  CHECK(contains(first.out, "run: " + run + "  untrained (final loss "));
  for (const char* name : {"config.toml", "metrics.jnl", "run.h5", "status.json", "log.txt", "ckpt/step_00000020.ckpt"})
    CHECK(fs::is_regular_file(fs::path(run) / name));
  CHECK(contains(text_of(fs::path(run) / "config.toml"), "seed = 3\n"));
  CHECK(run_status_of(place, "run").state == RunState::Untrained);  // twenty steps teach it nothing

  const auto before = snapshot(run);
  const auto written = fs::last_write_time(fs::path(run) / "run.h5");
  const ProgramResult again = place.run({"train", place.config(), "seed=3", "--out", run});
  CHECK(again.exit_code == 0);
  CHECK(snapshot(run) == before);
  CHECK(fs::last_write_time(fs::path(run) / "run.h5") == written);
}

TEST_CASE("a run that learns nothing is untrained, in every place that names its state", "[integration]") {
  Workplace place;
  const std::string run = place.path("run");
  const ProgramResult result = place.run({"train", place.config(), "optimizer.lr=1e-9", "--out", run, "--quiet"});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(contains(result.out, "  untrained (final loss "));
  CHECK(contains(result.out, " is not below the unigram entropy "));
  const RunStatus status = run_status_of(place, "run");
  CHECK(status.state == RunState::Untrained);
  const Hdf5Reader file(fs::path(run) / "run.h5");
  CHECK(file.attribute_text("/", "status") == "untrained");
  CHECK(file.has_attribute("/", "unigram_floor"));
  CHECK(status.unigram_floor < std::log(64));  // the vocabulary of the tiny config
  CHECK(status.unigram_floor > 2.5);
  CHECK(file.read_doubles("/eval/validation_loss").back() >= status.unigram_floor);
  CHECK(contains(place.run({"status", run}).out, "1 run: 1 untrained"));
  CHECK(contains(place.run({"label", run}).out, "divergence: 0 yes, 1 no (of them 1 untrained), 0 undecided"));
  CHECK(contains(place.run({"label", run, "--rule", "untrained"}).out, "untrained: 1 yes, 0 no, 0 undecided"));
  const auto before = snapshot(run);
  CHECK(place.run({"train", place.config(), "optimizer.lr=1e-9", "--out", run, "--quiet"}).exit_code == 0);
  CHECK(snapshot(run) == before);
}

TEST_CASE("a run whose loss scale skips every step says so, and keeps count over a resumption", "[integration]") {
  Workplace place;
  std::vector<std::string> words{"train",
                                 place.config(),
                                 "precision.recipe=fp16-o1",  // gradients of 1e30 overflow
                                 "loss_scale.kind=dynamic",
                                 "loss_scale.initial=1e30",
                                 "loss_scale.minimum=1e30",
                                 "loss_scale.maximum=1e30",
                                 "train.steps=60",
                                 "train.checkpoint_every=20",
                                 "--quiet",
                                 "--out",
                                 place.path("run")};
  const ProgramResult result = place.run(words);
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(contains(result.out, "  skipped 60 of 60 steps  step 60/60  loss "));
  CHECK(run_status_of(place, "run").state == RunState::Skipped);
  CHECK(run_status_of(place, "run").skipped_steps == 60);
  CHECK(Hdf5Reader(fs::path(place.path("run")) / "run.h5").has_attribute("/", "skipped_steps"));
  CHECK(contains(place.run({"status", place.path("run")}).out, "skipped 60 of 60 steps"));
  CHECK(contains(place.run({"label", place.path("run")}).out, "skipped 60 of 60 steps"));
  // As a kill after the last step's checkpoint would leave it: the count comes from the journal.
  const std::string bytes = text_of(place.path("run/run.h5"));
  fs::remove(place.path("run/status.json"));
  REQUIRE(place.run(words).exit_code == 0);
  CHECK(run_status_of(place, "run").skipped_steps == 60);
  CHECK(text_of(place.path("run/run.h5")) == bytes);
}

TEST_CASE("two runs of one config give equal bytes, also with standard output and error closed", "[integration]") {
  Workplace place;
  REQUIRE(place.run({"train", place.config(), "--out", place.path("a")}).exit_code == 0);
  const std::string command =
      program_path() + " train " + place.config() + " --out " + place.path("b") + " 0>&- 1>&- 2>&-";
  REQUIRE(std::system(command.c_str()) == 0);
  CHECK(text_of(place.path("a/run.h5")) == text_of(place.path("b/run.h5")));
  CHECK(text_of(place.path("a/metrics.jnl")) == text_of(place.path("b/metrics.jnl")));
}

TEST_CASE("a forced instruction set changes no bit of a run's series and weights", "[integration]") {
  Workplace place;
  const auto train = [&](const std::string& isa, const std::string& recipe) {
    const std::string out = place.path(isa + "." + recipe),
                      command = "PRECIPICE_ISA=" + isa + " " + program_path() + " train " + place.config() +
                                " 'precision.recipe=" + recipe + "' --out '" + out + "' --quiet > '" +
                                place.path("log") + "' 2>&1";
    return std::pair(std::system(command.c_str()) == 0, out);
  };
  // Matmuls are the library's and do not follow the variable.
  for (const std::string recipe : {"fp8", "te-current:dy_rounding=sr", "mxfp8"}) {
    const auto [ran, generic] = train("generic", recipe);
    REQUIRE(ran);
    for (const char* isa : {"avx2", "avx512"}) {
      const auto [has, out] = train(isa, recipe);
      if (!has) {
        // Only because this CPU lacks it.
        CHECK(contains(text_of(place.path("log")), "PRECIPICE_ISA"));
        continue;
      }
      INFO(recipe << " on " << isa);
      CHECK(text_of(out + "/metrics.jnl") == text_of(generic + "/metrics.jnl"));
      CHECK(text_of(out + "/ckpt/step_00000020.ckpt") == text_of(generic + "/ckpt/step_00000020.ckpt"));
    }
  }
}

#if defined(__x86_64__)
// `precipice train`, its matmuls as on a CPU without AVX-512; its exit code.
int train_on_avx2(const Workplace& place, const std::string& arguments, const std::string& out) {
  const std::string command = "DNNL_MAX_CPU_ISA=AVX2 " + program_path() + " train " + place.config() + " " + arguments +
                              " --out '" + place.path(out) + "' --quiet > '" + place.path("log") + "' 2>&1";
  return WEXITSTATUS(std::system(command.c_str()));
}

std::vector<std::uint64_t> bits_of_series(const std::string& run) {
  std::vector<std::uint64_t> bits;
  for (const SeriesRow& row : read_journal(run + "/" + kJournalFileName).series.rows)
    for (const double value : row.values) bits.push_back(std::bit_cast<std::uint64_t>(value));
  return bits;
}

TEST_CASE("bf16 products asked for by name on a CPU without AVX-512 are one line of error", "[integration]") {
  Workplace place;
  CHECK(train_on_avx2(place, "precision.recipe=bf16 precision.carrier=auto", "auto") == 0);
  CHECK(train_on_avx2(place, "precision.recipe=bf16 precision.carrier=bf16", "bf16") == 2);
  CHECK(contains(text_of(place.path("log")), "precision.carrier"));
  CHECK(contains(text_of(place.path("log")), "needs a CPU with AVX-512"));
}

TEST_CASE("matmuls without AVX-512 have the same bits on one thread and on two", "[integration]") {
  Workplace place;
  for (const std::string recipe : {"fp32", "fp8"}) {
    INFO(recipe);
    const std::string wide = "model.width=64 model.context=64 train.batch=8 train.steps=3 precision.recipe=" + recipe;
    const std::string one = recipe + "1", two = recipe + "2";
    REQUIRE(train_on_avx2(place, wide + " threads=1", one) == 0);
    REQUIRE(train_on_avx2(place, wide + " threads=2", two) == 0);
    CHECK(bits_of_series(place.path(one)) == bits_of_series(place.path(two)));
  }
}
#endif

TEST_CASE("divergence is a result: exit code 0, state, step and reason", "[integration]") {
  Workplace place;
  const ProgramResult result = place.run({"train", place.config(), "optimizer.lr=1e30", "--out", place.path("run")});
  CAPTURE(result.err);
  CHECK(result.exit_code == 0);
  CHECK(contains(result.out, "diverged at step "));
  const RunStatus status = run_status_of(place, "run");
  CHECK(status.state == RunState::Diverged);
  CHECK(status.divergence_step >= 0);
  CHECK(status.reason == "non-finite loss");
  CHECK(place.run({"verify", place.path("run")}).exit_code == 0);
}

TEST_CASE("runs killed at random moments resume to the bytes of an undisturbed run", "[integration]") {
  Workplace place;
  REQUIRE(place.run(long_train_run(place, "whole")).exit_code == 0);
  const auto whole_journal = fs::file_size(place.path("whole/metrics.jnl"));
  std::mt19937 random(5);
  for (int kills = 0; kills < 3; ++kills) {
    RunningProgram program(place.dir.path(), long_train_run(place, "killed"));
    REQUIRE(wait_for_size(place.path("killed/metrics.jnl"), whole_journal * (20 + random() % 60) / 100));
    program.send(SIGKILL);
    CHECK(program.wait().exit_code == 128 + SIGKILL);
    const ProgramResult status = place.run({"status", place.path("killed"), "--json"});
    CHECK(nlohmann::json::parse(status.out)["runs"][0]["state"] == "stale");
    CHECK(place.run({"verify", place.path("killed")}).exit_code == 0);
  }
  REQUIRE(place.run(long_train_run(place, "killed")).exit_code == 0);
  CHECK(text_of(place.path("killed/run.h5")) == text_of(place.path("whole/run.h5")));
  CHECK(text_of(place.path("killed/metrics.jnl")) == text_of(place.path("whole/metrics.jnl")));
  CHECK(contains(text_of(place.path("killed/log.txt")), "resumed at step "));
}

TEST_CASE("a stop signal leaves a checkpoint, and the resumed run ends with the same bytes", "[integration]") {
  Workplace place;
  REQUIRE(place.run(long_train_run(place, "whole")).exit_code == 0);
  for (const auto& [signal, code] : {std::pair{SIGTERM, 143}, {SIGINT, 130}, {SIGUSR2, 7}}) {
    const std::string run = "stopped" + std::to_string(signal);
    RunningProgram program(place.dir.path(), long_train_run(place, run));
    REQUIRE(wait_for_size(place.path(run + "/metrics.jnl"), fs::file_size(place.path("whole/metrics.jnl")) / 5));
    program.send(signal);
    const ProgramResult result = program.wait();
    CHECK(result.exit_code == code);
    CHECK(contains(result.out, "interrupted"));
    CHECK(run_status_of(place, run).state == RunState::Interrupted);
    // The run's directory says all that its resumption needs.
    REQUIRE(place
                .run(signal == SIGINT ? std::vector<std::string>{"train", place.path(run), "--quiet"}
                                      : long_train_run(place, run))
                .exit_code == 0);
    CHECK(text_of(place.path(run + "/run.h5")) == text_of(place.path("whole/run.h5")));
  }
}

TEST_CASE("a dry run prints a config that reads back, with estimates, and writes nothing", "[integration]") {
  Workplace place;
  const ProgramResult plan = place.run({"train", place.config(), "seed=8", "--dry-run", "--out", place.path("run")});
  REQUIRE(plan.exit_code == 0);
  CHECK_FALSE(fs::exists(place.path("run")));
  CHECK(contains(plan.out, "4400 parameters, 20 steps"));
  CHECK(contains(plan.out, "#   products on this CPU\n#     attn.qkv "));
  write_text(place.path("printed.toml"), plan.out);
  REQUIRE(place.run({"train", place.path("printed.toml"), "--out", place.path("a")}).exit_code == 0);
  REQUIRE(place.run({"train", place.config(), "seed=8", "--out", place.path("b")}).exit_code == 0);
  CHECK(text_of(place.path("a/run.h5")) == text_of(place.path("b/run.h5")));
}

TEST_CASE("weights and batches that leave the program come back as the same training", "[integration]") {
  Workplace place;
  REQUIRE(place.run({"train", place.config(), "--out", place.path("run")}).exit_code == 0);
  const auto exported = place.run({"export", place.path("run"), "--step", "0", "--out", place.path("initial.h5")});
  CAPTURE(exported.err);
  REQUIRE(exported.exit_code == 0);
  CHECK(place.run({"export", place.path("run"), "--out", place.path("final.h5")}).exit_code == 0);
  CHECK(text_of(place.path("initial.h5")) != text_of(place.path("final.h5")));
  CHECK(place.run({"export", place.path("run"), "--out", place.path("final.h5")}).exit_code == 2);
  CHECK(place.run({"export", place.path("run"), "--out", place.path("final.h5"), "--force"}).exit_code == 0);
  CHECK(place.run({"export", place.path("run"), "--step", "7", "--out", place.path("x.h5")}).exit_code == 2);
  REQUIRE(place.run({"batches", place.config(), "--steps", "20", "--out", place.path("batches.h5")}).exit_code == 0);

  const ProgramResult result =
      place.run({"train", place.config(), "init.from=" + place.path("initial.h5"), "data.source=batches",
                 "data.path=" + place.path("batches.h5"), "train.eval_every=0", "--out", place.path("again")});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(run_status_of(place, "again").final_loss == run_status_of(place, "run").final_loss);
}

// SPDX-License-Identifier: Apache-2.0
// Files that change under a run: what it began with is recorded, and everything that reads them later compares.
#include "train/run/run_inputs.h"

#include "metrics/files/directory.h"
#include "metrics/files/files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "metrics/log/run_file.h"
#include "tests/support/catch.h"
#include "tests/support/made_run.h"
#include "tests/train/data/data_support.h"
#include "train/analysis/run_evaluator.h"
#include "train/model/weights_file.h"
#include "train/run/checkpoint.h"

using namespace precipice;
using namespace precipice::test;

namespace {

std::string words(char first, int count = 4000) {
  std::string text;
  for (int i = 0; i < count; ++i) text += static_cast<char>(first + i * i % 7);
  return text;
}

struct TextRun {
  explicit TextRun(const std::vector<std::string>& more = {}) {
    write_bytes(corpus(), words('a'));
    std::vector<std::string> assignments{"data.source=text", "data.path=" + corpus().string()};
    assignments.insert(assignments.end(), more.begin(), more.end());
    config = tiny_config(assignments);
  }
  std::filesystem::path corpus() const { return dir / "corpus.txt"; }
  std::filesystem::path run() const { return dir / "run"; }
  RunStatus train(const std::atomic<bool>* stop = nullptr) const {
    return execute_run({config, run(), "test", stop, {}});
  }
  // Three steps and a checkpoint.
  void interrupt() const {
    std::atomic<bool> stop = false;
    RunRequest request{config, run(), "test", &stop, {}};
    request.progress = [&](const RunProgress& progress) { stop = progress.step == 3; };
    REQUIRE(execute_run(request).state == RunState::Interrupted);
  }
  TemporaryDirectory dir;
  RunConfig config;
};

std::vector<std::string> both_hashes(const std::string& before, const std::string& now) {
  return {"SHA-256 " + sha256_hex(before) + " then, " + sha256_hex(now) + " now", "put the old file back"};
}

}  // namespace

TEST_CASE("a run whose data changed is refused with both hashes, and goes on with the old file", "[inputs]") {
  const TextRun place;
  place.interrupt();
  CHECK((read_inputs_file(place.run()) ==
         std::vector<RunInput>{{"data.path", place.corpus().string(), sha256_hex(words('a'))}}));
  write_bytes(place.corpus(), words('k'));
  const std::string journal = text_of(place.run() / "metrics.jnl");
  const std::string error = data_error([&] { place.train(); });
  CHECK(has_parts(error, both_hashes(words('a'), words('k'))));
  CHECK(has_parts(error, {"data.path = " + place.corpus().string(), place.run().string()}));
  CHECK(text_of(place.run() / "metrics.jnl") == journal);
  CHECK(has_parts(data_error([&] { RunEvaluator({place.run(), "", {}, 0}); }), both_hashes(words('a'), words('k'))));

  write_bytes(place.corpus(), words('a'));
  CHECK(place.train().state == RunState::Untrained);
  CHECK(Hdf5Reader(place.run() / kRunFileName).attribute_text("/", "data_sha256") == sha256_hex(words('a')));
  write_bytes(place.corpus(), words('k'));
  CHECK(has_parts(data_error([&] { place.train(); }), both_hashes(words('a'), words('k'))));  // finished as it is
  std::filesystem::remove(place.corpus());
  CHECK(place.train().state == RunState::Untrained);
}

TEST_CASE("initial weights that changed are refused wherever they would be read again", "[inputs]") {
  const MadeRun source({"train.steps=0"}), other({"train.steps=0", "init.seed=9"});
  const auto weights_of = [](const MadeRun& run) {
    return checkpoint_parameters(read_checkpoint(checkpoint_path(run.path() / "ckpt", 0), run_id(run.config)));
  };
  const TemporaryDirectory dir;
  const std::filesystem::path weights = dir / "weights.h5";
  write_weights(weights, weights_of(source));
  const std::string before = text_of(weights);
  const MadeRun run({"init.from=" + weights.string(), "train.steps=3"});
  CHECK(Hdf5Reader(run.path() / kRunFileName).attribute_text("/", "init_sha256") == sha256_hex(before));
  write_weights(weights, weights_of(other));
  const std::string now = text_of(weights);
  CHECK(has_parts(data_error([&] {
                    execute_run({run.config, run.path(), "test", nullptr, {}});
                  }),
                  both_hashes(before, now)));
  CHECK(has_parts(data_error([&] { check_input(run.path(), run.config, kInitInput); }),
                  {"init.from = " + weights.string()}));
  CHECK_NOTHROW(check_input(run.path(), run.config, kDataInput));
  RunEvaluator evaluator({run.path(), "", {}, 0});
  evaluator.load(3);  // the checkpoint has the weights
  CHECK(has_parts(data_error([&] { evaluator.load(0); }), both_hashes(before, now)));
}

TEST_CASE("a run begun without a record is compared with its run.h5, or goes on unchecked", "[inputs]") {
  const TextRun place;
  place.interrupt();
  std::filesystem::remove(place.run() / kInputsFileName);
  CHECK((recorded_inputs(place.run()) ==
         std::vector<RunInput>{{"data.path", place.corpus().string(), sha256_hex(words('a'))}}));
  write_bytes(place.corpus(), words('k'));
  CHECK(has_parts(data_error([&] { place.train(); }), both_hashes(words('a'), words('k'))));
  std::filesystem::remove(place.run() / kRunFileName);
  CHECK(recorded_inputs(place.run()).empty());
  CHECK_FALSE(claim_inputs(Directory(place.run()), {{"data.path", "x", sha256_hex("x")}}));
  CHECK_FALSE(std::filesystem::exists(place.run() / kInputsFileName));
}

TEST_CASE("a run that names no file keeps no record, and a damaged record is refused by name", "[inputs]") {
  const MadeRun run({"train.steps=2"});
  CHECK_FALSE(std::filesystem::exists(run.path() / kInputsFileName));
  for (const char* text : {"", "{", "{\"inputs\": [{\"key\": \"data.path\", \"path\": \"x\", \"sha256\": \"12\"}]}",
                           "{\"inputs\": [{\"key\": 1}]}", "[]"}) {
    write_bytes(run.path() / kInputsFileName, text);
    CHECK(has_parts(data_error([&] { recorded_inputs(run.path()); }), {"inputs.json: damaged record"}));
  }
}

// SPDX-License-Identifier: Apache-2.0
// precipice sharpness, landscape and bisect from the command line: output, exit codes, one line for what is wrong.
#include <algorithm>
#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>

#include "metrics/hdf5/hdf5_file.h"
#include "metrics/log/journal.h"
#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

using namespace precipice;
using Json = nlohmann::json;

namespace {

struct TrainedPlace : Workplace {
  explicit TrainedPlace(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"train", config(), "--out", path("run"), "--quiet"};
    words.insert(words.end(), more.begin(), more.end());
    REQUIRE(run(words).exit_code == 0);
  }
  std::string run_path() const { return path("run"); }
};

std::string refusal(const ProgramResult& result) {
  CHECK(count_lines(result.err) == 1);
  CHECK(result.out.empty());
  return result.err;
}

}  // namespace

TEST_CASE("sharpness measures every kind at every checkpoint and changes no file of the run", "[integration]") {
  const TrainedPlace place({"train.checkpoint_every=10"});
  const auto before = snapshot(place.run_path());
  const ProgramResult result = place.run({"sharpness", place.run_path(), "--checkpoint", "all", "--kind", "all",
                                          "--batches", "1", "--top", "2", "--json"});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  const Json all = Json::parse(result.out);
  REQUIRE(all.size() == 3);
  for (const Json& one : all) {
    CHECK(one["hessian"]["eigenvalues"].size() == 2);
    CHECK(one["hessian"]["method"] == "double backward");
    CHECK(one["ggn"]["smallest"].get<double>() > -1e-3 * one["ggn"]["eigenvalues"][0].get<double>());
    CHECK(one["trace"]["standard_error"].get<double>() > 0);
    CHECK(one["density"]["values"].size() == one["density"]["density"].size());
    CHECK(one["sam"]["rise"].get<double>() > 0);
    CHECK(one["keskar"].size() == 2);
    CHECK(one["keskar"][0]["sharpness"].get<double>() > 0);
    CHECK(one["logit"][0]["epsilon"] == 1e-3);
  }
  CHECK(all[0]["step"] == 0);
  CHECK(all[2]["step"] == 20);
  CHECK(snapshot(place.run_path()) == before);

  const ProgramResult text =
      place.run({"sharpness", place.run_path(), "--kind", "hessian,sam", "--method", "differences", "--recipe", "fp8"});
  REQUIRE(text.exit_code == 0);
  CHECK(contains(text.out, "step 20, fp8: loss "));
  CHECK(contains(text.out, "(central differences, fp8, step 0.1)"));
}

TEST_CASE("sharpness of given tokens needs no data, and logits of standard input need no run", "[integration]") {
  const TrainedPlace place;
  std::vector<std::int32_t> tokens;
  for (std::int32_t i = 0; i < 2 * 17; ++i) tokens.push_back(i % 24);
  write_text(place.path("tokens.i32"), std::string(reinterpret_cast<const char*>(tokens.data()), 4 * tokens.size()));
  const ProgramResult given = place.run(
      {"sharpness", place.run_path(), "--tokens", place.path("tokens.i32"), "--batch", "2", "--kind", "sam", "--json"});
  CAPTURE(given.err);
  REQUIRE(given.exit_code == 0);
  const Json json = Json::parse(given.out);
  CHECK(json["batches"] == 1);
  CHECK(json["sequences"] == 2);
  CHECK(std::isfinite(json["loss"].get<double>()));

  write_text(place.path("in.json"), R"([{"logits": [1.0, 2.0, 0.5], "target": 1, "eps": 0.001}, {"logits": [NaN, 1],
    "target": 0, "eps": 0.001}])");
  const std::string command =
      program_path() + " sharpness --logits --json --lbfgs < " + place.path("in.json") + " > " + place.path("out.json");
  REQUIRE(std::system(command.c_str()) == 0);
  const Json answers = Json::parse(text_of(place.path("out.json")));
  REQUIRE(answers.size() == 2);
  CHECK(answers[0]["loss"].get<double>() ==
        Approx(std::log(std::exp(-1) + 1 + std::exp(-1.5))).epsilon(1e-14));  // of doubles near 1
  CHECK(answers[0]["lbfgs"]["fraction"].get<double>() > 0);
  CHECK(answers[1]["loss"].is_null());
  CHECK(answers[1]["lbfgs"]["rise"].is_null());
}

TEST_CASE("keskar and the L-BFGS logit sharpness take a random subspace, which the seed chooses", "[integration]") {
  const TrainedPlace place;
  const auto measure = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {"sharpness", place.run_path(), "--kind", "keskar,logit", "--lbfgs", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const ProgramResult result = place.run(words);
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    return Json::parse(result.out);
  };
  const Json whole = measure({}), one = measure({"--subspace", "10"}), same = measure({"--subspace", "10"}),
             other = measure({"--subspace", "10", "--seed", "1"});
  CHECK(one == same);
  CHECK(one["keskar"][0]["sharpness"] != other["keskar"][0]["sharpness"]);
  CHECK(one["keskar"][0]["subspace"] == 10);
  CHECK(one["keskar"][0]["sharpness"].get<double>() > 0);
  CHECK_FALSE(whole["keskar"][0].contains("subspace"));
  const Json& found = whole["logit"][0];
  CHECK(found["lbfgs"]["fraction"].get<double>() ==
        Approx(found["lbfgs"]["last_token"].get<double>() / found["last_token"].get<double>()).epsilon(1e-12));
  CHECK(one["logit"][0]["lbfgs"]["fraction"].is_null());
  CHECK(one["logit"][0]["last_token"] == found["last_token"]);  // the exact one knows no subspace
  const ProgramResult large =
      place.run({"sharpness", place.run_path(), "--kind", "logit", "--lbfgs", "--subspace", "9999"});
  CHECK(large.exit_code == 2);
  CHECK(contains(large.err, "--subspace = 9999: the vocabulary has"));
}

TEST_CASE("a diverged run has null where nothing is defined, and a reason", "[integration]") {
  const TrainedPlace place({"optimizer.lr=1e30"});
  const ProgramResult result = place.run({"sharpness", place.run_path(), "--kind", "all", "--json"});
  REQUIRE(result.exit_code == 0);
  const Json json = Json::parse(result.out);
  CHECK(json["loss"].is_null());
  CHECK(json["hessian"].is_null());
  CHECK(json["reason"] == "the weights are not finite: transformer.wte.weight");
  CHECK(contains(place.run({"sharpness", place.run_path()}).out, "hessian: undefined"));
}

TEST_CASE("landscape writes the tool's keys, goes on with its file, and says what it did", "[integration]") {
  const TrainedPlace place;
  const std::vector<std::string> words = {"landscape", place.run_path(), "--grid",           "3x5",    "--jobs",
                                          "2",         "--out",          place.path("l.h5"), "--quiet"};
  const ProgramResult result = place.run(words);
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(contains(result.out, "l.h5: 15 points, 15 computed now, loss "));
  const Hdf5Reader file(place.path("l.h5"));
  CHECK(file.shape("/train_loss") == std::vector<std::uint64_t>{5, 3});
  double eval = 0;
  for (const SeriesRow& row : read_journal(place.path("run/metrics.jnl")).series.rows)
    if (row.group == 1 && row.step == 20) eval = row.values[0];
  CHECK(file.read_doubles("/train_loss")[2 * 3 + 1] == eval);
  const std::string bytes = text_of(place.path("l.h5"));
  CHECK(contains(place.run(words).out, "15 points, 0 computed now"));
  CHECK(text_of(place.path("l.h5")) == bytes);
  CHECK(place.run({"landscape", place.run_path(), "--grid", "1x1", "--out", place.path("one.h5")}).exit_code == 0);
}

TEST_CASE("an interrupted landscape leaves a file that it goes on with to the same bytes", "[integration]") {
  const TrainedPlace place;
  const auto words = [&](const std::string& out) {
    return std::vector<std::string>{"landscape", place.run_path(), "--grid",       "50x50",
                                    "--quiet",   "--out",          place.path(out)};
  };
  RunningProgram cut(place.dir.path(), words("cut.h5"));
  REQUIRE(wait_for_size(place.path("cut.h5"), 1));
  cut.send(SIGTERM);
  REQUIRE(cut.wait().exit_code == 143);
  const std::vector<double> losses = Hdf5Reader(place.path("cut.h5")).read_doubles("/train_loss");
  CHECK(std::count(losses.begin(), losses.end(), -1.0) > 0);
  REQUIRE(place.run(words("cut.h5")).exit_code == 0);
  REQUIRE(place.run(words("straight.h5")).exit_code == 0);
  CHECK(text_of(place.path("cut.h5")) == text_of(place.path("straight.h5")));
}

TEST_CASE("bisect names a planted culprit", "[integration]") {
  const TrainedPlace place(
      {"precision.recipe=fp32", "precision.rules=attn.proj operand=x -> format=e5m2:bias=45 overflow=native"});
  const ProgramResult result = place.run({"bisect", place.run_path(), "--from", "0", "--json"});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  const Json json = Json::parse(result.out);
  CHECK(json["first_not_finite"]["site"] == "h.0.attn.proj");
  CHECK(contains(json["verdict"], "site attn.proj"));
  CHECK(contains(place.run({"bisect", place.run_path(), "--from", "0", "--quiet"}).out, "<-- decides"));
}

TEST_CASE("what cannot be measured is refused in one line with the exit code of its kind", "[integration]") {
  const TrainedPlace place({"train.checkpoint_every=10"});
  const std::string run = place.run_path();
  const auto refuses = [&](std::vector<std::string> words, int exit_code, const std::string& part) {
    const ProgramResult result = place.run(words);
    INFO(result.err);
    CHECK(result.exit_code == exit_code);
    CHECK(contains(refusal(result), part));
  };
  refuses({"sharpness", run, "--kind", "hesian"}, 2, "--kind = hesian: must be one of hessian, ggn, trace");
  refuses({"sharpness", run, "--kind", "hesian"}, 2, "did you mean hessian?");
  refuses({"sharpness", run, "--checkpoint", "7"}, 2,
          "has checkpoints of the steps 10, 20; 0 takes the initial weights");
  refuses({"sharpness", run, "--checkpoint", "last"}, 2, "must be a step or \"all\"");
  refuses({"sharpness", run, "--batch", "2"}, 2, "--tokens FILE and --batch B belong together");
  refuses({"sharpness", run, "--tokens", place.path("none"), "--batch", "2"}, 4, "none");
  refuses({"sharpness", run, "--recipe", "fp9"}, 2, "--recipe = fp9: did you mean fp8? It must be one of");
  refuses({"sharpness", place.path("none")}, 2, "not a run directory");
  refuses({"sharpness"}, 2, "a run directory is missing");
  refuses({"sharpness", "--logits"}, 2, "needs --json");
  refuses({"landscape", run, "--grid", "0x5", "--out", place.path("x.h5")}, 2, "--grid = 0x5: must be NX x NY");
  refuses({"landscape", run, "--range", "1,-1", "--out", place.path("x.h5")}, 2, "--range = 1,-1: must be FIRST,LAST");
  refuses({"landscape", run, "--directions", "randon", "--out", place.path("x.h5")}, 2, "did you mean random?");
  refuses({"landscape", run, "--out", place.path("no/x.h5"), "--grid", "1x1", "--quiet"}, 5, "no/x.h5");
  refuses({"bisect", run, "--from", "7"}, 2, "command line: --from = 7: ");
  refuses({"bisect", run, "--from", "10", "--to", "fp16"}, 2, "--to = fp16: must be one of fp32, bf16");

  REQUIRE(place.run({"train", place.config(), "train.steps=0", "--out", place.path("fresh"), "--quiet"}).exit_code ==
          0);
  std::filesystem::remove_all(place.path("fresh/ckpt"));
  refuses({"sharpness", place.path("fresh")}, 2, "no checkpoint yet; --checkpoint 0 takes the initial weights");
  CHECK(place.run({"sharpness", place.path("fresh"), "--checkpoint", "0", "--kind", "sam"}).exit_code == 0);
}

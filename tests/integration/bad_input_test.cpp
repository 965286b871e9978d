// SPDX-License-Identifier: Apache-2.0
// Bad input: the exit code, one line on standard error that names the place, nothing written.
#include <algorithm>
#include <csignal>

#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

using namespace precipice;
namespace fs = std::filesystem;

namespace {

void check_refused(const ProgramResult& result, int exit_code, const std::vector<std::string>& parts) {
  CAPTURE(result.err, result.out);
  CHECK(result.exit_code == exit_code);
  CHECK(count_lines(result.err) == 1);
  CHECK(result.err.starts_with("precipice: error: "));
  for (const std::string& part : parts) CHECK(contains(result.err, part));
}

// Replaces one byte in the middle of a file by another.
void damage(const fs::path& path) {
  std::string bytes = text_of(path);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x55);
  write_text(path, bytes);
}

}  // namespace

TEST_CASE("a bad setting is refused with key, value and what is allowed", "[integration]") {
  struct Case {
    std::string setting;
    int exit_code;
    std::vector<std::string> parts;
  };
  const Case bad = GENERATE(values<Case>({
      {"optimizer.lrr=1e-3", 2, {"optimizer.lrr = 1e-3", "did you mean optimizer.lr?"}},
      {"train.steps=abc", 2, {"train.steps = abc", "whole number"}},
      {"train.steps=-5", 2, {"train.steps = -5", "from 0"}},
      {"train.steps=2.5", 2, {"train.steps = 2.5", "whole number"}},
      {"optimizer.lr=nan", 2, {"optimizer.lr = nan"}},
      {"optimizer.lr=1e-400", 2, {"optimizer.lr = 1e-400: is not zero", "would read as zero"}},
      {std::string(100'000, 'k') + "=1", 2, {"kkkk... = 1: unknown key"}},
      {"optimizer.lr=1\n[evil]\na=1", 2, {"optimizer.lr", "one line"}},
      {"precision.x=e9m3", 2, {"precision.x = e9m3"}},
      {"precision.x=e0m0", 2, {"precision.x = e0m0"}},
      {"model.heads=3", 2, {"multiple of model.heads"}},
      {"seed", 2, {"command line: seed: expected key=value"}},
      {"metrics.epsilons=[]", 2, {"metrics.epsilons = []", "1 to 16 numbers"}},
      {"metrics.epsilons=[1e-3,0.001]", 2, {"metrics.epsilons = [1e-3,0.001]", "must differ"}},
      {"precision.overflow=wrap", 2, {"precision.overflow = wrap", "one of \"\", saturate, native"}},
      {"precision.rules=['lm_head -> bf16','mlp.up -> high fp8']",
       2,
       {"precision.rules", "rule 2 \"mlp.up -> high fp8\""}},
      {"precision.recipe=nvfp4:rht=2", 2, {"precision.recipe = nvfp4:rht=2: rht = 2: must be true or false"}},
      {"precision.recipe=mxfp8:block=7,arithmetic=torchao", 2, {"h.0.attn.qkv, fprop x: block = 1x7", "must fill"}},
      {"precision.recipe=intel-fp8:smooth_swiglu=true", 2, {"smooth_swiglu = true: needs a model with SwiGLU"}},
      {"init.from=/nowhere/w.h5", 4, {"init.from = /nowhere/w.h5: "}},
      {"init.from=/dev/zero", 4, {"init.from = /dev/zero: ", "not a regular file"}},
  }));
  Workplace place;
  check_refused(place.run({"train", place.config(), bad.setting, "--out", place.path("run")}), bad.exit_code,
                bad.parts);
  CHECK_FALSE(fs::exists(place.path("run")));
}

TEST_CASE("a bad config file is refused with file and line", "[integration]") {
  Workplace place;
  const std::string file = place.path("bad.toml");
  const auto [text, parts] = GENERATE(table<std::string, std::vector<std::string>>({
      {"seed = 1\nsede = 2\n", {"bad.toml:2: sede", "did you mean seed?"}},
      {"seed = 1\nseed = 2\n", {"bad.toml:2"}},
      {"[optimizer]\nlr = \"fast\"\n", {"bad.toml:2: optimizer.lr = \"fast\"", "number"}},
      {"[optimizer]\n\nlr = nan\n", {"bad.toml:3: optimizer.lr"}},
      {"[sweep]\nseed = [1, 2]\n", {"bad.toml:2", "precipice sweep"}},
  }));
  write_text(file, text);
  check_refused(place.run({"train", file, "--out", place.path("run")}), 2, parts);
  CHECK_FALSE(fs::exists(place.path("run")));
}

TEST_CASE("a directory, a device or nothing as config or data is refused", "[integration]") {
  Workplace place;
  for (const std::string& path : {place.dir.path().string(), std::string("/dev/zero"), place.path("missing")}) {
    check_refused(place.run({"train", path, "--out", place.path("run")}), 2, {path});
    const ProgramResult data =
        place.run({"train", place.config(), "data.source=text", "data.path=" + path, "--out", place.path("run")});
    check_refused(data, 4, {"data.path = " + path + ": "});
  }
  CHECK_FALSE(fs::exists(place.path("run")));
}

TEST_CASE("a GPU is refused before anything is written, whether or not its library is there", "[integration]") {
  Workplace place;
  const ProgramResult result = place.run({"train", place.config(), "device=cuda", "--out", place.path("run")});
  check_refused(result, 2, {"device = cuda: ", "device = \"cpu\""});
  CHECK_FALSE(fs::exists(place.path("run")));
}

TEST_CASE("data that cannot be trained on is exit code 4", "[integration]") {
  Workplace place;
  const auto refused = [&](const std::string& source, const std::string& bytes, const std::string& more) {
    write_text(place.path("data"), bytes);
    check_refused(place.run({"train", place.config(), "data.source=" + source, "data.path=" + place.path("data"), more,
                             "--out", place.path("run")}),
                  4, {"data.path = " + place.path("data") + ": "});
    CHECK_FALSE(fs::exists(place.path("run")));
  };
  refused("text", "", "seed=0");
  refused("text", "too short", "seed=0");
  std::string tokens(2000, '\0');
  tokens[1000] = 100;
  refused("tokens", tokens, "data.vocabulary=50");
  refused("tokens", tokens.substr(1), "data.vocabulary=200");
}

TEST_CASE("an output place that cannot be written is exit code 5", "[integration]") {
  Workplace place;
  check_refused(place.run({"train", place.config(), "--out", place.config() + "/run"}), 5, {place.config() + "/run"});
  check_refused(place.run({"sweep", place.config(), "seed=0,1", "--out", place.config() + "/s"}), 5, {});
  // A full disk, as a limit on the file size: an error and no signal death.
  const std::string command = "ulimit -f 4; exec " + program_path() + " train " + place.config() +
                              " train.steps=200 --quiet --out " + place.path("full") + " 2>" + place.path("err");
  CHECK(WEXITSTATUS(std::system(command.c_str())) == 5);
  CHECK(count_lines(text_of(place.path("err"))) == 1);
}

TEST_CASE("another run's directory is refused and left as it was", "[integration]") {
  Workplace place;
  REQUIRE(place.run({"train", place.config(), "--out", place.path("run")}).exit_code == 0);
  const auto before = snapshot(place.path("run"));
  check_refused(place.run({"train", place.config(), "seed=1", "--out", place.path("run")}), 2,
                {"another config", "seed is 0 there and 1 here; choose another --out"});
  check_refused(place.run({"train", place.path("run"), "train.steps=60"}), 2, {"train.steps is 20 there and 60 here"});
  check_refused(place.run({"sweep", place.config(), "seed=0,1", "--out", place.path("run")}), 2, {"run directory"});
  CHECK(snapshot(place.path("run")) == before);

  // Results without the config that made them cannot be told from another run's.
  for (const char* name : {"run.h5", "metrics.jnl"}) {
    const fs::path directory = place.path(std::string("with_") + name);
    fs::create_directories(directory);
    write_text(directory / name, "mine");
    check_refused(place.run({"train", place.config(), "--out", directory.string()}), 2, {name, "no config.toml"});
    CHECK(snapshot(directory) == std::map<std::string, std::string>{{(directory / name).string(), "mine"}});
  }
}

TEST_CASE("weights of another model are refused with their file, and nothing is written", "[integration]") {
  Workplace place;
  const std::string weights = place.path("w.h5");
  REQUIRE(place.run({"train", place.config(), "train.steps=0", "--out", place.path("zero")}).exit_code == 0);
  REQUIRE(place.run({"export", place.path("zero"), "--out", weights}).exit_code == 0);
  check_refused(
      place.run({"train", place.config(), "init.from=" + weights, "model.width=32", "--out", place.path("run")}), 4,
      {"init.from = " + weights + ": transformer.wte.weight has shape (64, 16), the model has (64, 32)"});
  CHECK_FALSE(fs::exists(place.path("run")));
}

TEST_CASE("damage is found by verify, and no damaged checkpoint or journal is resumed from", "[integration]") {
  Workplace place;
  const std::vector<std::string> train{"train",   place.config(), "train.steps=300",
                                       "--quiet", "--out",        place.path("run")};
  {
    RunningProgram program(place.dir.path(), train);
    REQUIRE(wait_for_size(place.path("run/metrics.jnl"), 20'000));
    program.send(SIGTERM);
    REQUIRE(program.wait().exit_code == 143);
  }
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(place.path("run/ckpt"))) newest = std::max(newest, entry.path());
  for (const fs::path& file : {newest, fs::path(place.path("run/metrics.jnl")), fs::path(place.path("run/run.h5"))}) {
    const std::string whole = text_of(file);
    damage(file);
    CAPTURE(file);
    const ProgramResult verified = place.run({"verify", place.path("run")});
    CHECK(verified.exit_code == 4);
    CHECK(contains(verified.out, "BAD  " + file.string()));
    if (file.filename() != "run.h5") {
      const auto before = snapshot(place.path("run"));
      check_refused(place.run(train), 4, {file.string()});
      CHECK(snapshot(place.path("run")) == before);
    }
    write_text(file, whole);
  }
  // A torn tail is what a kill leaves: cut, and computed again.
  write_text(place.path("run/metrics.jnl"), text_of(place.path("run/metrics.jnl")) + "torn");
  CHECK(place.run({"verify", place.path("run")}).exit_code == 0);
  CHECK(place.run(train).exit_code == 0);
}

TEST_CASE("bad command lines are exit code 2 with one line", "[integration]") {
  Workplace place;
  check_refused(place.run({}), 2, {"see precipice --help"});
  check_refused(place.run({"trian"}), 2, {"did you mean train?"});
  check_refused(place.run({"trian", "--help"}), 2, {"did you mean train?"});
  check_refused(place.run({"help", "trian"}), 2, {"did you mean train?"});
  check_refused(place.run({"train"}), 2, {"CONFIG"});
  check_refused(place.run({"train", place.config(), "seed=0,1"}), 2,
                {"seed", "several values are for `precipice sweep`"});
  check_refused(place.run({"config", "zzzzzzzz"}), 2, {"FILTER", "zzzzzzzz"});
  check_refused(place.run({"train", place.config(), "--nonsense"}), 2, {"--nonsense"});
  check_refused(place.run({"train", place.config(), "seed=1", "seed=2"}), 2, {"seed", "twice"});
  check_refused(place.run({"sweep", place.config(), "seed=0,1"}), 2, {"--out"});
  check_refused(place.run({"sweep", place.config(), "--jobs", "0", "--out", place.path("s")}), 2, {"--jobs"});
  check_refused(place.run({"sweep", place.config(), "seed=range(0,10001)", "--out", place.path("s")}), 2, {"10000"});
  check_refused(place.run({"sweep", place.config(), "--only", "some", "--out", place.path("s")}), 2, {"--only"});
  check_refused(place.run({"status", place.path("missing")}), 2, {place.path("missing")});
  check_refused(place.run({"train", place.config(), "--out", ""}), 2, {"--out"});
  check_refused(place.run({"sweep", place.config(), "seed=0,1", "--out", ""}), 2, {"--out"});
  const std::string file = place.path("x.h5");
  check_refused(place.run({"export", place.path("s"), "--step", "-1", "--out", file}), 2,
                {"--step", "range", "1000000000000"});
  check_refused(place.run({"batches", place.config(), "--steps", "0", "--out", file}), 2,
                {"--steps", "range", "1000000000000"});
  check_refused(place.run({"batches", place.config(), "--out", file}), 2, {"--steps", "--validation"});
  check_refused(place.run({"batches", place.config(), "--steps", "1", "--validation", "--out", file}), 2,
                {"--steps", "--validation"});
  check_refused(place.run({"export", place.path("s"), "--format", "numpy", "--out", file}), 2,
                {"--format", "numpy", "safetensors"});
  CHECK_FALSE(fs::exists(file));
  CHECK_FALSE(fs::exists(place.path("s")));
}

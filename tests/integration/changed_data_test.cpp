// SPDX-License-Identifier: Apache-2.0
// A file that is replaced after runs have read it, as a user meets it.
#include "metrics/files/files.h"
#include "tests/integration/program.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

std::string corpus(char first) {
  std::string text;
  for (int i = 0; i < 4000; ++i) text += static_cast<char>(first + i * i % 7);
  return text;
}

}  // namespace

TEST_CASE("no command goes on with a file that changed since its run began, and each says so", "[integration]") {
  Workplace place;
  const std::string data = place.path("corpus.txt"), out = place.path("sweep");
  write_text(data, corpus('a'));
  const std::vector<std::string> base{
      "sweep", place.config(), "data.source=text", "data.path=" + data, "train.steps=3", "--quiet", "--out", out};
  const auto sweep = [&](const std::string& seeds) {
    std::vector<std::string> words = base;
    words.push_back(seeds);
    return place.run(words);
  };
  REQUIRE(sweep("seed=0,1").exit_code == 0);
  std::string run;
  for (const auto& entry : std::filesystem::directory_iterator(out))
    if (std::filesystem::exists(entry.path() / "config.toml")) run = entry.path().string();
  CHECK(place.run({"verify", out}).exit_code == 0);

  write_text(data, corpus('k'));
  const std::string hashes = "SHA-256 " + sha256_hex(corpus('a')) + " then, " + sha256_hex(corpus('k')) + " now";
  const auto before = snapshot(out);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"train", run + "/config.toml", "--out", run},
                                             {"sharpness", run, "--kind", "sam"},
                                             {"landscape", run, "--grid", "2x1", "--out", place.path("l.h5")},
                                             {"bisect", run, "--from", "0", "--steps", "1"}}) {
    const ProgramResult result = place.run(words);
    CAPTURE(words[0], result.err);
    CHECK(result.exit_code == 4);
    CHECK(contains(result.err, "data.path = " + data));
    CHECK(contains(result.err, hashes));
    CHECK(contains(result.err, "put the old file back"));
  }
  const ProgramResult extended = sweep("seed=0,1,2");
  CHECK(extended.exit_code == 4);
  CHECK(contains(extended.err, hashes));
  CHECK(snapshot(out) == before);
  const ProgramResult verified = place.run({"verify", out});
  CHECK(verified.exit_code == 4);
  CHECK(contains(verified.out, "is not the file that the run began with"));

  std::filesystem::remove(data);
  const ProgramResult unknown = place.run({"verify", out});
  CHECK(unknown.exit_code == 0);
  CHECK(contains(unknown.out, "cannot be checked: it is not there"));
  // A checkpoint has the weights and the config the vocabulary.
  CHECK(place.run({"export", run, "--out", place.path("w.h5")}).exit_code == 0);
  write_text(data, corpus('a'));
  CHECK(sweep("seed=0,1,2").exit_code == 0);
}

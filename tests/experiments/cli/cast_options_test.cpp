// SPDX-License-Identifier: Apache-2.0
// Options of `precipice cast` that cannot be meant together, through the command line's own parser.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "experiments/cli/cli.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;

namespace {

struct Result {
  int exit_code;
  std::string out, err;
};

// The command line in this process, with standard output and error in files for as long as it runs.
Result run(std::vector<std::string> words) {
  const TemporaryDirectory directory;
  words.insert(words.begin(), "precipice");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int kept[2] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)};
  const int files[2] = {open((directory / "out").c_str(), O_WRONLY | O_CREAT, 0600),
                        open((directory / "err").c_str(), O_WRONLY | O_CREAT, 0600)};
  for (const int i : {0, 1}) dup2(files[i], STDOUT_FILENO + i), close(files[i]);
  const int exit_code = run_cli(static_cast<int>(words.size()), argv.data());
  for (const int i : {0, 1}) dup2(kept[i], STDOUT_FILENO + i), close(kept[i]);
  return {exit_code, text_of(directory / "out"), text_of(directory / "err")};
}

void check_refused(std::vector<std::string> words, const std::vector<std::string>& parts) {
  const Result result = run(std::move(words));
  CAPTURE(result.err);
  CHECK(result.exit_code == 2);
  CHECK(result.out.empty());
  CHECK(result.err.starts_with("precipice: error: "));
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  for (const std::string& part : parts) CHECK(contains(result.err, part));
}

void check_cast_refused(std::vector<std::string> words, const std::vector<std::string>& parts) {
  words.insert(words.begin(), {"cast", "--format", "e4m3"});
  check_refused(std::move(words), parts);
}

}  // namespace

TEST_CASE("options that contradict each other or mean nothing are refused by name") {
  for (const char* option : {"--random-bits", "--seed", "--step", "--site", "--operand", "--first-element"})
    check_cast_refused({option, "1", "0.3"}, {option, "stochastic", "rne"});
  check_cast_refused({"--sr-variant", "b", "0.3"}, {"--sr-variant", "rne"});
  check_cast_refused({"--rounding", "sr-b", "--sr-variant", "c", "0.3"},
                     {"--sr-variant", "contradicts --rounding sr-b"});
  check_cast_refused({"--codes", "--from-codes"}, {"--codes", "--from-codes"});
  check_cast_refused({"--from-codes", "--input", "f64"}, {"--input", "--from-codes"});
  check_cast_refused({"--from-codes", "--rounding", "rtz"}, {"--rounding", "--from-codes"});
  check_cast_refused({"--codes", "0.3"}, {"--codes"});
  check_cast_refused({"--rounding", "sr", "--seed", "-5", "0.3"}, {"--seed", "0 to 18446744073709551615"});
  check_cast_refused({"--rounding", "sr", "--random-bits", "33", "0.3"}, {"--random-bits", "1 to 32"});
  check_cast_refused({"--rounding", "srx", "0.3"}, {"rne, rna", "did you mean sr?"});
  check_cast_refused({"--sede", "3", "0.3"}, {"--sede", "did you mean --seed?"});
  check_refused({"cast", "0.3"}, {"--format"});
  check_refused({"cast", "--format", "e4m4x", "0.3"}, {"e4m4x", "did you mean e4m3?"});
  check_refused({"formats", "e9m3"}, {"e9m3", "0 to 8"});
  check_cast_refused({"1", "2x"}, {"NUMBER = 2x", "must be a number"});
  check_cast_refused({"--force", "0.3"}, {"--force", "--counters"});
  // A rename over a device would take the device away.
  check_cast_refused({"0.3", "--counters", "/dev/null"}, {"--counters = /dev/null", "--force"});
  check_cast_refused({"0.3", "--counters", "/dev/null", "--force"}, {"/dev/null", "regular file"});
  CHECK(run({"cast", "--format", "e4m3", "0.3", "--counters", "/nowhere/c.json"}).exit_code == 5);
}

TEST_CASE("counters of a few numbers replace a file only with --force") {
  const TemporaryDirectory directory;
  const std::string file = (directory / "c.json").string();
  CHECK(run({"cast", "--format", "e4m3", "1000", "--counters", file}).exit_code == 0);
  CHECK(contains(text_of(file), "\"saturated\": 1"));
  check_cast_refused({"1", "--counters", file}, {"--counters = " + file, "--force"});
  CHECK(run({"cast", "--format", "e4m3", "1", "--counters", file, "--force"}).exit_code == 0);
  CHECK(contains(text_of(file), "\"saturated\": 0"));
}

TEST_CASE("two spellings of one variant mean the same") {
  std::vector<std::string> words = {"cast", "--format", "e2m1", "--random-bits", "3", "--seed", "2", "--rounding"};
  // Above 2, where the values are 1 and 2 apart, sixteenths lie between the steps of three bits: there the variants
  // part.
  for (int i = 1; i < 96; ++i) words.push_back(std::to_string(i / 16.0));
  const auto with = [&words](std::vector<std::string> options) {
    std::vector<std::string> all = words;
    all.insert(all.begin() + 8, options.begin(), options.end());
    const Result result = run(all);
    CHECK(result.exit_code == 0);
    return result.out;
  };
  const std::string b = with({"sr-b"});
  CHECK(with({"sr", "--sr-variant", "b"}) == b);
  CHECK(with({"sr-b", "--sr-variant", "b"}) == b);
  CHECK(with({"sr", "--sr-variant", "a"}) == with({"sr"}));
  CHECK(with({"sr"}) != b);
}

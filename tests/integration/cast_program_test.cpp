// SPDX-License-Identifier: Apache-2.0
// precipice cast and precipice formats as run: pipes, files, terminals, and the ends that they can come to.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstring>

#include "precision/rounding/random_bits.h"
#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"
#include "tests/support/reference_rounding.h"

using namespace precipice;

namespace {

// A line for /bin/sh in the place's directory, with `precipice` as a command.
ProgramResult shell(const Workplace& place, const std::string& line) {
  const std::string script = "cd '" + place.dir.path().string() + "'; precipice() { '" + program_path() +
                             "' \"$@\"; }\n" + "{ " + line + "\n} >stdout 2>stderr";
  write_text(place.path("script"), script);
  const int status = std::system(("/bin/sh '" + place.path("script") + "'").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), text_of(place.path("stdout")),
          text_of(place.path("stderr"))};
}

void check_cast_refused(const ProgramResult& result, int exit_code, const std::vector<std::string>& parts) {
  CAPTURE(result.err);
  CHECK(result.exit_code == exit_code);
  CHECK(count_lines(result.err) == 1);
  CHECK(result.err.starts_with("precipice: error: "));
  for (const std::string& part : parts) CHECK(contains(result.err, part));
}

std::vector<double> numbers() {
  std::vector<double> values = {0.0, -0.0, 448.0, -500.0, INFINITY, 1e-3, 1.0625 + 0x1p-40};
  for (std::uint64_t i = 0; values.size() < 40'000; ++i) {
    const Philox4 words = random_block({2, 0, 0, 0}, i);
    values.push_back(std::ldexp(words.word[0] * 0x1p-32 - 0.5, static_cast<int>(words.word[1] % 24) - 12));
  }
  return values;
}

template <class Value>
std::string bytes_of(const std::vector<Value>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value));
}

template <class Input>
std::string rounded(const std::vector<Input>& inputs, const char* format, Rounding rounding, Overflow overflow,
                    const RandomKey& key = {}, std::uint64_t first = 0, int random_bits = 32) {
  const FloatFormat f = parse_float_format(format);
  std::vector<float> values;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    values.push_back(
        reference::round(f, rounding, overflow, inputs[i], random_for(key, first + i, random_bits), random_bits));
  return bytes_of(values);
}

}  // namespace

TEST_CASE("cast in a pipe writes the oracle's bytes", "[integration]") {
  Workplace place;
  const std::vector<double> wide = numbers();
  const std::vector<float> narrow(wide.begin(), wide.end());
  write_text(place.path("wide"), bytes_of(wide));
  write_text(place.path("narrow"), bytes_of(narrow));

  const auto output = [&place](const std::string& line) {
    const ProgramResult result = shell(place, line);
    CAPTURE(line, result.err);
    CHECK(result.exit_code == 0);
    CHECK(result.err.empty());
    return result.out;
  };
  CHECK(output("cat narrow | precipice cast --format e4m3") ==
        rounded(narrow, "e4m3", Rounding::NearestEven, Overflow::Saturate));
  CHECK(output("precipice cast --format e5m2:bias=16 --rounding rtz --overflow native --input f64 < wide") ==
        rounded(wide, "e5m2:bias=16", Rounding::TowardZero, Overflow::Native));
  CHECK(output("precipice cast --format e5m2 --rounding sr-c --random-bits 9 --seed 3 --step 4 --site 5 --operand 6 "
               "--first-element 4294967295 --overflow propagate --threads 2 < narrow") ==
        rounded(narrow, "e5m2", Rounding::StochasticC, Overflow::Propagate, {3, 4, 5, 6}, 4294967295, 9));
  // The grid's values come back from their codes.
  CHECK(output("precipice cast --format e3m2 --codes < narrow | precipice cast --format e3m2 --from-codes") ==
        rounded(narrow, "e3m2", Rounding::NearestEven, Overflow::Saturate));
  CHECK(output("precipice cast --format e4m3 < /dev/null").empty());
}

TEST_CASE("counters of a stream lie in a JSON file that is never replaced unasked", "[integration]") {
  Workplace place;
  write_text(place.path("in"), bytes_of(std::vector<float>{1, 1000, 1e-9f, -0.0f}));
  CHECK(shell(place, "precipice cast --format e4m3 --counters c.json < in").exit_code == 0);
  const std::string counters = text_of(place.path("c.json"));
  for (const char* part : {"\"format\": \"e4m3\"", "\"elements\": 4", "\"saturated\": 1", "\"underflowed\": 1"})
    CHECK(contains(counters, part));
  const ProgramResult again = shell(place, "precipice cast --format e5m2 --counters c.json < in");
  check_cast_refused(again, 2, {"--counters = c.json", "--force"});
  CHECK(again.out.empty());
  CHECK(text_of(place.path("c.json")) == counters);
}

TEST_CASE("broken input and output end cast with one line and everything whole written", "[integration]") {
  Workplace place;
  const std::vector<float> values(5000, 0.3f);
  write_text(place.path("torn"), bytes_of(values) + "ab");
  const ProgramResult torn = shell(place, "precipice cast --format e4m3 --counters c.json < torn");
  check_cast_refused(torn, 4, {"2 of 4 bytes after 5000 whole values"});
  CHECK(torn.out == bytes_of(std::vector<float>(5000, 0.3125f)));
  CHECK_FALSE(std::filesystem::exists(place.path("c.json")));

  check_cast_refused(shell(place, "precipice cast --format e4m3 < /tmp"), 4, {"standard input", "directory"});
  check_cast_refused(shell(place, "precipice cast --format e4m3 < torn > /dev/full"), 5, {"standard output", "space"});
  write_text(place.path("nan"), bytes_of(std::vector<float>{1, 2, NAN, 4}));
  const ProgramResult nan = shell(place, "precipice cast --format e2m1 --codes < nan");
  check_cast_refused(nan, 4, {"element 2 is NaN"});
  CHECK(nan.out == "\x02\x04");

  // A reader that leaves: quiet, and with the exit code that a shell has for SIGPIPE, since output was lost.
  const ProgramResult closed =
      shell(place, "{ precipice cast --format e4m3 < /dev/zero; echo $? > code; } | head -c 100");
  CHECK(closed.out == std::string(100, '\0'));
  CHECK(closed.err.empty());
  CHECK(text_of(place.path("code")) == "141\n");
  for (const char* words : {"cast --format e4m3 0.3", "formats e2m1", "--help", "stats --help"}) {
    CAPTURE(words);
    const std::string program = "precipice " + std::string(words);
    const ProgramResult unread = shell(place, "{ sleep 0.1; " + program + "; echo $? > code; } | true");
    CHECK(unread.err.empty());
    CHECK(text_of(place.path("code")) == "141\n");
    check_cast_refused(shell(place, program + " >&-"), 5, {"standard output"});
    check_cast_refused(shell(place, program + " > /dev/full"), 5, {"standard output", "space"});
  }
  // Streams that are closed are not empty ones.
  write_text(place.path("in"), bytes_of(std::vector<float>(10, 0.3f)));
  check_cast_refused(shell(place, "precipice cast --format e4m3 <&-"), 4, {"standard input"});
  check_cast_refused(shell(place, "precipice cast --format e4m3 < in >&-"), 5, {"standard output"});
  CHECK(shell(place, "precipice cast --format e4m3 < in 2>&-").exit_code == 0);
  write_text(place.path("in.npy"), "\x93NUMPY" + std::string(122, ' ') + bytes_of(values));
  check_cast_refused(shell(place, "precipice cast --format e4m3 < in.npy"), 4, {"is a NumPy file"});
  // More threads than cores wait for each other and cost memory; the bytes are the same without them.
  const auto start = std::chrono::steady_clock::now();
  CHECK(shell(place, "precipice cast --format e4m3 --threads 1024 < in").out ==
        bytes_of(std::vector<float>(10, 0.3125f)));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
}

TEST_CASE("numbers on the command line are shown, negative ones too", "[integration]") {
  Workplace place;
  const ProgramResult table = place.run({"cast", "--format", "e4m3", "0.3", "-448", "-inf", "-.5", "-1e-3", "nan"});
  CHECK(table.exit_code == 0);
  CHECK(table.err.empty());
  CHECK(count_lines(table.out) == 7);
  for (const char* part : {"\n0.3 ", "\n-448 ", "\n-inf ", "\n-.5 ", "\n-1e-3 ", "1 1111 110  0xfe", "saturated"})
    CHECK(contains(table.out, part));
}

TEST_CASE("a terminal is neither read as values nor written to", "[integration]") {
  Workplace place;
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0) {
    WARN("skipped: there is no pseudo-terminal here (/dev/ptmx, /dev/pts)");
    return;
  }
  REQUIRE(grantpt(terminal) == 0);
  REQUIRE(unlockpt(terminal) == 0);
  const std::string name = ptsname(terminal);
  check_cast_refused(shell(place, "precipice cast --format e4m3 < " + name), 2, {"standard input is a terminal"});
  check_cast_refused(shell(place, "precipice cast --format e4m3 < /dev/null > " + name), 2,
                     {"standard output is a terminal"});
  close(terminal);
}

TEST_CASE("formats lists the presets", "[integration]") {
  Workplace place;
  const ProgramResult all = place.run({"formats"});
  CHECK(all.exit_code == 0);
  CHECK(count_lines(all.out) == preset_formats().size() + 1);
}

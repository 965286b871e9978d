// SPDX-License-Identifier: Apache-2.0
// Progress text and when it is printed.
#include "experiments/console/progress.h"

#include <cmath>

#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;

TEST_CASE("durations, bytes and rates are short", "[progress]") {
  CHECK(format_duration(0) == "0s");
  CHECK(format_duration(59.2) == "1m00s");
  CHECK(format_duration(190) == "3m10s");
  CHECK(format_duration(2 * 3600 + 5 * 60) == "2h05m");
  CHECK(format_duration(-1) == "?");
  CHECK(format_duration(1e300) == "?");
  CHECK(format_bytes(512) == "512 B");
  CHECK(format_bytes(3.14e6) == "3.1 MB");
  CHECK(format_bytes(999.9e3) == "1.0 MB");
  CHECK(format_rate(0.312) == "0.31");
  CHECK(format_rate(312.4) == "312");
}

TEST_CASE("the sweep's line shows counts, rate and time left, and leaves out what is zero", "[progress]") {
  SweepProgress progress{.total = 36,
                         .finished = 12,
                         .failed = 1,
                         .running = 2,
                         .diverged = 3,
                         .steps_per_second = 312,
                         .steps_left = 59280};
  CHECK(progress_text(progress) == "[12/36] 3 diverged 1 failed | 2 running | 312 step/s | ETA 3m10s");
  progress.losses = {2.3104, 2.25};
  CHECK(contains(progress_text(progress), "| 2 running, loss 2.310 2.250 | 312 step/s"));
  progress.losses = {3, std::nan(""), 2, 2.5, 4};
  CHECK(contains(progress_text(progress), "running, loss 2.000 to nan |"));
  CHECK(progress_text({.total = 4, .running = 2, .steps_left = 100}) == "[0/4] | 2 running");
}

TEST_CASE("a pipe gets plain lines at its interval and every note", "[progress]") {
  std::string out;
  ProgressPrinter printer([&](std::string_view text) { out += text; }, {false, 80, 0.1, 15});
  printer.show("one", 100);
  printer.show("two", 110);
  printer.note("note");
  printer.show("three", 115);
  printer.close();
  CHECK(out == "one\nnote\nthree\n");
}

TEST_CASE("a printer that was started shows nothing before its interval has passed", "[progress]") {
  std::string out;
  ProgressPrinter printer([&](std::string_view text) { out += text; }, {false, 80, 0.1, 10});
  printer.start(100);
  printer.show("one", 109);
  CHECK(out.empty());
  printer.show("two", 110);
  CHECK(out == "two\n");
}

TEST_CASE("a terminal gets one line rewritten in place, cut to its width", "[progress]") {
  std::string out;
  ProgressPrinter printer([&](std::string_view text) { out += text; }, {true, 8, 0.1, 15});
  printer.show("123456789", 0);
  printer.show("abc", 1);
  printer.note("note");
  printer.show("x", 1);
  printer.close();
  CHECK(out == "\r1234567\rabc    \r   \rnote\n\rx\n");
}

TEST_CASE("the rate covers the last half minute only", "[progress]") {
  RateMeter meter;
  CHECK(meter.per_second() == 0);
  for (int second = 0; second <= 100; ++second) meter.observe(second, second < 50 ? 0 : 10 * (second - 50));
  CHECK(meter.per_second() == Approx(10));
}

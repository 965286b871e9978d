// SPDX-License-Identifier: Apache-2.0
// Progress for people and for logs: on a terminal one line that is rewritten in place, elsewhere the same text as a
// plain line every few seconds. Text goes to a sink, so that the library itself prints nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "precision/base/format_bytes.h"

namespace precipice {

std::string format_duration(double seconds);  // "42s", "3m10s", "2h05m"; "?" when unknown or beyond 1000 h
std::string format_rate(double per_second);   // "0.31", "312"

class ProgressPrinter {
 public:
  using Sink = std::function<void(std::string_view)>;
  struct Options {
    bool terminal = false;
    std::size_t width = 80;  // of the terminal: a longer line would wrap and could not be rewritten
    double terminal_interval = 0.2, pipe_interval = 15;  // seconds
  };
  ProgressPrinter(Sink sink, Options options) : sink_(std::move(sink)), options_(options) {}
  // True when show() would print at this time: callers skip the work of making the text.
  bool due(double now) const;
  void start(double now) { last_ = now; }  // nothing is shown before an interval has passed
  void show(const std::string& text, double now);
  void note(const std::string& text);  // a line of its own that stays
  void close();                        // ends the rewritten line
  bool terminal() const { return options_.terminal; }

 private:
  void erase_line();
  Sink sink_;
  Options options_;
  std::optional<double> last_;
  std::size_t shown_ = 0;  // characters of the line on the terminal
};

// Steps per second over the last half minute.
class RateMeter {
 public:
  void observe(double now, std::int64_t steps);
  double per_second() const;  // 0 while unknown

 private:
  struct Sample {
    double time;
    std::int64_t steps;
  };
  std::deque<Sample> samples_;
};

struct SweepProgress {
  std::size_t total = 0, finished = 0, failed = 0, running = 0;
  std::size_t diverged = 0, untrained = 0, skipped = 0;  // of the finished ones
  double steps_per_second = 0;
  std::int64_t steps_left = 0;
  std::vector<double> losses{};  // of the runs that go on, as far as they have one
};
// "[12/36] 3 diverged 1 failed | 2 running, loss 2.31 2.45 | 312 step/s | ETA 3m10s"
std::string progress_text(const SweepProgress& progress);

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
#include "experiments/console/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiments/console/printable.h"

namespace precipice {
namespace {

constexpr double kRateWindow = 30;  // seconds

// Of more than four runs, the least and the greatest; a NaN is the greatest.
std::string losses_text(std::vector<double> losses) {
  if (losses.empty()) return "";
  constexpr std::size_t kMaxShown = 4;
  const bool many = losses.size() > kMaxShown;
  if (many) {
    std::sort(losses.begin(), losses.end(), [](double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; });
    losses = {losses.front(), losses.back()};
  }
  std::string text;
  for (const double loss : losses)
    text += (text.empty() ? "" : many ? " to " : " ") + (std::isnan(loss) ? "nan" : fmt::format("{:.3f}", loss));
  return ", loss " + text;
}

}  // namespace

std::string format_duration(double seconds) {
  if (!(seconds >= 0 && seconds < 3.6e6)) return "?";
  const auto whole = static_cast<std::int64_t>(std::ceil(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
}

std::string format_rate(double per_second) {
  return per_second >= 9.95 ? fmt::format("{:.0f}", per_second) : fmt::format("{:.2g}", per_second);
}

bool ProgressPrinter::due(double now) const {
  return !last_ || now - *last_ >= (options_.terminal ? options_.terminal_interval : options_.pipe_interval);
}

void ProgressPrinter::show(const std::string& text, double now) {
  if (!due(now)) return;
  last_ = now;
  const std::string whole = printable_line(text);
  if (!options_.terminal) {
    sink_(whole + "\n");
    return;
  }
  const std::string line(first_characters(whole, options_.width > 1 ? options_.width - 1 : 0));
  const std::size_t shown = count_characters(line);
  // Blanks over the rest of a longer line before: no control codes but the carriage return.
  sink_("\r" + line + std::string(shown_ > shown ? shown_ - shown : 0, ' '));
  shown_ = shown;
}

void ProgressPrinter::note(const std::string& text) {
  erase_line();
  sink_(printable_line(text) + "\n");
  if (options_.terminal) last_.reset();
}

void ProgressPrinter::close() {
  if (shown_ > 0) sink_("\n");
  shown_ = 0;
}

void ProgressPrinter::erase_line() {
  if (shown_ > 0) sink_("\r" + std::string(shown_, ' ') + "\r");
  shown_ = 0;
}

void RateMeter::observe(double now, std::int64_t steps) {
  samples_.push_back({now, steps});
  while (samples_.size() > 2 && samples_[1].time <= now - kRateWindow) samples_.pop_front();
}

double RateMeter::per_second() const {
  if (samples_.size() < 2) return 0;
  const double seconds = samples_.back().time - samples_.front().time;
  const auto steps = static_cast<double>(samples_.back().steps - samples_.front().steps);
  return seconds > 0 && steps > 0 ? steps / seconds : 0;
}

std::string progress_text(const SweepProgress& progress) {
  std::string text = fmt::format("[{}/{}]", progress.finished, progress.total);
  if (progress.diverged > 0) text += fmt::format(" {} diverged", progress.diverged);
  if (progress.untrained > 0) text += fmt::format(" {} untrained", progress.untrained);
  if (progress.skipped > 0) text += fmt::format(" {} skipped", progress.skipped);
  if (progress.failed > 0) text += fmt::format(" {} failed", progress.failed);
  text += fmt::format(" | {} running", progress.running) + losses_text(progress.losses);
  if (progress.steps_per_second > 0) {
    text += fmt::format(" | {} step/s | ETA {}", format_rate(progress.steps_per_second),
                        format_duration(static_cast<double>(progress.steps_left) / progress.steps_per_second));
  }
  return text;
}

}  // namespace precipice

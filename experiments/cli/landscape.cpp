// SPDX-License-Identifier: Apache-2.0
// precipice landscape: a slice of the loss surface around a checkpoint, in any recipe.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "experiments/cli/commands.h"
#include "experiments/cli/evaluation.h"
#include "experiments/console/console.h"
#include "experiments/console/lost_output.h"
#include "experiments/console/process_setup.h"
#include "experiments/stability/landscape.h"
#include "precision/base/check.h"
#include "precision/base/parse_number.h"

namespace precipice {
namespace {

constexpr std::int64_t kMaxPoints = 1001;  // of an axis

struct LandscapeArguments {
  EvaluationOptions evaluation;
  std::string grid = "25x25", directions = "random", range = "-1,1", out = "landscape.h5";
  std::size_t jobs = 1;
  std::uint64_t seed = 0;
  bool force = false, quiet = false;
};

// The two parts around a separator; without one, the same part twice.
std::pair<std::string_view, std::string_view> halves(std::string_view text, char separator) {
  const std::size_t at = text.find(separator);
  return at == std::string_view::npos ? std::pair{text, text} : std::pair{text.substr(0, at), text.substr(at + 1)};
}

void parse_grid(const std::string& text, LandscapeRequest& request) {
  using Points = decltype(request.x.points);
  const auto [x, y] = halves(text, 'x');
  request.x.points = parse_number<Points>(x).value_or(0);
  request.y.points = parse_number<Points>(y).value_or(0);
  if (request.x.points < 1 || request.y.points < 1 || request.x.points > kMaxPoints || request.y.points > kMaxPoints)
    refuse_option("--grid", text, fmt::format("must be NX x NY as 25x25, each from 1 to {}", kMaxPoints));
}

void parse_range(const std::string& text, LandscapeRequest& request) {
  const auto [first_word, last_word] = halves(text, ',');
  const auto first = parse_number<double>(first_word), last = parse_number<double>(last_word);
  LandscapeAxis& x = request.x;
  if (text.find(',') == std::string::npos || !first || !last || !std::isfinite(*first) || !std::isfinite(*last) ||
      !(*first < *last))
    refuse_option("--range", text, "must be FIRST,LAST as -1,1 with FIRST < LAST");
  x.first = *first;
  x.last = *last;
  request.y.first = x.first;
  request.y.last = x.last;
}

void check_directions(const std::string& word) {
  static const std::vector<std::string> kKinds = {"random", "hessian", "trajectory"};
  if (std::find(kKinds.begin(), kKinds.end(), word) != kKinds.end() || std::filesystem::exists(word)) return;
  const std::string near = nearest_word(word.substr(0, 60), kKinds);
  refuse_option("--directions", word,
                "must be random, hessian, trajectory or a file that exists" +
                    (near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
}

int landscape(const LandscapeArguments& options) {
  LandscapeRequest request;
  parse_grid(options.grid, request);
  parse_range(options.range, request);
  check_directions(options.directions);
  request.evaluation = evaluation_request(options.evaluation);
  request.directions = options.directions;
  request.seed = options.seed;
  request.jobs = options.jobs;
  request.out = options.out;
  request.force = options.force;
  request.step = evaluated_step(options.evaluation);
  install_stop_signals();
  request.stop = &stop_requested();
  ProgressPrinter printer = waiting_progress(options.quiet);
  RateMeter rate;
  request.progress = [&](std::size_t done, std::size_t all) {
    const double now = monotonic_seconds();
    if (!printer.due(now)) return;
    rate.observe(now, static_cast<std::int64_t>(done));
    std::string text = fmt::format("[{}/{}]", done, all);
    if (rate.per_second() > 0)
      text += fmt::format(" | {} points/s | ETA {}", format_rate(rate.per_second()),
                          format_duration(static_cast<double>(all - done) / rate.per_second()));
    printer.show(text, now);
  };
  printer.show("finding directions and evaluating the centre", monotonic_seconds());
  const LandscapeResult result = make_landscape(request);
  printer.close();
  print_note(fmt::format("{}: {} points, {} computed now{}, loss {:.5g} to {:.5g}{}\n", options.out, result.points,
                         result.computed, result.complete ? "" : ", not complete", result.lowest, result.highest,
                         result.not_finite > 0 ? fmt::format(", {} not finite", result.not_finite) : ""));
  return result.complete ? static_cast<int>(kSuccess) : stop_exit_code();
}

}  // namespace

Command add_landscape(CLI::App& app) {
  auto options = std::make_shared<LandscapeArguments>();
  CLI::App* parser = app.add_subcommand("landscape", "Loss on a plane through a checkpoint's weights (HDF5)");
  add_evaluation_options(*parser, options->evaluation, "");
  parser->get_option("RUN")->required();
  parser->add_option("--grid", options->grid, "Points along x and y [25x25]");
  parser->add_option("--directions", options->directions, "random, hessian, trajectory, or a file of them [random]");
  parser->add_option("--range", options->range, "First and last coordinate of both axes [-1,1]");
  parser->add_option("--jobs", options->jobs, "Points at a time; does not change the result [1]")
      ->check(CLI::Range(1, 1024));
  parser->add_option("--seed", options->seed, "Of random directions and of Lanczos vectors [0]");
  parser->add_option("--out", options->out, "File to write, or to go on with [landscape.h5]")->check(refuse_empty_path);
  parser->add_flag("--force", options->force, "Replace a file that holds another landscape");
  parser->add_flag("--quiet", options->quiet, "No progress, only the result");
  parser->footer(
      "The same command goes on with an interrupted landscape. docs/METRICS.md has the file's layout.\n"
      "Example:\n  precipice landscape runs/first --grid 25x25 --jobs 2 --recipe fp8 --out fp8.h5");
  return {parser, [options] { return landscape(*options); }};
}

}  // namespace precipice

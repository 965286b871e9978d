// SPDX-License-Identifier: Apache-2.0
// precipice bisect: which part of a run's precision decides what becomes of it.
#include <fmt/format.h>

#include <memory>

#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "experiments/console/process_setup.h"
#include "experiments/stability/bisect.h"

namespace precipice {
namespace {

struct BisectArguments {
  BisectRequest request;
  bool json = false, quiet = false;
};

int bisect(const BisectArguments& options) {
  BisectRequest request = options.request;
  install_stop_signals();
  request.stop = &stop_requested();
  ProgressPrinter printer = waiting_progress(options.quiet);
  RateMeter rate;
  request.progress = [&](std::size_t done, std::size_t all) {
    const double now = monotonic_seconds();
    if (!printer.due(now)) return;
    rate.observe(now, static_cast<std::int64_t>(done));
    const double left = rate.per_second() > 0 ? static_cast<double>(all - done) / rate.per_second() : -1;
    printer.show(fmt::format("[{}/{}] replays | ETA {}", done, all, format_duration(left)), now);
  };
  const BisectResult result = bisect_run(request);
  printer.close();
  if (!result.complete) return stop_exit_code();
  print_result(options.json ? bisect_json(result, request) : bisect_text(result, request));
  return kSuccess;
}

}  // namespace

Command add_bisect(CLI::App& app) {
  auto options = std::make_shared<BisectArguments>();
  BisectRequest& request = options->request;
  CLI::App* parser = app.add_subcommand("bisect", "Replay a run from a checkpoint, one part of its precision changed");
  parser->add_option("RUN", request.run, "Run directory")->required();
  parser->add_option("--from", request.from, "Step of a checkpoint; 0: the initial weights")
      ->required()
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{4294967295}));
  parser
      ->add_option("--steps", request.steps,
                   "Steps to replay [as far as the run went: 20 beyond a divergence, else at most 200]")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{4294967295}));
  parser->add_option("--to", request.to, "fp32 or bf16: where one part at a time is put [fp32]");
  parser->add_flag("--reverse", request.reverse, "Put everything there except one part at a time");
  parser->add_option("--jobs", request.jobs, "Replays at a time; does not change the result [1]")
      ->check(CLI::Range(1, 1024));
  parser->add_flag("--json", options->json, "As JSON");
  parser->add_flag("--quiet", options->quiet, "No progress, only the result");
  parser->footer(
      "Writes nothing into the run's directory. docs/METRICS.md says what the shares mean.\n"
      "Example:\n  precipice bisect runs/first --from 200 --steps 100 --jobs 2");
  return {parser, [options] { return bisect(*options); }, {{"checkpoint", "--from"}}};
}

}  // namespace precipice

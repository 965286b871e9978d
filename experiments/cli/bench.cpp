// SPDX-License-Identifier: Apache-2.0
// precipice bench: ratios of our times to a reference's.
#include <iostream>
#include <memory>

#include "experiments/bench/bench.h"
#include "experiments/cli/commands.h"
#include "experiments/console/console.h"

namespace precipice {

Command add_bench(CLI::App& app) {
  struct Options : BenchOptions {
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* parser = app.add_subcommand("bench", "Time the parts against references, as ratios");
  parser->add_option("part", options->part, "What is timed")
      ->check(CLI::IsMember(bench_parts()))
      ->capture_default_str();
  parser->add_option("--size", options->size, "Models of the part step")
      ->check(CLI::IsMember({"tiny", "small", "mid", "all"}))
      ->capture_default_str();
  parser->add_option("--threads", options->threads, "Of quantizers, matmuls, linears and steps")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  parser->add_flag("--json", options->json, "Every repetition, and the machine, as JSON");
  parser->add_flag("--quick", options->quick, "Smaller tensors and fewer repetitions");
  parser->footer(
      "A row of growth that is more than twice what the arithmetic explains is a fault: it is named, and the exit "
      "code\n"
      "is 3.\nExample: precipice bench step --quick");
  return {parser, [options] {
            const BenchReport report = run_bench(*options);
            print_result(options->json ? to_json(report) : to_text(report));
            const std::vector<std::string> faults = bench_faults(report);
            for (const std::string& fault : faults) std::cerr << "precipice: " << fault << "\n";
            return static_cast<int>(faults.empty() ? kSuccess : kSomeRunsFailed);
          }};
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// precipice bench: ratios of our times to a reference's.
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "experiments/bench/baseline.h"
#include "experiments/bench/bench.h"
#include "experiments/bench/simulate.h"
#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "precision/base/device_kind.h"

namespace precipice {
namespace {}  // namespace

Command add_bench(CLI::App& app) {
  struct BenchArguments : BenchOptions {
    bool json = false;
    std::string check, simulate, folder = "/tmp", on = to_string(DeviceKind::Cpu);
  };
  auto options = std::make_shared<BenchArguments>();
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
  parser
      ->add_option(
          "--device", options->on,
          "cpu or cuda: where that is; a GPU has the parts roofline, quantize, scaling, gemm, attention, step and "
          "optimizer")
      ->check(CLI::IsMember({to_string(DeviceKind::Cpu), to_string(DeviceKind::Cuda)}))
      ->capture_default_str();
  parser->add_flag("--json", options->json, "Every repetition, and the machine, as JSON");
  parser->add_flag("--quick", options->quick, "Smaller tensors and fewer repetitions");
  parser->add_option(
      "--check", options->check,
      "An earlier output of --json, or a file of experiments/bench/baselines: names the rows that became slower");
  CLI::Option* simulate = parser->add_option(
      "--simulate", options->simulate,
      "With sweep: RUNSxSHARDS, such as 10000x64; the claims of pretended runs, and status and merge of so many");
  parser->add_option("--in", options->folder, "Folder on whose file system that is done [/tmp]")->needs(simulate);
  parser->footer(
      "A row of growth that is more than twice what the arithmetic explains is a fault; so is, with --check, a row "
      "whose\n"
      "median and minimum both leave the earlier row's spread. Faults are named, and the exit code is 3.\n"
      "Example: precipice bench step --quick");
  return {parser, [options] {
            if (!options->simulate.empty()) {
              if (options->part != "sweep")
                refuse_option("--simulate", options->simulate,
                              "is of the part sweep: precipice bench sweep --simulate");
              const Simulation simulation = simulate_sweep(parse_simulation(options->simulate), options->folder);
              print_result(options->json ? to_json(simulation) : to_text(simulation));
              return static_cast<int>(simulation.twice > 0 ? kSomeRunsFailed : kSuccess);
            }
            if (parse_spelling("device", options->on, kDevices) == DeviceKind::Cuda) {
              if (!options->check.empty())
                refuse_option("--check", options->check, "compares rows of the CPU, not of --device cuda");
              options->device = open_bench_device();
            }
            std::optional<Baseline> baseline;
            if (!options->check.empty()) baseline = read_baseline(options->check);
            const BenchReport report = run_bench(*options);
            print_result(options->json ? to_json(report) : to_text(report));
            std::vector<std::string> faults = bench_faults(report);
            if (baseline) {
              const Comparison compared = compare_with(*baseline, report);
              for (const std::string& note : compared.notes) std::cerr << "precipice: " << note << "\n";
              std::cerr << "precipice: " << compared.slower.size() << " of " << compared.compared
                        << " rows became slower\n";
              for (const std::string& row : compared.slower) faults.push_back("slower: " + row);
            }
            for (const std::string& fault : faults) std::cerr << "precipice: " << fault << "\n";
            return static_cast<int>(faults.empty() ? kSuccess : kSomeRunsFailed);
          }};
}

}  // namespace precipice

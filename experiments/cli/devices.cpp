// SPDX-License-Identifier: Apache-2.0
// precipice devices: where a run could compute, and what is missing where it cannot.
#include <fmt/format.h>

#include <thread>

#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "precision/cuda/find_cuda.h"
#include "precision/kernels/isa.h"
#include "train/run/provenance.h"

namespace precipice {
namespace {

int show_devices() {
  const CudaFinding found = find_cuda(cuda_library_path());
  print_result(fmt::format(
      "cpu   {}, {} threads, {}\ncuda  {}\n\nThis version trains on the CPU: device = \"cuda\" is refused.\n",
      cpu_model(), std::thread::hardware_concurrency(), active_isa(), found.usable() ? found.gpu : found.problem));
  return kSuccess;
}

}  // namespace

Command add_devices(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("devices", "Show the processor and the GPU that are found, or what is missing");
  parser->footer("docs/CUDA.md says what of the GPU's code is proven, and how.");
  return {parser, [] { return show_devices(); }};
}

}  // namespace precipice

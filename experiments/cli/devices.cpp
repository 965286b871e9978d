// SPDX-License-Identifier: Apache-2.0
// precipice devices: where a run could compute, and what is missing where it cannot.
#include <fmt/format.h>

#include <string>
#include <thread>

#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "precision/cuda/find_cuda.h"
#include "precision/kernels/isa.h"
#include "precision/quantize/open_torch_cuda.h"
#include "train/run/provenance.h"

namespace precipice {
namespace {

// Both are looked at, so that all that is missing is said at once.
std::string libtorch_line() {
  const TorchCudaFinding opened = open_torch_cuda(torch_cuda_library_path());
  return opened.usable() ? fmt::format("libtorch_cuda.so opens, cuBLAS {}", opened.cublas) : opened.problem;
}

int show_devices() {
  const CudaFinding found = find_cuda(cuda_library_path());
  print_result(fmt::format(
      "cpu   {}, {} threads, {}\ncuda  {}\n      {}\n\nNo GPU has run device = \"cuda\" yet: docs/CUDA.md says "
      "what is proven, and how.\n",
      cpu_model(), std::thread::hardware_concurrency(), active_isa(), found.usable() ? found.gpu : found.problem,
      libtorch_line()));
  return kSuccess;
}

}  // namespace

Command add_devices(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("devices", "Show the processor and the GPU that are found, or what is missing");
  parser->footer("docs/CUDA.md says what of the GPU's code is proven, and how.");
  return {parser, [] { return show_devices(); }};
}

}  // namespace precipice

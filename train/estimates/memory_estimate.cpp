// SPDX-License-Identifier: Apache-2.0
#include "train/estimates/memory_estimate.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "optim/optimizer_kinds.h"
#include "train/config/model_shapes.h"
#include "train/data/teacher_source.h"
#include "train/estimates/kept_memory.h"
#include "train/estimates/log_size.h"
#include "train/model/model.h"

namespace precipice {
namespace {

constexpr double kFloatBytes = 4;
// What the first steps add to a process: kernels of oneDNN, pages of code, workspaces (an empty run's peak is that far
// above the program's own; docs/PERFORMANCE.md).
constexpr double kKernels = 30e6;
// Eight workspaces of 4 MiB (CUBLAS_WORKSPACE_CONFIG, precision/quantize/open_torch_cuda.cpp).
constexpr double kCublas = 8 * 4 * 1048576.0;

using Terms = std::vector<MemoryTerm>;

double sum_of(const Terms& terms) {
  double sum = 0;
  for (const MemoryTerm& term : terms) sum += term.bytes;
  return sum;
}

Terms pass_terms(const PassMemory& pass) {
  return {{"attention weights", pass.attention},
          {"activations", pass.stream + pass.operands + pass.activation},
          {"quantized weights", pass.weight_operands},
          {"logits", pass.logits},
          {"gradients in passing", pass.passing}};
}

double weight_bytes(const RunConfig& config) {
  return kFloatBytes * static_cast<double>(count_parameters(config.model, config.data.vocabulary).elements);
}

struct Phase {
  std::string name;
  Terms terms;             // beside what is always there
  double kept = 0;         // by its pass
  double copies = 0;       // quantized ones of those
  std::int64_t batch = 0;  // sequences of the pass; 0: none
};

// The allocator keeps what tensors gave back for others of their size, and a quarter more at the most, up to 256 MiB or
// an eighth of what was in use at once (tensor_memory.h). In one phase what waits of another are tensors of sizes that
// it has not: those of a pass over fewer sequences, or quantized copies that it does not make.
double waiting_in(const Phase& phase, const std::vector<Phase>& phases, double tensors) {
  if (phase.batch == 0) return 0;
  double waiting = 0, more_copies = 0;
  for (const Phase& other : phases) {
    if (other.batch != 0 && other.batch != phase.batch) waiting = std::max(waiting, other.kept);
    if (other.batch == phase.batch) more_copies = std::max(more_copies, other.copies - phase.copies);
  }
  constexpr double kSlack = 1 << 28;
  return std::min(waiting + more_copies, std::max(tensors / 8, kSlack));
}

class Phases {
 public:
  explicit Phases(const ResolvedRun& run)
      : config_(run.config),
        schedule_(run.schedule),
        weights_(weight_bytes(run.config)),
        probes_(planned_probes(run.config)) {
    std::erase_if(probes_, [](const auto& probe) { return probe->every() == 0; });
  }

  std::vector<Phase> all() const {
    std::vector<Phase> phases;
    const bool observed = std::ranges::any_of(probes_, [](const auto& probe) { return probe->memory().observes; });
    for (const PrecisionPolicy& policy : schedule_.policies) {
      const PassMemory step = pass(policy, {config_.train.batch, observed, false});
      phases.push_back({observed ? "a training step whose operands are observed" : "a training step", pass_terms(step),
                        step.kept(), step.copies, config_.train.batch});
      add_probes(policy, step.logits, phases);
    }
    return phases;
  }

 private:
  PassMemory pass(const PrecisionPolicy& policy, const PassOptions& options) const {
    return pass_memory(config_, policy, options);
  }

  PassMemory pass_of(const ProbeMemory& probe, const PrecisionPolicy& policy) const {
    const PrecisionPolicy exact = policy.exact();
    const PrecisionPolicy& own = probe.is_exact ? exact : policy;
    if (probe.pass == ProbeMemory::Pass::Forward) {
      PassMemory only;
      only.passing = pass(own, {probe.batch, false, false}).forward;
      return only;
    }
    return pass(own, {probe.batch, false, true});
  }

  // `logits`: of the step's own pass, which wait for its end.
  void add_probes(const PrecisionPolicy& policy, double logits, std::vector<Phase>& phases) const {
    double kept = 0;
    for (const auto& probe : probes_) kept += probe->memory().kept_copies;
    for (const auto& probe : probes_) {
      const ProbeMemory memory = probe->memory();
      if (memory.pass == ProbeMemory::Pass::None) continue;
      const PassMemory own = pass_of(memory, policy);
      Terms terms = pass_terms(own);
      terms.push_back({"probes' copies", (memory.copies + kept) * weights_});
      terms.push_back({"the step's logits", logits});
      phases.push_back(
          {"a probe (metrics." + probe->interval() + "_every)", terms, own.kept(), own.copies, memory.batch});
    }
  }

  const RunConfig& config_;
  const PrecisionSchedule& schedule_;
  double weights_;  // bytes
  Probes probes_;   // that will be due
};

double status_bytes(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name)) return 1024 * std::stod(line.substr(name.size() + 1));
  return 0;
}

// The phase that holds most, and what is always there. `array`: bytes of one of the weights' size.
MemoryEstimate with_most(std::vector<Phase> phases, double array, const Terms& always) {
  for (Phase& phase : phases)
    phase.terms.push_back({"waiting for reuse", waiting_in(phase, phases, 2 * array + sum_of(phase.terms))});
  const auto most = std::max_element(phases.begin(), phases.end(),
                                     [](const Phase& a, const Phase& b) { return sum_of(a.terms) < sum_of(b.terms); });
  MemoryEstimate estimate{most->name, most->terms};
  estimate.terms.insert(estimate.terms.end(), always.begin(), always.end());
  std::erase_if(estimate.terms, [](const MemoryTerm& term) { return term.bytes <= 0; });
  std::stable_sort(estimate.terms.begin(), estimate.terms.end(),
                   [](const MemoryTerm& a, const MemoryTerm& b) { return a.bytes > b.bytes; });
  return estimate;
}

}  // namespace

double MemoryEstimate::bytes() const {
  return sum_of(terms);
}

MemoryEstimate estimate_memory(const ResolvedRun& run, double libraries) {
  const RunConfig& config = run.config;
  const double array = weight_bytes(config), arrays = arrays_of(run);
  const bool is_here = config.device == DeviceKind::Cpu;
  std::vector<Phase> phases = is_here ? Phases(run).all() : std::vector<Phase>{};
  phases.push_back({"a checkpoint", {{"the checkpoint's copies", 2 * arrays * array}}, 0, 0, 0});
  const double log = 2 * log_bytes(config);
  return with_most(phases, array,
                   {{"weights, gradients and moments", is_here ? array * (arrays + 1) : 0},
                    {"data", data_bytes(config.data)},
                    {"the teacher", teacher_bytes(config)},
                    {"log", log},
                    {"libraries", libraries + kKernels}});
}

MemoryEstimate estimate_gpu_memory(const ResolvedRun& run) {
  const double array = weight_bytes(run.config);
  return with_most(Phases(run).all(), array,
                   {{"weights, gradients and moments", array * (arrays_of(run) + 1)}, {"libraries", kCublas}});
}

double arrays_of(const ResolvedRun& run) {
  const std::size_t moments = find_optimizer(run.config.optimizer.kind).moments.size();
  return 1 + static_cast<double>(moments) + (run.stored.weights.kahan ? 1 : 0);
}

double data_bytes(const DataConfig& data) {
  if (is_generated(data.source) && has_stream(data.source)) return 2 * static_cast<double>(data.tokens);
  std::error_code error;
  const auto size = std::filesystem::file_size(data.path, error);
  if (error) return 0;
  // Batches are kept as two arrays of 8-byte tokens, read from a file that packs them.
  return (data.source == DataSource::Batches ? 3.0 : 1.0) * static_cast<double>(size);
}

double resident_bytes() {
  return status_bytes("VmRSS:");
}

double peak_resident_bytes() {
  return status_bytes("VmHWM:");
}

}  // namespace precipice

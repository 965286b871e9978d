// SPDX-License-Identifier: Apache-2.0
#include "optim/cuda_optimizer_machine.h"

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "optim/multi_tensor/kahan_element.h"
#include "optim/optimizer_kinds.h"
#include "optim/step_numbers.h"
#include "optim/store.h"
#include "precision/base/check.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice {
namespace {

struct OpenedLibrary {
  const CudaMemory* memory = nullptr;
  const CudaMultiTensorKernels* kernels = nullptr;
  void* (*current_stream)() = nullptr;
};
OpenedLibrary cuda_optimizer;  // what cuda_optimizer_machine() was given last

Launch next_launch() {
  return on_stream(cuda_optimizer.current_stream());
}

float* allocate_there(std::int64_t size, float value) {
  if (size == 0) return nullptr;
  void* memory = nullptr;
  const Launch launch = next_launch();
  require_queued(
      cuda_optimizer.memory->allocate(static_cast<std::size_t>(size) * sizeof(float), launch.stream, &memory));
  auto* const values = static_cast<float*>(memory);
  require_queued(cuda_optimizer.kernels->fill({values, size}, value, launch));
  return values;
}

// In a destructor: a reason would be that of work before, which who reads results is told.
void release_there(float* memory) {
  cuda_optimizer.memory->release(memory, cuda_optimizer.current_stream());
}

void copy_there(FloatSpan from, FloatSpan to) {
  PRECIPICE_CHECK(from.size == to.size, from.size, " numbers for ", to.size);
  require_queued(cuda_optimizer.memory->copy(to.data, from.data, static_cast<std::size_t>(from.size) * sizeof(float),
                                             cuda_optimizer.current_stream()));
}

// Lists of tensors as the library takes them.
class Spans {
 public:
  explicit Spans(const TensorLists& lists) : lists_(static_cast<std::int64_t>(lists.size())) {
    for (const TensorList& list : lists) {
      PRECIPICE_CHECK(list.size() == lists[0].size(), list.size(), " tensors beside ", lists[0].size());
      spans_.insert(spans_.end(), list.begin(), list.end());
    }
  }
  CudaMultiTensorCall call(const UpdateGate* gate = nullptr, const void* body_at = nullptr) const {
    return {{spans_.data(), lists_, static_cast<std::int64_t>(spans_.size()) / lists_}, next_launch(), gate, body_at};
  }

 private:
  std::int64_t lists_;
  std::vector<FloatSpan> spans_;
};

void l2norm_there(const TensorList& x, double* norm) {
  require_queued(cuda_optimizer.kernels->l2norm(Spans({x}).call(), norm));
}

void scale_l2norm_there(const TensorList& x, const Factor& factor, double* norm) {
  static_assert(sizeof(ScaleBody) == sizeof(float));
  require_queued(cuda_optimizer.kernels->scale_l2norm(Spans({x}).call(nullptr, factor.at), factor.known, norm));
}

void distance_there(const TensorList& a, const TensorList& b, double* norm) {
  require_queued(cuda_optimizer.kernels->distance(Spans({a, b}).call(), norm));
}

template <class Body>
void write_body(const Body& body, std::byte* bytes) {
  static_assert(sizeof(Body) <= kUpdateBytes && alignof(Body) <= alignof(StepNumbers));
  std::memcpy(bytes, static_cast<const void*>(&body), sizeof(Body));
}

template <class Rule>
bool write_by(const std::string& name, const OptimizerConfig& config, const UpdateArgs& update, std::byte* bytes) {
  if (name != Rule::kName) return false;
  if (update.kahan)
    write_body(KahanElement<Rule>(config, update), bytes);
  else
    write_body(UpdateBody<Rule>(config, update), bytes);
  return true;
}

// Whether there is a rule of that name.
template <class... Rules>
bool write_by_any(RuleList<Rules...>, const std::string& name, const OptimizerConfig& config, const UpdateArgs& update,
                  std::byte* bytes) {
  return (write_by<Rules>(name, config, update, bytes) || ...);
}

template <class Rule>
bool update_by(int number, const std::string& name, const OptimizerConfig& config, const UpdateArgs& update,
               const CudaMultiTensorCall& call, UpdateNorms* norms) {
  if (name != Rule::kName) return false;
  if (update.kahan) {
    const KahanElement<Rule> body(config, update);
    require_queued(cuda_optimizer.kernels->update_kahan(call, number, &body, norms));
  } else {
    const UpdateBody<Rule> body(config, update);
    require_queued(cuda_optimizer.kernels->update(call, number, &body, norms));
  }
  return true;
}

// Whether there is a rule of that name.
template <class... Rules>
bool update_by_any(RuleList<Rules...>, const std::string& name, const OptimizerConfig& config, const UpdateArgs& update,
                   const CudaMultiTensorCall& call, UpdateNorms* norms) {
  int number = 0;
  return (update_by<Rules>(number++, name, config, update, call, norms) || ...);
}

[[noreturn]] void refuse_kind(const OptimizerKind& kind) {
  throw ConfigError({"", 0, "optimizer.kind", kind.name}, "the CUDA library has no kernel of this optimizer");
}

void update_there(const OptimizerKind& kind, const OptimizerConfig& config, const UpdateArgs& update,
                  const TensorLists& lists, const UpdateGate* gate, UpdateNorms* norms) {
  PRECIPICE_CHECK(update.step >= 1, "step is ", update.step);
  if (!update_by_any(OptimizerRules{}, kind.name, config, update, Spans(lists).call(gate, update.there), norms))
    refuse_kind(kind);
}

void write_update_there(const OptimizerKind& kind, const OptimizerConfig& config, const UpdateArgs& update,
                        std::byte* bytes) {
  if (!write_by_any(OptimizerRules{}, kind.name, config, update, bytes)) refuse_kind(kind);
}

void read_there(const double* from, std::int64_t count, double* to) {
  require_queued(cuda_optimizer.memory->to_host(to, from, static_cast<std::size_t>(count) * sizeof(double),
                                                cuda_optimizer.current_stream()));
}

void store_there(FloatSpan values, const StoredFormat& stored, FloatSpan scales, const RandomKey& key,
                 const UpdateGate* gate) {
  if (stored.format.is_fp32()) return;
  CudaStoreCall call = cuda_store_call(values, stored, scales, key);
  call.gate = gate;
  require_queued(cuda_optimizer.kernels->store(call, next_launch()));
}

void decide_there(const UpdateDecision& decision, UpdateGate* gate) {
  require_queued(cuda_optimizer.kernels->decide(decision, gate, next_launch()));
}

}  // namespace

CudaStoreCall cuda_store_call(FloatSpan values, const StoredFormat& stored, FloatSpan scales, const RandomKey& key) {
  PRECIPICE_CHECK(scales.size == stored.scales(values.size), scales.size, " scales for ", values.size, " values");
  CudaStoreCall call{.values = values, .scales = scales, .round = {}};
  call.scaled = stored.rule != StoredScaling::None;
  call.ms_amp = stored.rule == StoredScaling::MsAmp;
  call.power_of_two = stored.rule == StoredScaling::CurrentPowerOfTwo;
  call.max_finite = stored.format.max_finite();
  call.block = stored.block == 0 ? values.size : stored.block;
  call.round = prepare_call(static_cast<const float*>(nullptr), nullptr, 0, element_of(stored), 1.0f, key, 0);
  return call;
}

const OptimizerMachine& cuda_optimizer_machine(const CudaLibrary& library, void* (*current_stream)()) {
  std::string problem;
  const auto table = cuda_entry<decltype(precipice_cuda_multi_tensor_kernels)>(
      library.handle, "precipice_cuda_multi_tensor_kernels", problem);
  if (table == nullptr) throw Error(problem);
  cuda_optimizer = {library.memory, table(), current_stream};
  static constexpr OptimizerMachine kMachine{.allocate = allocate_there,
                                             .release = release_there,
                                             .copy = copy_there,
                                             .l2norm = l2norm_there,
                                             .scale_l2norm = scale_l2norm_there,
                                             .distance = distance_there,
                                             .update = update_there,
                                             .read = read_there,
                                             .store = store_there,
                                             .decide = decide_there,
                                             .write_update = write_update_there};
  return kMachine;
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/kernels.h"

#include <ATen/ops/empty.h>

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "optim/multi_tensor/kahan_element.h"
#include "optim/optimizer_kinds.h"
#include "precision/quantize/device.h"
#include "precision/quantize/piece_quantizer.h"
#include "tests/support/test_device/kernel_memory.h"
#include "tests/support/test_device/matrix_kernels.h"
#include "tests/support/test_device/step_kernels.h"

namespace precipice::test_device {
namespace {

using test::DeviceArray;
using test::require_done;
using Opened = DeviceMemory::Opened;

const Machine* without_kernels = nullptr;  // the device's machine while a WithKernels lives

// Lists of tensors for the length of a call.
class Lists {
 public:
  explicit Lists(const TensorLists& lists) : lists_(lists) {
    for (const TensorList& list : lists)
      for (const FloatSpan& span : list) {
        arrays_.push_back(std::make_unique<DeviceArray<float>>(kernels(), numbers_at(span.data, span.size)));
        spans_.push_back({arrays_.back()->data(), span.size});
      }
  }
  CudaMultiTensorCall call() const {
    const auto lists = static_cast<std::int64_t>(lists_.size());
    return {{spans_.data(), lists, static_cast<std::int64_t>(lists_[0].size())}, {}};
  }
  void put_back() {
    std::size_t place = 0;
    for (const TensorList& list : lists_)
      for (const FloatSpan& span : list) test_device::put_back(*arrays_[place++], span.data);
  }

 private:
  const TensorLists& lists_;
  std::vector<std::unique_ptr<DeviceArray<float>>> arrays_;
  std::vector<FloatSpan> spans_;
};

void l2norm(const TensorList& x, double* result) {
  const TensorLists all{x};
  double norm = 0;
  require_done(kernels().multi_tensor->l2norm(Lists(all).call(), norm));
  ++calls.norms;
  put(norm, result);
}

void scale_l2norm(const TensorList& x, float factor, double* result) {
  const TensorLists all{x};
  Lists lists(all);
  double norm = 0;
  require_done(kernels().multi_tensor->scale_l2norm(lists.call(), factor, norm));
  lists.put_back();
  ++calls.norms;
  put(norm, result);
}

void distance(const TensorList& a, const TensorList& b, double* result) {
  const TensorLists all{a, b};
  double norm = 0;
  require_done(kernels().multi_tensor->distance(Lists(all).call(), norm));
  ++calls.norms;
  put(norm, result);
}

template <class Rule>
bool update_by(int number, std::string_view name, const OptimizerConfig& config, const UpdateArgs& update,
               const CudaMultiTensorCall& call, UpdateNorms& norms) {
  if (name != Rule::kName) return false;
  if (update.kahan) {
    const KahanElement<Rule> body(config, update);
    require_done(kernels().multi_tensor->update_kahan(call, number, &body, norms));
  } else {
    const UpdateBody<Rule> body(config, update);
    require_done(kernels().multi_tensor->update(call, number, &body, norms));
  }
  return true;
}

template <class... Rules>
UpdateNorms update_by_any(RuleList<Rules...>, std::string_view name, const OptimizerConfig& config,
                          const UpdateArgs& update, const CudaMultiTensorCall& call) {
  UpdateNorms norms;
  int number = 0;
  const bool found = (update_by<Rules>(number++, name, config, update, call, norms) || ...);
  if (!found) FAIL("no kernel of the rule " << name);
  return norms;
}

void update_lists(const OptimizerKind& kind, const OptimizerConfig& config, const UpdateArgs& update,
                  const TensorLists& tensors, UpdateNorms* result) {
  if (tensors[0].empty()) return put({}, result);
  Lists lists(tensors);
  const UpdateNorms norms = update_by_any(OptimizerRules{}, kind.name, config, update, lists.call());
  lists.put_back();
  ++calls.updates;
  put(norms, result);
}

float largest(const float* x, std::int64_t size, Stream) {
  const DeviceArray<float> array(kernels(), numbers_at(x, size));
  float result = 0;
  require_done(kernels().quantize->amax(array.data(), size, {}, result));
  ++calls.amaxes;
  return result;
}

// A call over arrays of the test device, in memory of the run-time library meanwhile.
EventCounts run(QuantizeCall call) {
  DeviceArray<float> in(kernels(), numbers_at(call.in, call.size));
  const auto size = static_cast<std::size_t>(call.size);
  std::optional<DeviceArray<float>> out;
  std::optional<DeviceArray<std::uint16_t>> packed;
  float* const to = call.out;
  std::uint16_t* const to_packed = call.packed;
  call.in = in.data();
  if (to_packed != nullptr)
    call.packed = packed.emplace(kernels(), std::vector<std::uint16_t>(size)).data();
  else
    call.out = out.emplace(kernels(), std::vector<float>(size)).data();
  EventCounts counts;
  require_done(kernels().quantize->quantize(call, {}, counts));
  if (to_packed != nullptr)
    put_back(*packed, to_packed);
  else
    put_back(*out, to);
  return counts;
}

// One call of the simple kernel does it: nothing is scaled.
bool is_simple(const QuantizeTask& task) {
  const Quantizer& q = task.quantizer();
  return !q.is_scaled() && !q.hadamard && !q.element.range && q.arithmetic == Arithmetic::Te &&
         task.shape().row_stride == task.shape().cols;
}

void quantize_task(QuantizeTask& task, const float* in, const RandomKey& key, const float* amax,
                   const MatrixOutputs& outputs, MatrixNumbers* numbers, Stream stream) {
  const std::int64_t size = task.shape().rows * task.shape().cols;
  if (size == 0) return without_kernels->quantize(task, in, key, amax, outputs, numbers, stream);
  if (!is_simple(task)) return quantize_matrix_by_kernels(task, in, key, amax, outputs, numbers);
  QuantizeCall call = prepare_call(in, outputs.values, size, task.quantizer().element, 1.0f, key, 0);
  std::uint32_t smallest = ~0u;
  call.packed = outputs.packed;
  call.count = outputs.count;
  call.smallest_result = outputs.packed != nullptr ? &smallest : nullptr;
  const EventCounts counts = run(call);
  task.record(smallest);
  const Opened at_work;
  *outputs.scales = 1.0f;
  *numbers = task.numbers(counts, outputs.scales);
  ++calls.quantized;
}

void round_numbers(const PieceRounder& rounder, const NumberRows& numbers, Stream) {
  if (numbers.cols == 0) return;
  const PieceRounder own = numbers.scale.is_known() ? rounder : rounder.with_scale(value_of(numbers.scale));
  for (std::int64_t row = 0; row < numbers.rows; ++row)
    if (const auto call = own.call(numbers.data, row * numbers.stride, numbers.cols)) run(*call);
  ++calls.rounded;
}

void norm_rows(const NormForward& given, std::int64_t rows, Stream) {
  const std::int64_t width = given.width, size = rows * width;
  Copies copies;
  NormForward call = given;
  call.x = copies.in(given.x, size), call.addend = copies.in(given.addend, size);
  call.gain = copies.in(given.gain, width), call.bias = copies.in(given.bias, width);
  call.sum = copies.out(given.sum, size), call.y = copies.out(given.y, size);
  call.statistics = copies.out(given.statistics, 2 * rows);
  copies.done(kernels().rows->norm_forward(call, rows, {}), calls.rows);
}

void norm_rows_back(const NormBackward& given, std::int64_t rows, Stream) {
  const std::int64_t width = given.width, size = rows * width;
  const std::int64_t chunks = (rows + kNormRowsPerChunk - 1) / kNormRowsPerChunk;
  Copies copies;
  NormBackward call = given;
  call.x = copies.in(given.x, size), call.dy = copies.in(given.dy, size), call.addend = copies.in(given.addend, size);
  call.gain = copies.in(given.gain, width), call.statistics = copies.in(given.statistics, 2 * rows);
  call.dx = copies.out(given.dx, size);
  call.dgain = copies.out(given.dgain, 2 * width * chunks);
  call.dbias = given.dbias == nullptr ? nullptr : call.dgain + (given.dbias - given.dgain);
  copies.done(kernels().rows->norm_backward(call, rows, kNormRowsPerChunk, {}), calls.rows);
}

void softmax_rows(float* scores, std::int64_t length, float scale, std::int64_t rows, Stream) {
  Copies copies;
  float* const there = copies.out(scores, rows * length);
  copies.done(kernels().rows->causal_softmax(there, length, scale, rows, {}), calls.rows);
}

void softmax_rows_back(const float* p, float* dp, const float* deltas, std::int64_t length, float scale,
                       std::int64_t rows, Stream) {
  Copies copies;
  const float *weights = copies.in(p, rows * length), *own_deltas = copies.in(deltas, rows);
  float* const gradients = copies.out(dp, rows * length);
  copies.done(kernels().rows->causal_softmax_backward(weights, gradients, own_deltas, length, scale, rows, {}),
              calls.rows);
}

void gelu_numbers(const float* x, std::int64_t size, float* y, float* derivative, Stream) {
  Copies copies;
  const float* const in = copies.in(x, size);
  float *const out = copies.out(y, size), *const slope = copies.out(derivative, size);
  copies.done(kernels().rows->gelu(in, size, out, slope, {}), calls.rows);
}

}  // namespace

KernelCalls kernel_calls() {
  return calls;
}

WithKernels::WithKernels() {
  const at::Tensor any = at::empty({1}, at::TensorOptions(at::kFloat).device(test_device().device));
  without_kernels = &machine_of(any);
  static Machine machine;
  machine = *without_kernels;
  machine.quantize = quantize_task;
  machine.round = round_numbers;
  machine.amax = largest;
  machine.norm_forward = norm_rows;
  machine.norm_backward = norm_rows_back;
  machine.causal_softmax = softmax_rows;
  machine.causal_softmax_backward = softmax_rows_back;
  machine.gelu = gelu_numbers;
  use_step_kernels(machine);
  use_matrix_kernels(machine);
  set_machine(c10::DeviceType::PrivateUse1, machine);
}

WithKernels::~WithKernels() {
  set_machine(c10::DeviceType::PrivateUse1, *without_kernels);
}

TrainingDevice WithKernels::device() const {
  const TrainingDevice plain = test_device();
  static OptimizerMachine machine;
  machine = *plain.optimizer;
  machine.l2norm = l2norm;
  machine.scale_l2norm = scale_l2norm;
  machine.distance = distance;
  machine.update = update_lists;
  return {plain.device, &machine};
}

}  // namespace precipice::test_device

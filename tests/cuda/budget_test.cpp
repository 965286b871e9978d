// SPDX-License-Identifier: Apache-2.0
// What calls cost, counted where no GPU is: launches, bytes that kernels read and write, waits of the host. The budgets
// are what the operations must move, with room for counts and tables, so that a pass or a wait too many shows.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "optim/multi_tensor/multi_tensor_launch.h"
#include "optim/multi_tensor/multi_tensor_update.h"
#include "precision/scaling/block_quantize.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/optim/tensors.h"

using namespace precipice;
using namespace precipice::test;

namespace {

constexpr std::int64_t kSize = 20000;
constexpr std::uint64_t kBytes = kSize * sizeof(float);
// Event counts of the launch: sums in device memory that every block raises once.
constexpr std::uint64_t kCounts = 4096;

// What `work` costs.
template <class Work>
cuda_on_cpu::Counters cost_of(Work work) {
  const cuda_on_cpu::Control& control = *on_cpu().control;
  control.reset_counters();
  work();
  control.memory_in_use(nullptr);  // what is queued is done, and nobody has waited
  return control.counters();
}

struct Budget {
  std::uint64_t launches, read, written, synchronisations;
};

void check_budget(const cuda_on_cpu::Counters& cost, const Budget& budget, std::uint64_t room = kCounts) {
  CHECK(cost.launches == budget.launches);
  CHECK(cost.synchronisations == budget.synchronisations);
  CHECK(cost.bytes_read >= budget.read);
  CHECK(cost.bytes_read <= budget.read + room);
  CHECK(cost.bytes_written >= budget.written);
  CHECK(cost.bytes_written <= budget.written + room);
}

std::vector<float> some_values(std::int64_t size) {
  return random_tensors({size}, 1).data[0];
}

}  // namespace

TEST_CASE("quantize, amax and encode read and write every element once, and amax alone waits", "[cuda_on_cpu]") {
  const Kernels& kernels = kernels_on_cpu(0);
  DeviceArray<float> in(kernels, some_values(kSize)), out(kernels, std::vector<float>(kSize));
  DeviceArray<std::uint16_t> packed(kernels, std::vector<std::uint16_t>(kSize));
  DeviceArray<std::uint32_t> codes(kernels, std::vector<std::uint32_t>(kSize));
  const FloatFormat e4m3 = parse_float_format("e4m3");
  QuantizeCall call = prepare_call(in.data(), out.data(), kSize, {.format = e4m3}, 4.0f, {}, 0);
  const DeviceResult<MatrixNumbers> numbers(kernels);
  const FoundNumbers found{numbers.data(), ResultQuantum(e4m3)};
  float largest = 0;
  // Its last block makes the matrix's numbers of what was counted.
  check_budget(cost_of([&] { require_done(kernels.quantize->quantize(call, found, {})); }), {1, kBytes, kBytes, 0});
  call.packed = packed.data();
  check_budget(cost_of([&] { require_done(kernels.quantize->quantize(call, found, {})); }), {1, kBytes, kBytes / 2, 0});
  call.packed = nullptr;
  check_budget(cost_of([&] {
                 require_done(kernels.quantize->round(call, {out.data(), 1, kSize, kSize, {}}, {}));
               }),
               {1, kBytes, kBytes, 0});
  check_budget(cost_of([&] { require_done(kernels.quantize->amax(in.data(), kSize, {}, largest)); }),
               {1, kBytes, 0, 1});
  check_budget(cost_of([&] {
                 require_done(kernels.quantize->encode(out.data(), codes.data(), kSize, prepare_codes(e4m3), {}));
               }),
               {1, kBytes, kBytes, 0});
}

TEST_CASE("a matrix in blocks is read twice and written once, in two launches and no wait", "[cuda_on_cpu]") {
  const Kernels& kernels = kernels_on_cpu(0);
  Quantizer mx;
  mx.element.format = parse_float_format("e4m3");
  mx.scaling = MxScaling{};
  const MatrixShape shape{25, 800};
  constexpr std::uint64_t kScales = 2 * kBytes / 32;  // of grid values and of elements
  const MatrixCall call = MatrixPlan(mx, shape).plain();
  DeviceArray<float> in(kernels, some_values(kSize)), out(kernels, std::vector<float>(kSize)),
      scales(kernels, std::vector<float>(kSize / 32));
  const DeviceResult<MatrixNumbers> numbers(kernels);
  const FoundNumbers found{numbers.data(), ResultQuantum(mx.element.format)};
  const MatrixArrays arrays{in.data(), out.data(), nullptr, scales.data(), nullptr};
  // Every element reads what it is multiplied by.
  check_budget(cost_of([&] { require_done(kernels.matrix->quantize(call, arrays, nullptr, found, {})); }),
               {2, 3 * kBytes, kBytes + kScales, 0});
}

TEST_CASE("a matrix with one scale is read twice and written once, in two launches, or once where its amax is known",
          "[cuda_on_cpu]") {
  const Kernels& kernels = kernels_on_cpu(0);
  Quantizer current;
  current.element.format = parse_float_format("e4m3");
  current.scaling = AmaxScaling{};
  const MatrixShape shape{25, 800};
  const MatrixCall call = MatrixPlan(current, shape).plain();
  DeviceArray<float> in(kernels, some_values(kSize)), out(kernels, std::vector<float>(kSize)), scale(kernels, {0.0f}),
      amax(kernels, {3.0f});
  const DeviceResult<MatrixNumbers> numbers(kernels);
  const FoundNumbers found{numbers.data(), ResultQuantum(current.element.format)};
  const MatrixArrays arrays{in.data(), out.data(), nullptr, scale.data(), nullptr};
  // Every thread reads the amax.
  const std::uint64_t room = kCounts + kBytes / 4;
  check_budget(cost_of([&] { require_done(kernels.matrix->quantize(call, arrays, nullptr, found, {})); }),
               {2, 2 * kBytes, kBytes, 0}, room);
  check_budget(cost_of([&] { require_done(kernels.matrix->quantize(call, arrays, amax.data(), found, {})); }),
               {1, kBytes, kBytes, 0}, room);
}

TEST_CASE("an update touches each list once in four launches, whatever the number of tensors", "[cuda_on_cpu]") {
  const Kernels& kernels = kernels_on_cpu(0);
  for (const std::int64_t tensors : {1, 4}) {
    const std::int64_t each = kSize / tensors;
    std::vector<std::unique_ptr<DeviceArray<float>>> arrays;
    std::vector<FloatSpan> spans;
    for (std::int64_t i = 0; i < 4 * tensors; ++i) {
      arrays.push_back(std::make_unique<DeviceArray<float>>(kernels, some_values(each)));
      spans.push_back({arrays.back()->data(), each});
    }
    const auto call = [&](std::int64_t lists) { return CudaMultiTensorCall{{spans.data(), lists, tensors}, {}}; };
    // Sums of squares of the lanes: written and read once.
    const std::uint64_t blocks = static_cast<std::uint64_t>((each + kBlock - 1) / kBlock * tensors);
    const std::uint64_t sums = blocks * kLanes * 2 * sizeof(double);
    // The place of its chunk, which every lane reads.
    const std::uint64_t room = kCounts + blocks * kLanes * sizeof(DeviceChunk<4>);
    const UpdateBody<AdamW> body({}, {});
    const DeviceResult<UpdateNorms> norms(kernels);
    const DeviceResult<double> norm(kernels);
    // The table of chunks is cut in the first launch, and the sums are added up in the last one.
    check_budget(cost_of([&] { require_done(kernels.multi_tensor->update(call(4), 0, &body, norms.data())); }),
                 {4, 4 * kBytes + sums, 3 * kBytes + sums, 0}, room);
    check_budget(cost_of([&] { require_done(kernels.multi_tensor->l2norm(call(1), norm.data())); }),
                 {4, kBytes + sums, sums, 0}, room);
  }
}

namespace {

// Positions of a head that are read as a block's own, `positions` at a time, and as the others of all blocks.
struct HeadCost {
  std::uint64_t own, others;

  HeadCost(std::uint64_t length, std::uint64_t positions, bool past) : own(length), others(0) {
    for (std::uint64_t first = 0; first < length; first += positions)
      others += past ? std::min(first + positions, length) : length - first;
  }
};

void check_attention_budget(const Kernels& kernels, std::int64_t length, bool on_bf16) {
  const AttentionShape shape{1, length, 2, 2, 16};
  const auto size = static_cast<std::size_t>(2 * length * 16);
  DeviceArray<float> x(kernels, std::vector<float>(size)), out(kernels, std::vector<float>(size)),
      dq(kernels, std::vector<float>(size)), dk(kernels, std::vector<float>(size)),
      dv(kernels, std::vector<float>(size)),
      statistics(kernels, std::vector<float>(static_cast<std::size_t>(4 * length), 1));
  const HeadStrides strides{0, 32, 16, 1};
  AttentionForward forward;
  forward.shape = shape, forward.on_bf16 = on_bf16;
  forward.q = forward.k = forward.v = {x.data(), strides};
  forward.out = {out.data(), strides}, forward.statistics = statistics.data();
  AttentionBackward backward;
  backward.shape = shape, backward.on_bf16 = on_bf16;
  backward.q = backward.k = backward.v = backward.of_weights = backward.of_values = forward.q;
  backward.statistics = statistics.data();
  backward.dq = {dq.data(), strides}, backward.dk = {dk.data(), strides}, backward.dv = {dv.data(), strides};

  const std::uint64_t own = on_bf16 ? 64 : 32, row = 16 * (on_bf16 ? 2 : 4), result = 16 * 4,
                      threads_of_row = 128 / own;
  const auto t = static_cast<std::uint64_t>(length);
  const HeadCost past(t, own, true), future(t, own, false);
  // Keys three times, values once.
  check_budget(cost_of([&] { require_done(kernels.attention->forward(forward, {})); }),
               {1, 2 * row * (past.own + 4 * past.others), 2 * t * (result + 8), 0}, 0);
  // Keys and values twice, and the numbers of a row by each of its threads; then queries once, with three numbers of a row.
  const std::uint64_t read = 2 * row * (2 * past.own + 4 * past.others) + 2 * t * threads_of_row * 8 +
                             2 * (row * (2 * future.own + 2 * future.others) + future.others * 12);
  const cuda_on_cpu::Counters cost = cost_of([&] { require_done(kernels.attention->backward(backward, {})); });
  check_budget(cost, {2, read, 2 * t * (3 * result + 4), 0}, 0);
  CHECK(cost.allocations == 1);  // a number for each row
}

}  // namespace

TEST_CASE("attention moves no weights: operands for each pass over keys or queries, in one launch and in two",
          "[cuda_on_cpu]") {
  for (const std::int64_t length : {33, 100})
    for (const bool on_bf16 : {false, true}) {
      INFO("length " << length << ", bf16 " << on_bf16);
      check_attention_budget(kernels_on_cpu(0), length, on_bf16);
    }
}

TEST_CASE("work is queued on the stream of its call, and on no other", "[cuda_on_cpu]") {
  const Kernels& kernels = kernels_on_cpu(0);
  const cuda_on_cpu::Control& control = *on_cpu().control;
  void* const stream = control.create_stream();
  DeviceArray<float> x(kernels, some_values(100));
  const DeviceResult<double> norm(kernels);
  const FloatSpan span{x.data(), 100};
  control.reset_counters();
  require_done(kernels.multi_tensor->l2norm({{&span, 1, 1}, {0, 0, stream}}, norm.data()));
  control.memory_in_use(nullptr);
  CHECK(control.counters().launches == 0);
  control.memory_in_use(stream);
  CHECK(control.counters().launches == 4);
  CHECK(control.counters().uploads == 0);  // the table comes with its launch
}

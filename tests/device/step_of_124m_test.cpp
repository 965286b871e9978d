// SPDX-License-Identifier: Apache-2.0
// What a training step of GPT-2 124M would launch and move on a GPU beside its products, told from steps of small models,
// where launches and bytes are counted: both are sums of terms that are known but for their factors, such as tokens x width x
// layers, and the factors follow from as many small steps as there are terms. More steps are told by the factors first.
#include <ATen/ops/linalg_lstsq.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "precision/gemm/multiplier.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/support/catch.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/test_device.h"
#include "tests/support/test_device/waits.h"
#include "tests/support/tiny_run.h"
#include "train/config/metric_intervals.h"
#include "train/data/open_tokens.h"

using namespace precipice;

namespace {

struct Size {
  std::int64_t layers, width, heads, context, vocabulary, batch;
  std::int64_t tokens() const { return batch * context; }
};
constexpr Size k124M{12, 768, 12, 1024, 50304, 16};

struct Cost {
  double kernels = 0, of_aten = 0;  // launches
  // Of both, read and written: each byte once in a launch, as if caches kept the rest.
  double bytes_of_kernels = 0, bytes_of_aten = 0;
  double bytes() const { return bytes_of_kernels + bytes_of_aten; }
};

Cost cost_of(const Size& size) {
  RunConfig config = test::tiny_config(
      {"train.steps=20", "train.eval_every=100", "schedule.warmup_steps=1", "precision.recipe=fp8",
       "precision.carrier=bf16", fmt::format("data.tokens={}", 20 * size.tokens()),
       fmt::format("data.vocabulary={}", size.vocabulary), fmt::format("model.layers={}", size.layers),
       fmt::format("model.width={}", size.width), fmt::format("model.heads={}", size.heads),
       fmt::format("model.context={}", size.context), fmt::format("train.batch={}", size.batch)});
  config.metrics = no_probes();
  const std::unique_ptr<TokenSource> tokens = open_tokens(config);
  Trainer trainer(config, *tokens, test_device::test_device());
  trainer.step();
  const cuda_on_cpu::Control& control = *test::on_cpu().control;
  control.memory_in_use(test_device::stream());  // nothing of the first is left
  const cuda_on_cpu::Counters before = control.counters();
  const test_device::AtenWork aten_before = test_device::aten_work();
  trainer.step();
  control.memory_in_use(test_device::stream());
  const cuda_on_cpu::Counters after = control.counters();
  const test_device::AtenWork aten = test_device::aten_work();
  const auto of_kernels = static_cast<double>(after.first_bytes - before.first_bytes);
  return {static_cast<double>(after.launches - before.launches),
          static_cast<double>(aten.operations - aten_before.operations), of_kernels,
          static_cast<double>(aten.bytes - aten_before.bytes)};
}

std::vector<double> terms_of(const Size& s) {
  const auto n = static_cast<double>(s.tokens()), c = static_cast<double>(s.width), l = static_cast<double>(s.layers),
             v = static_cast<double>(s.vocabulary), t = static_cast<double>(s.context),
             h = static_cast<double>(s.heads);
  return {l * n * c, l * c * c, l * c, n * v, v * c, n * c, l * n, l * n * h, t * c, l, 1};
}

// Heads of narrower models are copied before they are quantized (rows_in_memory(), precision/quantize/quantize.cpp).
std::vector<Size> small_sizes() {
  std::vector<Size> sizes;
  for (const std::int64_t layers : {1, 2})
    for (const auto& [width, heads] : {std::pair<std::int64_t, std::int64_t>{128, 2}, {160, 5}, {192, 3}})
      for (const auto& [context, batch] : {std::pair<std::int64_t, std::int64_t>{64, 1}, {64, 3}, {128, 1}, {192, 1}})
        sizes.push_back(
            {layers, width, heads, context, 96 + 64 * static_cast<std::int64_t>(sizes.size() % 5 % 3), batch});
  return sizes;
}

at::Tensor as_tensor(const std::vector<double>& values) {
  return at::tensor(values, at::TensorOptions(at::kDouble));
}

// The factors, of terms that are weighed by what they add up to.
std::vector<double> factors_of(const std::vector<Size>& sizes, const std::vector<double>& values) {
  std::vector<double> rows;
  for (std::size_t i = 0; i < sizes.size(); ++i)
    for (const double term : terms_of(sizes[i])) rows.push_back(term / values[i]);
  const auto count = static_cast<std::int64_t>(sizes.size());
  const at::Tensor matrix = as_tensor(rows).view({count, -1});
  // Columns of one length: terms differ by powers of ten.
  const at::Tensor lengths = matrix.norm(2, {0}, true);
  const at::Tensor ones = as_tensor(std::vector<double>(sizes.size(), 1.0)).view({count, 1});
  const at::Tensor found = std::get<0>(at::linalg_lstsq(matrix.div(lengths), ones)).view(-1).div(lengths.view(-1));
  return {found.const_data_ptr<double>(), found.const_data_ptr<double>() + found.numel()};
}

double told(const std::vector<double>& factors, const Size& size) {
  const std::vector<double> terms = terms_of(size);
  double sum = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) sum += factors[i] * terms[i];
  return sum;
}

}  // namespace

// The goals are 700 launches in all, with the 147 products, which are met, and 48 GB, which are not (docs/PERFORMANCE.md says
// what is missing): what is held is what there is.
TEST_CASE("a step of GPT-2 124M in fp8 would launch and move no more beside its products than its budget", "[.slow]") {
  if (!matmul_cpu().avx512) {
    WARN("skipped: this processor has no products of bf16 numbers");
    return;
  }
  const test_device::FreeSums free;
  const std::vector<Size> sizes = small_sizes();
  std::vector<double> of_kernels, of_aten;
  for (const Size& size : sizes) {
    const Cost cost = cost_of(size);
    of_kernels.push_back(cost.bytes_of_kernels), of_aten.push_back(cost.bytes_of_aten);
  }
  const std::vector<double> by_kernels = factors_of(sizes, of_kernels), by_aten = factors_of(sizes, of_aten);
  // Larger in every direction than what the factors are from.
  for (const Size& other : {Size{3, 144, 3, 192, 352, 1}, Size{1, 256, 4, 128, 416, 2}}) {
    const double told_bytes = told(by_kernels, other) + told(by_aten, other), counted = cost_of(other).bytes();
    CAPTURE(counted, told_bytes);
    CHECK(std::abs(told_bytes / counted - 1) < 0.01);  // blocks at the ends of arrays are in no term
  }
  // Launches depend on the number of layers alone.
  const Cost one = cost_of({1, 128, 2, 64, 96, 1}), two = cost_of({2, 160, 5, 128, 160, 1});
  const auto of_layers = [](double first, double second) { return first + (k124M.layers - 1) * (second - first); };
  const double kernels = of_layers(one.kernels, two.kernels), operations = of_layers(one.of_aten, two.of_aten);
  const double gigabytes = told(by_kernels, k124M) / 1e9, gigabytes_of_aten = told(by_aten, k124M) / 1e9;
  CAPTURE(kernels, operations, gigabytes, gigabytes_of_aten);
  CHECK(kernels <= 497);
  CHECK(operations <= 11);
  CHECK(gigabytes <= 81.5);
  CHECK(gigabytes_of_aten <= 1.1);
}

// SPDX-License-Identifier: Apache-2.0
// Quantizers against memcpy of the same tensor: out of the caches, where memory is the limit, and inside the
// second-level cache, where arithmetic is.
#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "experiments/bench/bench.h"
#include "precision/format/format_presets.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/quantize/parallel.h"
#include "precision/quantize/quantize.h"
#include "precision/scaling/block_quantize.h"

namespace precipice {
namespace {

// Values of many magnitudes and both signs, as a weight has.
void fill(float* values, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i)
    values[i] =
        (static_cast<float>(random_word({1, 2, 3, 4}, static_cast<std::uint64_t>(i)) >> 8) * 0x1p-24f - 0.5f) * 8.0f;
}

Quantizer current_e4m3() {
  Quantizer q(ElementQuantizer{kE4m3});
  q.scaling = AmaxScaling{};
  return q;
}

struct Arrays {
  explicit Arrays(std::int64_t n) : size(n), in(static_cast<std::size_t>(n)), out(in.size()), packed(in.size()) {
    fill(in.data(), n);
  }
  void quantize_once(const ElementQuantizer& spec, bool as_bf16) {
    constexpr std::int64_t kGrain = 1 << 16;
    at::parallel_for(0, size, kGrain, [&](std::int64_t begin, std::int64_t end) {
      QuantizeCall call = prepare_call(in.data() + begin, out.data() + begin, end - begin, spec, 3.0f, {},
                                       static_cast<std::uint64_t>(begin));
      if (as_bf16) call.packed = packed.data() + begin;
      call.stream = size * (as_bf16 ? 2 : 4) >= kStreamedBytes;
      active_kernels().quantize(call);
    });
  }
  // What quantize() of a tensor does, into memory that is there as memcpy's target is: fresh pages would be most of it.
  void quantize_current() {
    constexpr std::int64_t kCols = 4096, kGrain = 16;  // rows
    MatrixPlan plan(current_e4m3(), {size / kCols, kCols, 1});
    std::int32_t pattern = 0;
    std::mutex mutex;
    at::parallel_for(0, size / kCols, kGrain, [&](std::int64_t first, std::int64_t last) {
      std::int32_t own = 0;
      plan.measure_amaxes(in.data(), first, last, &own);
      const std::lock_guard<std::mutex> lock(mutex);
      pattern = std::max(pattern, own);
    });
    float scale = 0.0f;
    MatrixOutputs outputs{out.data(), &scale, nullptr};
    outputs.stream = size * 4 >= kStreamedBytes;
    plan.finish_scales(&pattern, outputs);
    at::parallel_for(0, size / kCols, kGrain, [&](std::int64_t first, std::int64_t last) {
      plan.quantize_rows(in.data(), first, last, {}, outputs);
    });
  }
  void copy() { std::memcpy(out.data(), in.data(), in.size() * sizeof(float)); }
  std::int64_t size;
  std::vector<float> in, out;
  std::vector<std::uint16_t> packed;
};

std::string rate_of(double elements, const BenchRow& row) {
  return fmt::format("{:.2f} Gelem/s", 1e-9 * elements / median(row.ours));
}

}  // namespace

void bench_quantize(const BenchOptions& options, std::vector<BenchRow>& rows) {
  const std::int64_t size = (std::int64_t{1} << 26) / (options.quick ? 16 : 1);
  const int repetitions = options.quick ? 5 : 9;
  const std::string place = fmt::format(", {}M elements", size >> 20);
  Arrays arrays(size);
  ElementQuantizer spec{kE4m3};
  const auto add = [&](const std::string& work, const std::string& reference, double goal,
                       const std::function<void()>& ours, const std::function<void()>& theirs, double elements) {
    rows.push_back(compare(work, reference, goal, repetitions, ours, theirs));
    rows.back().rate = rate_of(elements, rows.back());
  };
  const auto elements = static_cast<double>(size);
  const auto copy = [&] { arrays.copy(); };
  add(
      "quantize e4m3 nearest-even to fp32, counters" + place, "memcpy", 1.1, [&] { arrays.quantize_once(spec, false); },
      copy, elements);
  add(
      "quantize e4m3 nearest-even to bf16, counters" + place, "memcpy", 1.1, [&] { arrays.quantize_once(spec, true); },
      copy, elements);
  const double stochastic_goal = options.threads == 1 ? 2.0 : 1.2;
  for (const int bits : {32, 8}) {
    ElementQuantizer stochastic = spec;
    stochastic.rounding = Rounding::Stochastic;
    stochastic.random_bits = bits;
    add(
        fmt::format("quantize e4m3 stochastic {} bits to bf16, counters{}", bits, place), "memcpy", stochastic_goal,
        [&] { arrays.quantize_once(stochastic, true); }, copy, elements);
  }
  add(
      "amax, quantize e4m3, counters (current scale)" + place, "two memcpy", 1.2, [&] { arrays.quantize_current(); },
      [&] { arrays.copy(), arrays.copy(); }, elements);
  // The columns of what lies in rows are a view of it: wgrad's operand costs no copy of its own.
  const at::Tensor matrix = at::from_blob(arrays.in.data(), {size / 4096, 4096}, at::TensorOptions(at::kFloat));
  add(
      "amax, quantize e4m3 for a GEMM over the other axis" + place, "memcpy", 1.5,
      [&] {
        quantize(matrix, current_e4m3(), Contraction::AxisBefore, {}, {}, {true, false});
      },
      copy, elements);
  // A quarter of a MiB of fp32, many times over.
  const std::int64_t small = 65536, times = options.quick ? 64 : 512;
  Arrays cached(small);
  const auto often = [times](const std::function<void()>& work) {
    return [=] {
      for (std::int64_t i = 0; i < times; ++i) work();
    };
  };
  const auto all = static_cast<double>(small * times);
  for (const bool as_bf16 : {false, true})
    add(fmt::format("quantize e4m3 nearest-even to {}, counters, 256 KiB", as_bf16 ? "bf16" : "fp32"), "memcpy", 0,
        often([&cached, &spec, as_bf16] { cached.quantize_once(spec, as_bf16); }), often([&] { cached.copy(); }), all);
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// quantize, amax and encode as kernel bodies for host and device: the work of one thread of a launch. The arithmetic is
// round_to_format.h's and format_codes.h's, the random words are random_bits.h's, so results have the bits of the CPU's
// array loops (quantize-inl.h) whatever the numbers of blocks and threads. quantize_cuda.cu wraps the bodies in
// kernels; tests run those on the CPU (tests/support/cuda_on_cpu). Of a QuantizeCall, `stream` and `count` say nothing to
// a GPU: events are always counted. A block counts its events in shared memory first:
//   clear (one thread), barrier, run (every thread), barrier, publish (one thread), finish (one thread of the last block)
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/calls/number_rows.h"
#include "precision/cuda/launch.h"
#include "precision/cuda/matrix_arrays.h"
#include "precision/cuda/quad.h"
#include "precision/format/bf16_bits.h"
#include "precision/format/format_codes.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/kernels/quantize_kernels.h"
#include "precision/rounding/round_to_format.h"
#include "precision/scaling/scale_formulas.h"

namespace precipice {

template <class Source>
PRECIPICE_HD constexpr typename Source::Int pattern_in(typename Source::Float x) {
  using Uint = typename Source::Uint;
  return static_cast<typename Source::Int>(__builtin_bit_cast(Uint, x) & (~Uint{0} >> 1));
}

// What the threads of a launch add up, as integers, whose sums and maximum do not depend on their order. The events
// leave out total and amax, which follow at the end.
struct LaunchCounts {
  EventCounts events;
  std::int64_t largest = 0;  // pattern of the source
  std::int64_t above_smallest =
      0;  // the bits that QuantizeCall::smallest_result's pattern has not: largest where it is least
};

template <class Atomics>
PRECIPICE_HD void merge(LaunchCounts& to, const LaunchCounts& from) {
  if (from.events.nan_in != 0) Atomics::add(to.events.nan_in, from.events.nan_in);
  if (from.events.saturated != 0) Atomics::add(to.events.saturated, from.events.saturated);
  if (from.events.overflowed != 0) Atomics::add(to.events.overflowed, from.events.overflowed);
  if (from.events.underflowed != 0) Atomics::add(to.events.underflowed, from.events.underflowed);
  if (from.events.subnormal != 0) Atomics::add(to.events.subnormal, from.events.subnormal);
  if (from.largest != 0) Atomics::raise(to.largest, from.largest);
  if (from.above_smallest != 0) Atomics::raise(to.above_smallest, from.above_smallest);
}

template <class Atomics>
PRECIPICE_HD LaunchCounts take(LaunchCounts& from) {
  LaunchCounts taken;
  taken.events.nan_in = Atomics::take(from.events.nan_in);
  taken.events.saturated = Atomics::take(from.events.saturated);
  taken.events.overflowed = Atomics::take(from.events.overflowed);
  taken.events.underflowed = Atomics::take(from.events.underflowed);
  taken.events.subnormal = Atomics::take(from.events.subnormal);
  taken.largest = Atomics::take(from.largest);
  taken.above_smallest = Atomics::take(from.above_smallest);
  return taken;
}

// Any NaN comes out as the one quiet NaN; binary64 is rounded to nearest even, as on the CPU.
template <class Source>
PRECIPICE_HD float amax_of(std::int64_t largest) {
  return amax_of_pattern(static_cast<typename Source::Int>(largest));
}

template <class Source>
PRECIPICE_HD EventCounts event_counts(const LaunchCounts& counts, std::int64_t size) {
  EventCounts events = counts.events;
  events.total = static_cast<std::uint64_t>(size);
  events.amax = amax_of<Source>(counts.largest);
  return events;
}

// A NaN keeps its sign and payload and becomes quiet, as it does on x86: a GPU's product would be its one NaN.
template <class Source>
PRECIPICE_HD typename Source::Float quiet(typename Source::Float nan) {
  using Uint = typename Source::Uint;
  constexpr Uint kQuiet = Uint{1} << (Source::kMantissa - 1);
  return __builtin_bit_cast(typename Source::Float, __builtin_bit_cast(Uint, nan) | kQuiet);
}

PRECIPICE_HD float scaled_by(float x, float by, bool divide) {
  if (pattern_in<Binary32>(x) > Binary32::kInfinity) return quiet<Binary32>(x);
  return divide ? x / by : x * by;
}

// x times what its element is multiplied (or divided) by.
template <class Source>
PRECIPICE_HD typename Source::Float scaled(typename Source::Float x, const QuantizeCallOf<Source>& call,
                                           std::int64_t i) {
  if constexpr (Source::kMantissa == Binary32::kMantissa) {
    if (call.multipliers != nullptr) return scaled_by(x, call.multipliers[i >> call.block_shift], call.divide);
  }
  if (pattern_in<Source>(x) > Source::kInfinity) return quiet<Source>(x);
  return x * static_cast<typename Source::Float>(call.scale);
}

// The result as a bf16 number, as pack_bf16 (fast_rounding-inl.h) makes it.
PRECIPICE_HD std::uint16_t packed_result(float value, LaunchCounts& counts) {
  const std::uint16_t half = bf16_bits(__builtin_bit_cast(std::uint32_t, value));
  const std::uint32_t less_one = ((half & 0x7FFFu) << 16) - 1;  // zero wraps around to the largest
  const auto above = static_cast<std::int64_t>(~less_one);
  counts.above_smallest = above > counts.above_smallest ? above : counts.above_smallest;
  return half;
}

// `stand_in`: of results that are NaN, once they were counted; or null.
template <class Source>
PRECIPICE_HD void store_results(const QuantizeCallOf<Source>& call, const Quad& quad, const float (&results)[4],
                                const float* stand_in, LaunchCounts& counts) {
  float kept[4];
  std::uint16_t packed[4];
  for (int k = 0; k < 4; ++k) {
    if (!quad.has(k)) continue;
    const bool is_replaced = stand_in != nullptr && results[k] != results[k];
    kept[k] = is_replaced ? *stand_in : results[k];
    if (call.packed == nullptr) continue;
    packed[k] = packed_result(results[k], counts);
    if (is_replaced) packed[k] = bf16_bits(__builtin_bit_cast(std::uint32_t, *stand_in));
  }
  if (call.packed == nullptr)
    store_quad(kept, quad, call.out);
  else
    store_quad(packed, quad, call.packed);
}

// An item is a block of the random stream: its neighbours share one evaluation of Philox.
template <class Source>
PRECIPICE_HD std::uint64_t elements_of_item(const QuantizeCallOf<Source>& call) {
  return 4 * static_cast<std::uint64_t>(parts_of_word(call.random_bits));
}
template <class Source>
PRECIPICE_HD std::int64_t quantize_items(const QuantizeCallOf<Source>& call) {
  const std::uint64_t end = call.first_element + static_cast<std::uint64_t>(call.size);
  const std::uint64_t each = elements_of_item(call);
  return call.size == 0 ? 0 : static_cast<std::int64_t>((end + each - 1) / each - call.first_element / each);
}

// An element as the format sees it: `given`, or what becomes of it in bf16.
template <class Source>
PRECIPICE_HD typename Source::Float source_number(const QuantizeCallOf<Source>& call, typename Source::Float given,
                                                  LaunchCounts& counts) {
  if constexpr (Source::kMantissa == Binary32::kMantissa) {
    if (call.through_bf16) {
      const float in_bf16 = round_and_check<Rounding::NearestEven, false>(given, call.bf16, 0, 0).value;
      const float kept = keep_bits(in_bf16, call.kept_bits);
      counts.events.saturated += pattern_in<Binary32>(kept) != pattern_in<Binary32>(in_bf16);
      return kept;
    }
  }
  return given;
}

// x, scaled to `product`, rounded.
template <class Source, Rounding R, bool General>
PRECIPICE_HD float round_element(const QuantizeCallOf<Source>& call, typename Source::Float x,
                                 typename Source::Float product, std::uint32_t word, LaunchCounts& counts) {
  const Rounded rounded = round_and_check<R, General, Source>(product, call.format, word, call.random_bits);
  const auto before = pattern_in<Source>(x);
  const std::int32_t after = pattern_in<Binary32>(rounded.value);
  const bool is_nan = before > Source::kInfinity, is_finite = after < kInfinityPattern, beyond = rounded.beyond != 0;
  counts.events.nan_in += is_nan;
  counts.events.saturated += beyond & is_finite;
  counts.events.overflowed += !is_finite & !is_nan;
  counts.events.underflowed += (after == 0) & (before != 0) & !beyond;
  counts.events.subnormal += static_cast<std::uint32_t>(after - 1) < call.subnormal_patterns;
  counts.largest = before > counts.largest ? before : counts.largest;
  return rounded.value;
}

// Random words of the elements of a quad.
struct QuadWords {
  std::uint32_t at[4];
};

// round(quad, words) for the elements of this thread.
template <Rounding R, class Source, class Round>
PRECIPICE_HD void for_random_blocks(const QuantizeCallOf<Source>& call, ThreadPosition position, const Round& round) {
  const std::int64_t items = quantize_items(call);
  const std::uint64_t each = elements_of_item(call);
  RandomKey key;
  if constexpr (is_stochastic(R)) key = key_there(call.key);
  for (std::int64_t item = position.thread; item < items; item += position.threads) {
    const std::uint64_t block = call.first_element / each + static_cast<std::uint64_t>(item);
    Philox4 words{};
    if constexpr (is_stochastic(R)) words = random_block(key, block);
    for (std::uint64_t begin = 0; begin < each; begin += 4) {
      // Negative: inside the first block.
      const Quad quad = quad_of(static_cast<std::int64_t>(each * block + begin - call.first_element), call.size);
      QuadWords random{};
      for (std::uint64_t k = 0; k < 4; ++k)
        random.at[k] = random_part(words.word[(begin + k) * 4 / each], begin + k, call.random_bits);
      if (quad.begin < quad.end) round(quad, random);
    }
  }
}

template <class Source, Rounding R, bool General>
PRECIPICE_HD void quantize_thread_as(const QuantizeCallOf<Source>& call, ThreadPosition position,
                                     LaunchCounts& counts) {
  for_random_blocks<R>(call, position, [&](const Quad& quad, const QuadWords& random) {
    typename Source::Float given[4];
    float results[4];
    load_quad(call.in, quad, given);
    for (int k = 0; k < 4; ++k) {
      if (!quad.has(k)) continue;
      const typename Source::Float x = source_number(call, given[k], counts);
      const typename Source::Float product = scaled<Source>(x, call, quad.first + k);
      results[k] = round_element<Source, R, General>(call, x, product, random.at[k], counts);
    }
    store_results(call, quad, results, nullptr, counts);
  });
}

// What a kernel was compiled for: one rounding of formats that need nothing special (FormatConstants::general), in few
// registers, or all, of which every thread takes the call's branch.
enum class KernelRounding : std::uint8_t { Any, NearestEven, Stochastic };

// f.operator()<K>() for the kernel that serves a call.
template <class Call, class F>
void with_kernel_of(const Call& call, F&& f) {
  if (!call.format.general && call.rounding == Rounding::NearestEven)
    f.template operator()<KernelRounding::NearestEven>();
  else if (!call.format.general && call.rounding == Rounding::Stochastic)
    f.template operator()<KernelRounding::Stochastic>();
  else
    f.template operator()<KernelRounding::Any>();
}

// f.operator()<R, General>() for what a call rounds to.
template <KernelRounding K, class Call, class F>
PRECIPICE_HD void dispatch_call(const Call& call, F&& f) {
  if constexpr (K == KernelRounding::NearestEven) return f.template operator()<Rounding::NearestEven, false>();
  if constexpr (K == KernelRounding::Stochastic) return f.template operator()<Rounding::Stochastic, false>();
  if constexpr (K == KernelRounding::Any)
    dispatch_rounding(call.rounding, [&]<Rounding R>() {
      if (call.format.general)
        f.template operator()<R, true>();
      else
        f.template operator()<R, false>();
    });
}

template <KernelRounding K, class Source>
PRECIPICE_HD LaunchCounts quantize_thread(const QuantizeCallOf<Source>& call, ThreadPosition position) {
  LaunchCounts counts{};
  dispatch_call<K>(call,
                   [&]<Rounding R, bool General>() { quantize_thread_as<Source, R, General>(call, position, counts); });
  return counts;
}

// With the bytes between its members: the whole comes to the host.
PRECIPICE_HD void put_numbers(MatrixNumbers* to, const MatrixNumbers& numbers) {
  static_assert(sizeof(MatrixNumbers) % sizeof(std::uint64_t) == 0);
  auto* const words = reinterpret_cast<std::uint64_t*>(to);
  for (std::size_t i = 0; i < sizeof(MatrixNumbers) / sizeof(std::uint64_t); ++i) words[i] = 0;
  *to = numbers;
}

// What QuantizeTask::numbers() says, from the events of all elements. `scale`: the matrix's, where it has one; else 1.
template <class Source>
PRECIPICE_HD void put_found(const FoundNumbers& found, const LaunchCounts& counts, const QuantizeCallOf<Source>& call,
                            float scale) {
  MatrixNumbers numbers;
  numbers.events = event_counts<Source>(counts, call.size);
  numbers.scale = scale;
  const float amax = numbers.events.amax;
  if (found.outer_max != 0 && amax > 0.0f) numbers.outer = nvfp4_outer_scale(amax, found.outer_max);
  const auto smallest = ~static_cast<std::uint32_t>(counts.above_smallest);
  ResultQuantum quantum = found.quantum;
  if (quantum.depends_on_results()) quantum.record(smallest);
  numbers.quantum = static_cast<float>(quantum.value());
  put_numbers(found.numbers, numbers);
  if (call.smallest_result != nullptr && smallest < *call.smallest_result) *call.smallest_result = smallest;
}

template <KernelRounding K, class Source>
struct QuantizeLaunch {
  QuantizeCallOf<Source> call;
  LaunchSums<LaunchCounts>* sums;
  FoundNumbers found;

  PRECIPICE_HD std::int64_t items() const { return quantize_items(call); }
  PRECIPICE_HD void clear(LaunchCounts& shared) const { shared = LaunchCounts{}; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position, LaunchCounts& shared) const {
    merge<Atomics>(shared, quantize_thread<K>(call, position));
  }
  template <class Atomics>
  PRECIPICE_HD void publish(const LaunchCounts& shared) const {
    merge<Atomics>(sums->sums, shared);
  }
  template <class Atomics>
  PRECIPICE_HD void finish() const {
    put_found(found, take<Atomics>(sums->sums), call, 1.0f);
  }
};

// Numbers where they lie, in rows (PieceRounder::round). Words of a random stream are numbered where rows have no gaps.
template <KernelRounding K>
struct RoundRowsLaunch {
  QuantizeCall call;  // of all numbers
  NumberRows rows;

  PRECIPICE_HD std::int64_t items() const { return quantize_items(call); }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    dispatch_call<K>(call, [&]<Rounding R, bool General>() { round_items<R, General>(position); });
  }

 private:
  template <Rounding R, bool General>
  PRECIPICE_HD void round_items(ThreadPosition position) const {
    QuantizeCall own = call;
    if (!rows.scale.is_known()) own.scale = rows.scale.value();
    LaunchCounts ignored{};
    for_random_blocks<R>(own, position, [&](const Quad& quad, const QuadWords& random) {
      float given[4], results[4];
      const auto place = [&](int k) {
        const std::int64_t i = quad.first + k;
        return i / rows.cols * rows.stride + i % rows.cols;
      };
      const bool has_gaps = rows.stride != rows.cols;
      if (!has_gaps) load_quad(own.in, quad, given);
      for (int k = 0; k < 4; ++k) {
        if (!quad.has(k)) continue;
        const float x = source_number<Binary32>(own, has_gaps ? own.in[place(k)] : given[k], ignored);
        const float product = scaled<Binary32>(x, own, quad.first + k);
        results[k] = round_element<Binary32, R, General>(own, x, product, random.at[k], ignored);
        if (has_gaps) own.out[place(k)] = results[k];
      }
      if (!has_gaps) store_quad(results, quad, own.out);
    });
  }
};

PRECIPICE_HD void raise_largest(const Quad& quad, const float (&x)[4], LaunchCounts& counts) {
  for (int k = 0; k < 4; ++k) {
    if (!quad.has(k)) continue;
    const std::int32_t pattern = pattern_in<Binary32>(x[k]);
    counts.largest = pattern > counts.largest ? pattern : counts.largest;
  }
}

struct AmaxLaunch {
  const float* in;
  std::int64_t size;
  LaunchSums<LaunchCounts>* sums;
  float* amax;

  PRECIPICE_HD std::int64_t items() const { return (size + 3) / 4; }
  PRECIPICE_HD void clear(LaunchCounts& shared) const { shared = LaunchCounts{}; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position, LaunchCounts& shared) const {
    LaunchCounts own{};
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const Quad quad = quad_of(4 * item, size);
      float x[4];
      load_quad(in, quad, x);
      raise_largest(quad, x, own);
    }
    merge<Atomics>(shared, own);
  }
  template <class Atomics>
  PRECIPICE_HD void publish(const LaunchCounts& shared) const {
    merge<Atomics>(sums->sums, shared);
  }
  template <class Atomics>
  PRECIPICE_HD void finish() const {
    *amax = amax_of<Binary32>(take<Atomics>(sums->sums).largest);
  }
};

struct EncodeLaunch {
  const float* in;
  std::uint32_t* out;
  std::int64_t size;
  CodeConstants codes;

  PRECIPICE_HD std::int64_t items() const { return size; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t i = position.thread; i < size; i += position.threads) out[i] = encode_value(codes, in[i]);
  }
};

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// Attention in one kernel against whole products with a softmax between, made of other parts: gemm_reference() and
// row_kernels() and quantize() on whole arrays. Bit for bit where sums have an order, or data need none; else in binary64
// with a bound of its own for each number.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "precision/accumulator/emulated_gemm.h"
#include "precision/calls/attention_calls.h"
#include "precision/format/float_format.h"
#include "precision/kernels/quantize_kernels.h"
#include "precision/kernels/row_kernels.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/cuda/row_comparison.h"

namespace precipice::test {

// What is rounded, to what.
struct AttentionRoundings {
  ElementQuantizer scores, weights, output, upstream, gradients;  // gradients: dS
};

struct AttentionCase {
  AttentionShape shape;
  AttentionRoundings to;
  bool on_bf16 = false;
};

inline ElementQuantizer rounded_to(const char* format, Rounding rounding = Rounding::NearestEven) {
  ElementQuantizer element;
  element.format = parse_float_format(format);
  element.rounding = rounding;
  return element;
}

// Four streams of words, as a site's slots have them.
inline RandomKey attention_key(std::uint16_t operand) {
  return {1234, 5, 6, operand};
}
enum AttentionSlot : std::uint16_t { kOfWeights = 1, kOfWeightsAgain, kOfGradients, kOfGradientsAgain };

inline NumberRounding number_rounding(const ElementQuantizer& element, std::uint16_t slot = 0) {
  if (element.is_identity()) return {};
  return NumberRounding(
      prepare_call(static_cast<const float*>(nullptr), nullptr, 0, element, 1.0f, attention_key(slot), 0));
}

using Floats = std::vector<float>;

// Of heads (B, heads, T, D).
struct AttentionInputs {
  Floats q, k, v, upstream;
};
struct AttentionResults {
  Floats out, dq, dk, dv;
  Floats amaxes = {};  // of `out` and of all gradients, as kernels note them
};

// The definition, with all scores of all heads in memory.
class WholeAttention {
 public:
  WholeAttention(const AttentionCase& given, const AttentionInputs& inputs)
      : s_(given.shape), to_(given.to), in_(inputs), scale_(1.0f / std::sqrt(static_cast<float>(s_.depth))) {}

  AttentionResults run() {
    AttentionResults results{zeros(s_.heads), zeros(s_.heads), zeros(s_.groups), zeros(s_.groups)};
    Floats weights(size_of_weights()), upstream = weights;
    const auto t = static_cast<std::size_t>(s_.length), square = t * t;
    for_heads([&](std::size_t head, std::size_t group) {
      multiply(rows(in_.q, head), rows(in_.k, group), s_.length, s_.length, s_.depth, weights.data() + head * square);
      multiply(rows(in_.upstream, head), rows(in_.v, group), s_.length, s_.length, s_.depth,
               upstream.data() + head * square);
    });
    round(weights, to_.scores, 0), round(upstream, to_.upstream, 0);
    row_kernels().causal_softmax(weights.data(), s_.length, scale_, 0, s_.batch * s_.heads * s_.length);
    row_kernels().causal_softmax_backward(weights.data(), upstream.data(), nullptr, s_.length, scale_, 0,
                                          s_.batch * s_.heads * s_.length);
    Floats first = weights, again = weights, query_side = upstream, key_side = upstream;
    round(first, to_.weights, kOfWeights), round(again, to_.weights, kOfWeightsAgain);
    round(query_side, to_.gradients, kOfGradients), round(key_side, to_.gradients, kOfGradientsAgain);
    for_heads([&](std::size_t head, std::size_t group) {
      multiply(operand(first.data() + head * square, s_.length, 1), columns(in_.v, group), s_.length, s_.depth,
               s_.length, results.out.data() + head * t * depth());
      multiply(operand(query_side.data() + head * square, s_.length, 1), columns(in_.k, group), s_.length, s_.depth,
               s_.length, results.dq.data() + head * t * depth());
    });
    // The heads of a key head, one after the other, are one sum.
    const std::int64_t heads = s_.heads / s_.groups, sum = heads * s_.length;
    for (std::size_t group = 0; group < static_cast<std::size_t>(s_.batch * s_.groups); ++group) {
      const std::size_t head = group * static_cast<std::size_t>(heads);
      multiply(operand(key_side.data() + head * square, 1, s_.length), columns(in_.q, head), s_.length, s_.depth, sum,
               results.dk.data() + group * t * depth());
      multiply(operand(again.data() + head * square, 1, s_.length), columns(in_.upstream, head), s_.length, s_.depth,
               sum, results.dv.data() + group * t * depth());
    }
    for (Floats* result : {&results.out, &results.dq, &results.dk, &results.dv}) round(*result, to_.output, 0);
    return results;
  }
  // Of the magnitudes of a product's terms, among all sums.
  double largest_sum() const { return largest_sum_; }

 private:
  std::size_t depth() const { return static_cast<std::size_t>(s_.depth); }
  std::size_t size_of_weights() const { return static_cast<std::size_t>(s_.batch * s_.heads * s_.length * s_.length); }
  Floats zeros(std::int64_t heads) const {
    return Floats(static_cast<std::size_t>(s_.batch * heads * s_.length * s_.depth));
  }
  static GemmOperand operand(const float* data, std::int64_t row_stride, std::int64_t k_stride) {
    GemmOperand x;
    x.data = data, x.row_stride = row_stride, x.k_stride = k_stride;
    return x;
  }
  // A head's numbers as an operand that sums over depths, or over positions (of this head and those after it).
  GemmOperand rows(const Floats& x, std::size_t head) const {
    return operand(x.data() + head * static_cast<std::size_t>(s_.length) * depth(), s_.depth, 1);
  }
  GemmOperand columns(const Floats& x, std::size_t head) const {
    return operand(x.data() + head * static_cast<std::size_t>(s_.length) * depth(), 1, s_.depth);
  }
  // body(head, its key head), both of all batches
  template <class Body>
  void for_heads(const Body& body) const {
    for (std::int64_t head = 0; head < s_.batch * s_.heads; ++head)
      body(static_cast<std::size_t>(head), static_cast<std::size_t>(head / (s_.heads / s_.groups)));
  }
  void multiply(const GemmOperand& a, const GemmOperand& b, std::int64_t m, std::int64_t n, std::int64_t k,
                float* out) {
    for (std::int64_t i = 0; i < m * n; ++i) {
      double sum = 0;
      for (std::int64_t j = 0; j < k; ++j)
        sum += std::abs(double{a.data[i / n * a.row_stride + j * a.k_stride]} *
                        b.data[i % n * b.row_stride + j * b.k_stride]);
      largest_sum_ = std::max(largest_sum_, sum);
    }
    EmulatedGemm gemm;
    gemm.accumulator = parse_accumulator("every:format=fp32");
    gemm.m = m, gemm.n = n, gemm.k = k, gemm.a = a, gemm.b = b, gemm.out = out, gemm.out_stride = n;
    gemm_emulated(gemm);
  }
  static void round(Floats& x, const ElementQuantizer& element, std::uint16_t slot) {
    EventCounts ignored;
    if (!element.is_identity())
      quantize(x.data(), x.data(), static_cast<std::int64_t>(x.size()), element, 1.0f, attention_key(slot), 0, ignored);
  }

  AttentionShape s_;
  AttentionRoundings to_;
  const AttentionInputs& in_;
  float scale_;
  double largest_sum_ = 0;
};

// body(place in (B, heads, T, D), place in (B, T, columns)) for heads that begin at column `first`.
template <class Body>
void for_packed(const AttentionShape& s, std::int64_t heads, std::int64_t first, std::int64_t columns,
                const Body& body) {
  for (std::int64_t b = 0; b < s.batch; ++b)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t t = 0; t < s.length; ++t)
        for (std::int64_t d = 0; d < s.depth; ++d)
          body(static_cast<std::size_t>(((b * heads + h) * s.length + t) * s.depth + d),
               static_cast<std::size_t>((b * s.length + t) * columns + first + h * s.depth + d));
}
// fp32, or the upper halves of bf16 numbers.
template <class Number>
Number packed_number(float x) {
  if constexpr (sizeof(Number) == sizeof(float))
    return x;
  else
    return static_cast<Number>(__builtin_bit_cast(std::uint32_t, x) >> 16);
}

// Both passes by the kernels: queries, keys and values side by side in memory, gradients too.
template <class Number>
AttentionResults attention_by_kernels(const Kernels& kernels, const AttentionCase& given, const AttentionInputs& in) {
  const AttentionShape& s = given.shape;
  const std::int64_t columns = (s.heads + 2 * s.groups) * s.depth, of_k = s.heads * s.depth,
                     of_v = (s.heads + s.groups) * s.depth;
  const auto size = [&](std::int64_t width) { return static_cast<std::size_t>(s.batch * s.length * width); };
  std::vector<Number> qkv(size(columns)), upstream(size(of_k));
  const auto pack = [&](const Floats& x, std::int64_t heads, std::int64_t first, std::int64_t of, auto& packed) {
    for_packed(s, heads, first, of,
               [&](std::size_t i, std::size_t place) { packed[place] = packed_number<Number>(x[i]); });
  };
  pack(in.q, s.heads, 0, columns, qkv), pack(in.k, s.groups, of_k, columns, qkv);
  pack(in.v, s.groups, of_v, columns, qkv), pack(in.upstream, s.heads, 0, of_k, upstream);
  DeviceArray<Number> dev_qkv(kernels, qkv), dev_upstream(kernels, upstream);
  DeviceArray<float> dev_out(kernels, Floats(size(of_k))), dev_gradients(kernels, Floats(size(columns))),
      statistics(kernels, Floats(static_cast<std::size_t>(2 * s.batch * s.heads * s.length))),
      amaxes(kernels, Floats(2));
  const HeadStrides strides{s.length * columns, columns, s.depth, 1}, of_out{s.length * of_k, of_k, s.depth, 1};
  const auto numbers = [&](std::int64_t first) { return HeadNumbers{dev_qkv.data() + first, strides}; };
  const auto results = [&](std::int64_t first) { return HeadResults{dev_gradients.data() + first, strides}; };
  const float scale = 1.0f / std::sqrt(static_cast<float>(s.depth));
  const HeadNumbers of_upstream{dev_upstream.data(), of_out};
  const NumberRounding output = number_rounding(given.to.output), scores = number_rounding(given.to.scores);

  AttentionForward forward;
  forward.shape = s, forward.on_bf16 = given.on_bf16, forward.scale = scale;
  forward.q = numbers(0), forward.k = numbers(of_k), forward.v = numbers(of_v);
  forward.to_scores = scores, forward.to_weights = number_rounding(given.to.weights, kOfWeights),
  forward.to_output = output;
  forward.out = {dev_out.data(), of_out}, forward.statistics = statistics.data();
  forward.amax = amaxes.data();
  require_done(kernels.attention->forward(forward, {}));

  AttentionBackward backward;
  backward.shape = s, backward.on_bf16 = given.on_bf16, backward.scale = scale;
  backward.q = forward.q, backward.k = forward.k, backward.v = forward.v;
  backward.of_weights = backward.of_values = of_upstream;
  backward.statistics = statistics.data(), backward.to_scores = scores;
  backward.to_weights = number_rounding(given.to.weights, kOfWeightsAgain);
  backward.to_upstream = number_rounding(given.to.upstream);
  backward.to_query_side = number_rounding(given.to.gradients, kOfGradients);
  backward.to_key_side = number_rounding(given.to.gradients, kOfGradientsAgain);
  backward.to_dq = backward.to_dk = backward.to_dv = output;
  backward.amax = amaxes.data() + 1;
  backward.dq = results(0), backward.dk = results(of_k), backward.dv = results(of_v);
  require_done(kernels.attention->backward(backward, {}));

  AttentionResults found{in.q, in.q, in.k, in.k, amaxes.contents()};
  const std::vector<float> out = dev_out.contents(), gradients = dev_gradients.contents();
  const auto unpack = [&](const Floats& packed, std::int64_t heads, std::int64_t first, std::int64_t of, Floats& x) {
    for_packed(s, heads, first, of, [&](std::size_t i, std::size_t place) { x[i] = packed[place]; });
  };
  unpack(out, s.heads, 0, of_k, found.out), unpack(gradients, s.heads, 0, columns, found.dq);
  unpack(gradients, s.groups, of_k, columns, found.dk), unpack(gradients, s.groups, of_v, columns, found.dv);
  return found;
}

inline std::size_t differing(const Floats& a, const Floats& b) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += !same_number(double{a[i]}, double{b[i]});
  return count;
}

inline AttentionResults attention_by_kernels(const Kernels& kernels, const AttentionCase& given,
                                             const AttentionInputs& inputs) {
  return given.on_bf16 ? attention_by_kernels<std::uint16_t>(kernels, given, inputs)
                       : attention_by_kernels<float>(kernels, given, inputs);
}

// Returns the largest sum of magnitudes.
inline double compare_attention(const Kernels& kernels, const AttentionCase& given, const AttentionInputs& inputs) {
  const AttentionShape& s = given.shape;
  INFO("batch " << s.batch << ", length " << s.length << ", heads " << s.heads << " on " << s.groups << ", depth "
                << s.depth << ", bf16 " << given.on_bf16);
  WholeAttention definition(given, inputs);
  const AttentionResults whole = definition.run(), found = attention_by_kernels(kernels, given, inputs);
  CHECK(differing(found.out, whole.out) == 0);
  CHECK(differing(found.dq, whole.dq) == 0);
  CHECK(differing(found.dk, whole.dk) == 0);
  CHECK(differing(found.dv, whole.dv) == 0);
  const float of_gradients = std::max({amax_among(whole.dq), amax_among(whole.dk), amax_among(whole.dv)});
  CHECK(found.amaxes == Floats{amax_among(whole.out), of_gradients});
  return definition.largest_sum();
}

inline AttentionInputs attention_inputs(const AttentionShape& s,
                                        const std::function<Floats(std::int64_t, std::uint32_t)>& numbers) {
  const std::int64_t each = s.batch * s.length * s.depth;
  return {numbers(each * s.heads, 1), numbers(each * s.groups, 2), numbers(each * s.groups, 3),
          numbers(each * s.heads, 4)};
}

// Sums in order: lengths that end within a tile, at its end, and behind the first; heads of their own keys and of others'.
inline void compare_ordered_attention(const Kernels& kernels) {
  const AttentionRoundings none,
      nearest{rounded_to("bf16"), rounded_to("e4m3"), rounded_to("bf16"), rounded_to("bf16"), rounded_to("e5m2")},
      random{{}, rounded_to("e4m3", Rounding::Stochastic), {}, {}, rounded_to("e5m2", Rounding::Stochastic)};
  const AttentionCase cases[] = {
      {{2, 37, 2, 2, 8}, none},   {{1, 32, 1, 1, 64}, nearest}, {{1, 33, 4, 2, 20}, nearest},
      {{2, 40, 2, 1, 8}, random}, {{1, 1, 3, 3, 5}, nearest},   {{1, 65, 1, 1, 17}, none},
  };
  for (const AttentionCase& one : cases)
    compare_attention(kernels, one, attention_inputs(one.shape, [](std::int64_t size, std::uint32_t seed) {
                        return row_numbers(size, seed);
                      }));
}

// Operands of few bits, whose sums are whole multiples of 2^-9, E4M3's smallest number, below 2^15: 24 bits, so that they are
// exact in whatever order a tensor core takes them.
inline void compare_matrix_attention(const Kernels& kernels) {
  const ElementQuantizer e4m3 = rounded_to("e4m3"), random = rounded_to("e4m3", Rounding::Stochastic),
                         bf16 = rounded_to("bf16");
  const AttentionCase cases[] = {{{1, 70, 2, 1, 24}, {bf16, e4m3, bf16, bf16, e4m3}, true},
                                 {{2, 33, 2, 2, 64}, {{}, random, {}, {}, random}, true},
                                 {{1, 3, 1, 1, 12}, {{}, e4m3, {}, {}, e4m3}, true}};
  const auto small_numbers = [](std::int64_t size, std::uint32_t seed) {
    Stream stream{seed};
    Floats numbers(static_cast<std::size_t>(size));
    for (float& x : numbers) x = static_cast<float>(static_cast<int>(stream.next() % 5) - 2);
    return numbers;
  };
  for (const AttentionCase& one : cases)
    CHECK(compare_attention(kernels, one, attention_inputs(one.shape, small_numbers)) < 0x1p15);
}

}  // namespace precipice::test

// SPDX-License-Identifier: Apache-2.0
// The emulated GEMM's loops (accumulator.h), across outputs: a tile is kRows rows by a panel of columns, in as many
// lanes. Included by one file per instruction set, inside that set's namespace, as quantize-inl.h is and for its
// reasons. Expects accumulate_isa.h, accumulate_step.h, kernels/vector.h and <bit> to be included, and MultiplyAdd to be
// declared in the surrounding namespace.
//
// Narrow loops compute in binary32, wide ones in binary64. Narrow needs (emulated_gemm.cpp checks): products and
// registers are multiples of one power of two, 2^-120 or more, and products have 24 bits, so that every product is
// exact, no sum loses bits below binary32's range, and none of those in fp32 and tensor-core registers comes near its
// end. fp32 registers need none of that where MultiplyAdd is fused.

#include "precision/kernels/random_words-inl.h"

namespace {

constexpr int kRows = 4, kVectors = 2, kPanelBytes = kVectorBytes * kVectors;

template <class Real>
constexpr int kWidth = static_cast<int>(kVectors*(kVectorBytes / sizeof(Real)));

template <class T>
struct VectorOf {
  typedef T Type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vector = typename VectorOf<T>::Type;

template <class Real>
struct SourceOf {
  using Type = Binary32;
};
template <>
struct SourceOf<double> {
  using Type = Binary64;
};

template <class Vec, class T>
PRECIPICE_HD Vec load(const T* from) {
  Vec to;
  __builtin_memcpy(&to, from, sizeof(Vec));
  return to;
}
template <class Vec, class T>
PRECIPICE_HD void store(T* to, Vec from) {
  __builtin_memcpy(to, &from, sizeof(Vec));
}
template <class To, class From>
PRECIPICE_HD To bits_as(From from) {
  To to;
  __builtin_memcpy(&to, &from, sizeof(To));
  return to;
}

// Random words for the columns of one row of the tile.
template <class Real>
struct Words {
  // Some blocks more than fit: the first may start inside, and blocks come in whole vectors.
  static constexpr int kBlocks = kWidth<Real> / 4 + 2 + static_cast<int>(sizeof(Lanes) / sizeof(std::uint64_t));
  alignas(64) std::uint32_t word[4 * kBlocks];

  const std::uint32_t* fill(const AccumulateCall& call, std::int64_t row, std::int64_t column, std::int64_t add) {
    const EmulatedGemm& gemm = *call.gemm;
    const std::uint64_t element = static_cast<std::uint64_t>(add) * elements_of(gemm) + gemm.first_element +
                                  static_cast<std::uint64_t>(row * gemm.n + column);
    fill_words(word, gemm.key, element, kWidth<Real>);
    return word + element % 4;
  }
};

template <class Real>
struct Tile {
  const AccumulateCall* call;
  std::int64_t row[kRows];  // rows of the output; the last is repeated where there are fewer
  std::int64_t column;      // the first
  const float* a[kRows];
  const Real* panel;
  // of the same rows of a, for units of hardware
  const double* a_powers[kRows];
  const std::int16_t* a_exponents[kRows];
};

// Registers of a tile after one segment; binary32 numbers.
template <class Real>
using Registers = Real[kRows][kWidth<Real>];
template <class Real>
using SumSegment = void (*)(const Tile<Real>& tile, std::int64_t begin, std::int64_t end, Registers<Real>& registers);

// r = fl32(r + p): a fused operation, or binary32's own addition of exact products.
void sum_fp32_narrow(const Tile<float>& tile, std::int64_t begin, std::int64_t end, Registers<float>& registers) {
  using V = Vector<float>;
  constexpr int kLanes = static_cast<int>(sizeof(V) / sizeof(float));
  V sum[kRows][kVectors] = {};
  for (std::int64_t k = begin; k < end; ++k) {
    V b[kVectors];
    for (int v = 0; v < kVectors; ++v) b[v] = load<V>(tile.panel + k * kWidth<float> + v * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const float a = tile.a[r][k];
      for (int v = 0; v < kVectors; ++v) sum[r][v] = MultiplyAdd{}(a, b[v], sum[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) store(registers[r] + v * kLanes, sum[r][v]);
}

void sum_fp32_wide(const Tile<double>& tile, std::int64_t begin, std::int64_t end, Registers<double>& registers) {
  Registers<double> sum = {};
  for (std::int64_t k = begin; k < end; ++k) {
    const double* b = tile.panel + k * kWidth<double>;
    for (int r = 0; r < kRows; ++r) {
      const double a = tile.a[r][k];
      for (int j = 0; j < kWidth<double>; ++j)
        sum[r][j] = static_cast<float>(sum_to_odd<Binary64>(sum[r][j], a * b[j]));
    }
  }
  __builtin_memcpy(registers, sum, sizeof(sum));
}

// r = round_F(r + p). No sum overflows binary32: F has at most 22 bits, so that its largest number is at least 2^(127 -
// M) away from the end and a sum overflows only with a product of 2^(126 - M) or more. But where the largest product P
// is that, a quantum is at most 2 P, an add moves r by at most 3 P, and r stays below 3 K P, far from the end.
template <Rounding R>
void sum_rounded_narrow(const Tile<float>& tile, std::int64_t begin, std::int64_t end, Registers<float>& registers) {
  const FormatConstants format = tile.call->format;
  Registers<float> sum = {};
  for (std::int64_t k = begin; k < end; ++k) {
    const float* b = tile.panel + k * kWidth<float>;
    for (int r = 0; r < kRows; ++r) {
      const float a = tile.a[r][k];
      for (int j = 0; j < kWidth<float>; ++j)
        sum[r][j] = round_and_check<R, false>(sum_to_odd<Binary32>(sum[r][j], a * b[j]), format, 0, 0).value;
    }
  }
  __builtin_memcpy(registers, sum, sizeof(sum));
}

template <Rounding R, bool General>
void sum_rounded_wide(const Tile<double>& tile, std::int64_t begin, std::int64_t end, Registers<double>& registers) {
  const WideFormatConstants format = tile.call->wide_format;
  const int random_bits = tile.call->gemm->accumulator.random_bits;
  Registers<double> sum = {};
  Words<double> buffer;
  for (std::int64_t k = begin; k < end; ++k) {
    const double* b = tile.panel + k * kWidth<double>;
    for (int r = 0; r < kRows; ++r) {
      const double a = tile.a[r][k];
      const std::uint32_t* words = nullptr;
      if constexpr (is_stochastic(R)) words = buffer.fill(*tile.call, tile.row[r], tile.column, k);
      for (int j = 0; j < kWidth<double>; ++j)
        sum[r][j] = round_and_check<R, General, Binary64>(sum_to_odd<Binary64>(sum[r][j], a * b[j]), format,
                                                          is_stochastic(R) ? words[j] : 0, random_bits)
                        .value;
    }
  }
  __builtin_memcpy(registers, sum, sizeof(sum));
}

#include "precision/accumulator/accumulate_values-inl.h"
// Units add to what the file before has.
#include "precision/accumulator/accumulate_units-inl.h"

// total = round(total + scale * register): at the end of a segment. `add` numbers the segments for random words.
template <class Real>
using Totals = double[kRows][kWidth<Real>];
template <class Real>
using Scales = float[kRows][kWidth<Real>];

template <class Real>
using AddSegment = void (*)(const Tile<Real>& tile, const Scales<Real>& scales, const Registers<Real>& registers,
                            std::int64_t add, Totals<Real>& totals);

template <class Real>
void add_fp32(const Tile<Real>&, const Scales<Real>& scales, const Registers<Real>& registers, std::int64_t,
              Totals<Real>& totals) {
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kWidth<Real>; ++j) {
      const double scaled = static_cast<double>(scales[r][j]) * static_cast<double>(registers[r][j]);
      totals[r][j] = static_cast<float>(sum_to_odd<Binary64>(totals[r][j], scaled));
    }
  }
}

template <Rounding R, bool General, class Real>
void add_rounded(const Tile<Real>& tile, const Scales<Real>& scales, const Registers<Real>& registers, std::int64_t add,
                 Totals<Real>& totals) {
  const WideFormatConstants format = tile.call->wide_format;
  const int random_bits = tile.call->gemm->accumulator.random_bits;
  Words<Real> buffer;
  for (int r = 0; r < kRows; ++r) {
    const std::uint32_t* words = nullptr;
    if constexpr (is_stochastic(R)) words = buffer.fill(*tile.call, tile.row[r], tile.column, add);
    for (int j = 0; j < kWidth<Real>; ++j) {
      const double scaled = static_cast<double>(scales[r][j]) * static_cast<double>(registers[r][j]);
      totals[r][j] = round_and_check<R, General, Binary64>(sum_to_odd<Binary64>(totals[r][j], scaled), format,
                                                           is_stochastic(R) ? words[j] : 0, random_bits)
                         .value;
    }
  }
}

// f<R, General>() for F's mode and constants.
template <class F>
auto with_format(const AccumulateCall& call, F f) {
  return dispatch_rounding(call.gemm->accumulator.rounding, [&]<Rounding R>() {
    return call.wide_format.general ? f.template operator()<R, true>() : f.template operator()<R, false>();
  });
}

template <bool Cut>
SumSegment<double> choose_wide_unit(BlockScales scales) {
  if (scales == BlockScales::Terms) return sum_unit_wide<Cut, BlockScales::Terms>;
  return scales == BlockScales::Groups ? sum_unit_wide<Cut, BlockScales::Groups>
                                       : sum_unit_wide<Cut, BlockScales::Sums>;
}

template <class Real>
SumSegment<Real> choose_unit(const Accumulator& accumulator) {
  if constexpr (sizeof(Real) == sizeof(float)) {
    // group + 1 terms below 4 units of 2^(bits - 1)
    const bool few =
        accumulator.bits <= 23 && (std::int64_t{accumulator.group} + 1) << (accumulator.bits + 1) <= 1 << 24;
    if (accumulator.register_part == RegisterPart::Added)
      return few ? sum_unit_narrow<true, true> : sum_unit_narrow<false, true>;
    return few ? sum_unit_narrow<true, false> : sum_unit_narrow<false, false>;
  } else {
    if (accumulator.kind == AccumulatorKind::MatrixCore) return sum_matrix_core;
    return accumulator.rounding == Rounding::TowardZero ? choose_wide_unit<true>(accumulator.block_scales)
                                                        : choose_wide_unit<false>(accumulator.block_scales);
  }
}

template <class Real>
SumSegment<Real> choose_sum(const AccumulateCall& call) {
  constexpr bool kNarrow = sizeof(Real) == sizeof(float);
  const Accumulator& accumulator = call.gemm->accumulator;
  if (scales_whole_blocks(accumulator)) return choose_unit<Real>(accumulator);
  if (accumulator.kind == AccumulatorKind::TensorCore)
    return accumulator.rounding == Rounding::TowardZero ? sum_tensor_core<true, Real> : sum_tensor_core<false, Real>;
  if (register_rounds(accumulator)) {
    return with_format(call, []<Rounding R, bool General>() -> SumSegment<Real> {
      if constexpr (!kNarrow)
        return sum_rounded_wide<R, General>;
      else if constexpr (is_stochastic(R) || General)
        return nullptr;  // not narrow
      else
        return sum_rounded_narrow<R>;
    });
  }
  if constexpr (kNarrow)
    return sum_fp32_narrow;
  else
    return sum_fp32_wide;
}

template <class Real>
AddSegment<Real> choose_add(const AccumulateCall& call) {
  if (call.gemm->accumulator.kind != AccumulatorKind::Chunk) return add_fp32<Real>;
  return with_format(call,
                     []<Rounding R, bool General>() -> AddSegment<Real> { return add_rounded<R, General, Real>; });
}

// scale_a * scale_b; columns beyond the last take its scale.
template <class Real>
void fill_scales(const Tile<Real>& tile, std::int64_t block, Scales<Real>& scales) {
  const EmulatedGemm& gemm = *tile.call->gemm;
  if (gemm.accumulator.block_scales != BlockScales::Sums) {
    for (int r = 0; r < kRows; ++r)
      for (int j = 0; j < kWidth<Real>; ++j) scales[r][j] = gemm.alpha;
    return;
  }
  float of_column[kWidth<Real>];
  for (int j = 0; j < kWidth<Real>; ++j)
    of_column[j] = scale_at(gemm.b.scales, tile.column + j < gemm.n ? tile.column + j : gemm.n - 1, block);
  for (int r = 0; r < kRows; ++r) {
    const float of_row = scale_at(gemm.a.scales, tile.row[r], block);
    for (int j = 0; j < kWidth<Real>; ++j) scales[r][j] = of_row * of_column[j];
  }
}

// The segments from `begin` to `end`.
template <class Real>
void add_segments(const Tile<Real>& tile, std::int64_t begin, std::int64_t end, SumSegment<Real> sum_segment,
                  AddSegment<Real> add_segment, const Scales<Real>& scales, std::int64_t& add, Totals<Real>& totals) {
  const std::int64_t length = tile.call->segment;
  Registers<Real> registers;
  for (std::int64_t k = begin; k < end; k += length) {
    sum_segment(tile, k, end - k < length ? end : k + length, registers);
    add_segment(tile, scales, registers, add++, totals);
  }
}

// totals += scales * block, in binary32.
template <class Real>
void add_block(const Scales<Real>& scales, const Totals<Real>& block, Totals<Real>& totals) {
  for (int r = 0; r < kRows; ++r)
    for (int j = 0; j < kWidth<Real>; ++j)
      totals[r][j] =
          static_cast<float>(sum_to_odd<Binary64>(totals[r][j], static_cast<double>(scales[r][j]) * block[r][j]));
}

// A unit's parts (split=) of the block from `begin` to `end`.
template <class Real>
void sum_unit_block(const Tile<Real>& tile, std::int64_t begin, std::int64_t end, SumSegment<Real> sum_segment,
                    AddSegment<Real> add_segment, const Scales<Real>& ones, Totals<Real>& block) {
  std::int64_t add = 0;
  if (tile.call->part >= end - begin) {
    add_segments(tile, begin, end, sum_segment, add_segment, ones, add, block);
    return;
  }
  for (std::int64_t k = begin; k < end; k += tile.call->part) {
    Totals<Real> part = {};
    add_segments(tile, k, end - k < tile.call->part ? end : k + tile.call->part, sum_segment, add_segment, ones, add,
                 part);
    add_block<Real>(ones, part, block);
  }
}

template <class Real>
void store_totals(const Tile<Real>& tile, const Totals<Real>& totals) {
  const EmulatedGemm& gemm = *tile.call->gemm;
  const std::int64_t columns = gemm.n - tile.column;
  for (int r = 0; r < kRows; ++r) {
    float* out = gemm.out + tile.row[r] * gemm.out_stride + tile.column;
    for (int j = 0; j < kWidth<Real> && j < columns; ++j) out[j] = with_one_nan(static_cast<float>(totals[r][j]));
  }
}

template <class Real>
void multiply_tile(const Tile<Real>& tile, SumSegment<Real> sum_segment, AddSegment<Real> add_segment) {
  const AccumulateCall& call = *tile.call;
  const EmulatedGemm& gemm = *call.gemm;
  const bool is_unit = scales_whole_blocks(gemm.accumulator);
  Totals<Real> totals = {};
  Scales<Real> scales, ones;
  for (int r = 0; r < kRows; ++r)
    for (int j = 0; j < kWidth<Real>; ++j) ones[r][j] = 1.0f;
  std::int64_t add = gemm.k;
  for (std::int64_t block = 0; block * call.scale_block < gemm.k; ++block) {
    fill_scales(tile, block, scales);
    const std::int64_t begin = block * call.scale_block;
    const std::int64_t end = gemm.k - begin < call.scale_block ? gemm.k : begin + call.scale_block;
    if (!is_unit) {
      add_segments(tile, begin, end, sum_segment, add_segment, scales, add, totals);
      continue;
    }
    Totals<Real> sum = {};
    sum_unit_block(tile, begin, end, sum_segment, add_segment, ones, sum);
    add_block<Real>(scales, sum, totals);
  }
  store_totals(tile, totals);
}

template <class Real>
void multiply_as(const AccumulateCall& call, const Real* panel, std::int64_t first_column, std::int64_t first_row,
                 std::int64_t end_row) {
  const auto sum_segment = choose_sum<Real>(call);
  const auto add_segment = choose_add<Real>(call);
  for (std::int64_t row = first_row; row < end_row; row += kRows) {
    Tile<Real> tile{&call, {}, first_column, {}, panel, {}, {}};
    for (int r = 0; r < kRows; ++r) {
      tile.row[r] = row + r < end_row ? row + r : end_row - 1;
      tile.a[r] = call.a + tile.row[r] * call.gemm->k;
      if (call.a_powers != nullptr) tile.a_powers[r] = call.a_powers + tile.row[r] * call.gemm->k;
      if (call.a_exponents != nullptr) tile.a_exponents[r] = call.a_exponents + tile.row[r] * call.gemm->k;
    }
    multiply_tile(tile, sum_segment, add_segment);
  }
}

template <class Real>
void pack_as(const AccumulateCall& call, std::int64_t first_column, Real* panel) {
  const GemmOperand& b = call.gemm->b;
  const std::int64_t depth = call.gemm->k;
  // A few k at a time, so that the part of the panel that is written stays in the first-level cache.
  constexpr std::int64_t kStep = 32;
  for (std::int64_t first = 0; first < depth; first += kStep) {
    const std::int64_t end = first + kStep < depth ? first + kStep : depth;
    for (int j = 0; j < kWidth<Real>; ++j) {
      const std::int64_t column = first_column + j;
      const bool exists = column < call.gemm->n;
      const float* from = b.data + (exists ? column * b.row_stride : 0);
      for (std::int64_t k = first; k < end; ++k) panel[k * kWidth<Real> + j] = exists ? from[k * b.k_stride] : 0.0f;
    }
  }
  if (!scales_whole_blocks(call.gemm->accumulator)) return;
  const std::int64_t size = call.gemm->k * kWidth<Real>;
  if constexpr (sizeof(Real) == sizeof(float)) {
    auto* exponents = reinterpret_cast<std::int16_t*>(panel + size);
    for (std::int64_t i = 0; i < size; ++i) exponents[i] = exponent_with_emin(panel[i], b.emin);
  } else {
    for (std::int64_t i = 0; i < size; ++i) panel[size + i] = power_with_exponent(static_cast<float>(panel[i]), b.emin);
  }
}

void pack(const AccumulateCall& call, std::int64_t first_column, void* panel) {
  if (call.narrow)
    pack_as(call, first_column, static_cast<float*>(panel));
  else
    pack_as(call, first_column, static_cast<double*>(panel));
}

void multiply(const AccumulateCall& call, const void* panel, std::int64_t first_column, std::int64_t first_row,
              std::int64_t end_row) {
  if (call.narrow)
    multiply_as(call, static_cast<const float*>(panel), first_column, first_row, end_row);
  else
    multiply_as(call, static_cast<const double*>(panel), first_column, first_row, end_row);
}

}  // namespace

const AccumulateKernels kAccumulateKernels = {kWidth<float>,       kWidth<double>, kPanelBytes,
                                              MultiplyAdd::kFused, pack,           multiply};

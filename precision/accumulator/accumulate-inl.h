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

// x (in units) to whole units, by rounding to nearest at a power of two of which the unit is the last place; |x| < 2^30
// for double, 2^23 for float.
template <bool Cut, class Real>
PRECIPICE_HD Vector<Real> to_units(Vector<Real> x) {
  using Source = typename SourceOf<Real>::Type;
  using Int = Vector<typename Source::Int>;
  constexpr Real kPlace = static_cast<Real>(std::int64_t{1} << Source::kMantissa);
  if constexpr (!Cut) {
    const Vector<Real> place = Vector<Real>{} + kPlace * Real{1.5};
    return (x + place) - place;
  } else if constexpr (sizeof(Real) == sizeof(float)) {
    return __builtin_convertvector(__builtin_convertvector(x, Int), Vector<Real>);
  } else {
    const Int sign = bits_as<Int>(x) & (Int{} + static_cast<typename Source::Int>(typename Source::Uint{1} << 63));
    const Vector<Real> magnitude = bits_as<Vector<Real>>(bits_as<Int>(x) ^ sign);
    const Vector<Real> nearest = (magnitude + kPlace) - kPlace;
    const Int above = nearest > magnitude;
    const Vector<Real> one = Vector<Real>{} + Real{1};
    const Vector<Real> cut = nearest - bits_as<Vector<Real>>(bits_as<Int>(one) & above);
    return bits_as<Vector<Real>>(bits_as<Int>(cut) | sign);
  }
}

// 3. of the tensor-core model, for whole numbers below 2^24 of units: what `cut_bits` = 24 - bits low bits hold goes.
template <bool Cut>
PRECIPICE_HD Vector<float> normalise_narrow(Vector<float> sum, int cut_bits) {
  using Int = Vector<std::int32_t>;
  const Int pattern = bits_as<Int>(sum);
  Int increment = {};
  if constexpr (!Cut) increment = ((pattern >> cut_bits) & 1) + ((1 << (cut_bits - 1)) - 1);
  return bits_as<Vector<float>>((pattern + increment) & ~((1 << cut_bits) - 1));
}

template <bool Cut>
PRECIPICE_HD Vector<double> normalise_wide(Vector<double> sum, const WideFormatConstants& format) {
  constexpr int kLanes = static_cast<int>(sizeof(sum) / sizeof(double));
  constexpr Rounding kRounding = Cut ? Rounding::TowardZero : Rounding::NearestEven;
  double lanes[kLanes];
  store(lanes, sum);
  for (int j = 0; j < kLanes; ++j) {
    const Rounded rounded = round_and_check<kRounding, false, Binary64>(lanes[j], format, 0, 0);
    const float infinity = lanes[j] < 0 ? -__builtin_inff() : __builtin_inff();
    lanes[j] = rounded.beyond != 0 && lanes[j] == lanes[j] ? infinity : rounded.value;
  }
  return load<Vector<double>>(lanes);
}

template <bool Cut, class Real>
void sum_tensor_core(const Tile<Real>& tile, std::int64_t begin, std::int64_t end, Registers<Real>& registers) {
  using Source = typename SourceOf<Real>::Type;
  using V = Vector<Real>;
  using Int = Vector<typename Source::Int>;
  constexpr int kLanes = static_cast<int>(sizeof(V) / sizeof(Real)), kMantissa = Source::kMantissa;
  constexpr bool kWide = sizeof(Real) == sizeof(double);
  const Accumulator& accumulator = tile.call->gemm->accumulator;
  const int bits = accumulator.bits, cut_bits = 24 - bits;
  const Int magnitude_mask = Int{} + ~(typename Source::Int{1} << (8 * sizeof(Real) - 1));
  const Int field_mask = Int{} + Source::kInfinity;
  // e is at least -126. Narrow, 1 / u has to be a binary32 number too; a larger e, with u 2^-126, still has all terms
  // be whole units.
  const typename Source::Int lowest = kWide ? Source::kBias - 126 : bits;
  const Int lowest_pattern = Int{} + (lowest << kMantissa);
  const typename Source::Int inverse_field = 2 * Source::kBias + bits - 1;  // 1 / u = 2^(bits - 1 - e)

  V sum[kRows][kVectors] = {};
  for (std::int64_t group = begin; group < end; group += accumulator.group) {
    const std::int64_t group_end = group + accumulator.group < end ? group + accumulator.group : end;
    Int largest[kRows][kVectors];
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) largest[r][v] = bits_as<Int>(sum[r][v]) & magnitude_mask;
    for (std::int64_t k = group; k < group_end; ++k) {
      for (int v = 0; v < kVectors; ++v) {
        const V b = load<V>(tile.panel + k * kWidth<Real> + v * kLanes);
        for (int r = 0; r < kRows; ++r) {
          const Int magnitude = bits_as<Int>(static_cast<Real>(tile.a[r][k]) * b) & magnitude_mask;
          largest[r][v] = magnitude > largest[r][v] ? magnitude : largest[r][v];
        }
      }
    }

    V inverse[kRows][kVectors], units[kRows][kVectors];
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        const Int raised = largest[r][v] > lowest_pattern ? largest[r][v] : lowest_pattern;
        inverse[r][v] = bits_as<V>((inverse_field - (raised >> kMantissa)) << kMantissa);
        units[r][v] = to_units<Cut, Real>(sum[r][v] * inverse[r][v]);
      }
    }
    for (std::int64_t k = group; k < group_end; ++k) {
      for (int v = 0; v < kVectors; ++v) {
        const V b = load<V>(tile.panel + k * kWidth<Real> + v * kLanes);
        for (int r = 0; r < kRows; ++r)
          units[r][v] += to_units<Cut, Real>(static_cast<Real>(tile.a[r][k]) * b * inverse[r][v]);
      }
    }

    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        const Int raised = largest[r][v] > lowest_pattern ? largest[r][v] : lowest_pattern;
        const V unit = bits_as<V>((raised & field_mask) - (static_cast<typename Source::Int>(bits - 1) << kMantissa));
        if constexpr (!kWide) {
          sum[r][v] = normalise_narrow<Cut>(units[r][v], cut_bits) * unit;
        } else {
          V total = units[r][v] * unit;
          const Int special = largest[r][v] >= field_mask;
          bool any = false;
          for (int j = 0; j < kLanes; ++j) any |= special[j] != 0;
          if (any) {
            V plain = sum[r][v];
            for (std::int64_t k = group; k < group_end; ++k)
              plain += static_cast<Real>(tile.a[r][k]) * load<V>(tile.panel + k * kWidth<Real> + v * kLanes);
            total = bits_as<V>((bits_as<Int>(plain) & special) | (bits_as<Int>(total) & ~special));
          }
          sum[r][v] = normalise_wide<Cut>(total, tile.call->wide_register);
        }
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) store(registers[r] + v * kLanes, sum[r][v]);
}

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

template <class Real>
SumSegment<Real> choose_sum(const AccumulateCall& call) {
  constexpr bool kNarrow = sizeof(Real) == sizeof(float);
  const Accumulator& accumulator = call.gemm->accumulator;
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
  float of_column[kWidth<Real>];
  for (int j = 0; j < kWidth<Real>; ++j)
    of_column[j] = scale_at(gemm.b.scales, tile.column + j < gemm.n ? tile.column + j : gemm.n - 1, block);
  for (int r = 0; r < kRows; ++r) {
    const float of_row = scale_at(gemm.a.scales, tile.row[r], block);
    for (int j = 0; j < kWidth<Real>; ++j) scales[r][j] = of_row * of_column[j];
  }
}

template <class Real>
void multiply_tile(const Tile<Real>& tile, SumSegment<Real> sum_segment, AddSegment<Real> add_segment) {
  const AccumulateCall& call = *tile.call;
  const EmulatedGemm& gemm = *call.gemm;
  Totals<Real> totals = {};
  Scales<Real> scales;
  Registers<Real> registers;
  std::int64_t add = gemm.k;
  for (std::int64_t block = 0; block * call.scale_block < gemm.k; ++block) {
    fill_scales(tile, block, scales);
    const std::int64_t begin = block * call.scale_block;
    const std::int64_t end = gemm.k - begin < call.scale_block ? gemm.k : begin + call.scale_block;
    for (std::int64_t k = begin; k < end; k += call.segment) {
      sum_segment(tile, k, end - k < call.segment ? end : k + call.segment, registers);
      add_segment(tile, scales, registers, add++, totals);
    }
  }
  const std::int64_t columns = gemm.n - tile.column;
  for (int r = 0; r < kRows; ++r) {
    float* out = gemm.out + tile.row[r] * gemm.out_stride + tile.column;
    for (int j = 0; j < kWidth<Real> && j < columns; ++j) out[j] = with_one_nan(static_cast<float>(totals[r][j]));
  }
}

template <class Real>
void multiply_as(const AccumulateCall& call, const Real* panel, std::int64_t first_column, std::int64_t first_row,
                 std::int64_t end_row) {
  const auto sum_segment = choose_sum<Real>(call);
  const auto add_segment = choose_add<Real>(call);
  for (std::int64_t row = first_row; row < end_row; row += kRows) {
    Tile<Real> tile{&call, {}, first_column, {}, panel};
    for (int r = 0; r < kRows; ++r) {
      tile.row[r] = row + r < end_row ? row + r : end_row - 1;
      tile.a[r] = call.a + tile.row[r] * call.gemm->k;
    }
    multiply_tile(tile, sum_segment, add_segment);
  }
}

template <class Real>
void pack_as(const AccumulateCall& call, std::int64_t first_column, Real* panel) {
  const GemmOperand& b = call.gemm->b;
  for (int j = 0; j < kWidth<Real>; ++j) {
    const std::int64_t column = first_column + j;
    const bool exists = column < call.gemm->n;
    const float* from = b.data + (exists ? column * b.row_stride : 0);
    for (std::int64_t k = 0; k < call.gemm->k; ++k) panel[k * kWidth<Real> + j] = exists ? from[k * b.k_stride] : 0.0f;
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

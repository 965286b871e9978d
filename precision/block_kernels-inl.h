// SPDX-License-Identifier: Apache-2.0
// The loops of block_kernels.h, included once per instruction set inside that set's namespace, before quantize-inl.h
// and under the same rules: internal linkage, nothing called that is not always_inline or a constant. Expects
// precision/{quantize_isa,block_kernels,hadamard,log2_exponent}.h to be included.

namespace {

PRECIPICE_HD std::int32_t magnitude_of(float x) {
  return static_cast<std::int32_t>(__builtin_bit_cast(std::uint32_t, x) & 0x7FFFFFFFu);
}

template <int kWidth>
void amax_of_narrow_blocks(const float* row, std::int64_t blocks, std::int32_t* patterns) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    std::int32_t largest = patterns[b];
    for (int i = 0; i < kWidth; ++i) {
      const std::int32_t pattern = magnitude_of(row[b * kWidth + i]);
      largest = pattern > largest ? pattern : largest;
    }
    patterns[b] = largest;
  }
}

void amax_of_blocks(const float* row, std::int64_t cols, std::int64_t width, std::int32_t* patterns) {
  if (width == 1) {
    for (std::int64_t i = 0; i < cols; ++i) {
      const std::int32_t pattern = magnitude_of(row[i]);
      patterns[i] = pattern > patterns[i] ? pattern : patterns[i];
    }
    return;
  }
  std::int64_t whole = 0;
  if (width == 16) amax_of_narrow_blocks<16>(row, whole = cols / 16, patterns);
  if (width == 32) amax_of_narrow_blocks<32>(row, whole = cols / 32, patterns);
  for (std::int64_t b = whole; b * width < cols; ++b) {
    const std::int64_t end = (b + 1) * width < cols ? (b + 1) * width : cols;
    std::int32_t largest = patterns[b];
    for (std::int64_t i = b * width; i < end; ++i) {
      const std::int32_t pattern = magnitude_of(row[i]);
      largest = pattern > largest ? pattern : largest;
    }
    patterns[b] = largest;
  }
}

constexpr HadamardMatrix kHadamardMatrix = hadamard_matrix();

void rotate_row(const float* in, float* out, std::int64_t groups) {
  for (std::int64_t g = 0; g < groups; ++g) {
    float sums[kHadamard] = {}, x[kHadamard];
    for (int k = 0; k < kHadamard; ++k) x[k] = in[g * kHadamard + k];
    for (int k = 0; k < kHadamard; ++k) {
      const float* m = kHadamardMatrix.entry[k];
      for (int j = 0; j < kHadamard; ++j) sums[j] += x[k] * m[j];
    }
    for (int j = 0; j < kHadamard; ++j) out[g * kHadamard + j] = sums[j];
  }
}

void rotate_columns(const float* in, float* out, std::int64_t cols, std::int64_t stride) {
  constexpr int kLanesWide = 16;
  for (std::int64_t first = 0; first < cols; first += kLanesWide) {
    const int width = static_cast<int>(cols - first < kLanesWide ? cols - first : kLanesWide);
    float sums[kHadamard][kLanesWide] = {};
    for (int k = 0; k < kHadamard; ++k) {
      float x[kLanesWide] = {};
      for (int i = 0; i < width; ++i) x[i] = in[k * stride + first + i];
      const float* m = kHadamardMatrix.entry[k];
      for (int j = 0; j < kHadamard; ++j) {
        for (int i = 0; i < kLanesWide; ++i) sums[j][i] += x[i] * m[j];
      }
    }
    for (int j = 0; j < kHadamard; ++j) {
      for (int i = 0; i < width; ++i) out[j * stride + first + i] = sums[j][i];
    }
  }
}

// Nearest even; a NaN keeps its high bits and stays one.
PRECIPICE_HD float bf16_of(float x) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, x);
  const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) & 0xFFFF0000u;
  const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  return __builtin_bit_cast(float, is_nan ? (bits | 0x400000u) & 0xFFFF0000u : rounded);
}

void to_bf16(const float* in, float* out, std::int64_t size) {
  PRECIPICE_INDEPENDENT_LOOP
  for (std::int64_t i = 0; i < size; ++i) out[i] = bf16_of(in[i]);
}

// How far below the next power of two the logarithm of a number counts as that power's, by exponent field.
struct LogTable {
  std::int32_t below[256];
};
constexpr LogTable make_log_table(bool in_bf16) {
  // Of a binade's numbers the one `below` units under its end; the rounded logarithms say where the step is.
  LogTable table{};
  for (int field = 1; field < 255; ++field) {
    const int next = field - 126;
    table.below[field] = in_bf16 ? units_below_bf16(next) : ulps_that_round_up_to(next);
  }
  return table;
}
constexpr LogTable kLogTable = make_log_table(false), kBf16LogTable = make_log_table(true);

// elemwise_ops.py _quantize_elemwise_core and _round_mantissa. `y` was scaled.
template <bool kBf16>
PRECIPICE_HD float microxcaling_magnitude(float magnitude, const MicroxcalingElement& element) {
  const std::int32_t pattern = magnitude_of(magnitude);
  const std::int32_t field = pattern >> 23;
  const std::int32_t below = 0x800000 - (pattern & 0x7FFFFF);
  const LogTable& table = kBf16 ? kBf16LogTable : kLogTable;
  std::int32_t exponent = field - 127 + (below <= table.below[field] ? 1 : 0);
  exponent = exponent > element.lowest_exponent ? exponent : element.lowest_exponent;
  if (element.fixed_point) exponent = 0;
  // Both factors are powers of two in range for every format: the products are exact.
  const std::int32_t shift = element.fraction_bits - exponent;
  const float up = __builtin_bit_cast(float, (shift + 127) << 23),
              down = __builtin_bit_cast(float, (127 - shift) << 23);
  const float u = magnitude * up;
  float plus_half = u + 0.5f;
  if constexpr (kBf16) plus_half = bf16_of(plus_half);
  const float to_floor = element.rounding == 2 ? u : plus_half;
  float r = static_cast<float>(static_cast<std::int32_t>(to_floor));
  // A tie of which the lower neighbour is even: u - 1/2 is an even number (and exact then).
  const float under = u - 0.5f;
  const auto whole = static_cast<std::int32_t>(under);
  const bool tie_to_lower = under >= 0.0f && static_cast<float>(whole) == under && (whole & 1) == 0;
  r -= element.rounding == 0 && tie_to_lower ? 1.0f : 0.0f;
  return r * down;
}

template <bool kBf16>
ElementCounts microxcaling_as(const float* in, float* out, std::int64_t size, const float* multipliers,
                              const MicroxcalingElement& element) {
  std::int32_t nan_in = 0, overflowed = 0, saturated = 0, underflowed = 0, subnormal = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (std::int64_t i = 0; i < size; ++i) {
    const float x = in[i];
    float y = x * multipliers[i];
    if constexpr (kBf16) y = bf16_of(y);
    const std::int32_t pattern = magnitude_of(y);
    const bool is_number = pattern < 0x7F800000;
    // Beyond 2^30 only formats that end far below could be; they saturate whatever the last bits are.
    const float magnitude = __builtin_bit_cast(float, is_number ? pattern : 0);
    const float unbounded = microxcaling_magnitude<kBf16>(magnitude, element);
    const bool is_beyond = unbounded > element.max;
    const float bounded = is_beyond ? element.max : unbounded;
    // sign(-0) is 0, so that -0 becomes +0; a negative number that rounds to zero keeps its sign.
    const float number = y < 0.0f ? -bounded : bounded;
    const float q = is_number ? number : y;
    out[i] = q;
    nan_in += magnitude_of(x) > 0x7F800000;
    overflowed += !is_number & (magnitude_of(x) <= 0x7F800000);
    saturated += is_beyond;
    underflowed += (magnitude_of(q) == 0) & (magnitude_of(x) != 0);
    subnormal += (bounded > 0.0f) & (bounded < element.min_normal);
  }
  return {nan_in, overflowed, saturated, underflowed, subnormal};
}

ElementCounts microxcaling(const float* in, float* out, std::int64_t size, const float* multipliers,
                           const MicroxcalingElement& element, bool in_bf16) {
  return in_bf16 ? microxcaling_as<true>(in, out, size, multipliers, element)
                 : microxcaling_as<false>(in, out, size, multipliers, element);
}

ElementCounts deepgemm_fp4(const float* in, float* out, std::int64_t size, const float* multipliers) {
  std::int32_t nan_in = 0, saturated = 0, underflowed = 0, subnormal = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (std::int64_t i = 0; i < size; ++i) {
    const float x = in[i], y = x * multipliers[i];
    const float a = __builtin_bit_cast(float, magnitude_of(y));
    // Boundaries are the midpoints; a comparison that is not true of NaN either.
    float value = !(a <= 0.25f) ? 0.5f : 0.0f;
    value += !(a <= 0.75f) ? 0.5f : 0.0f;
    value += !(a <= 1.25f) ? 0.5f : 0.0f;
    value += !(a <= 1.75f) ? 0.5f : 0.0f;
    value += !(a <= 2.5f) ? 1.0f : 0.0f;
    value += !(a <= 3.5f) ? 1.0f : 0.0f;
    value += !(a <= 5.0f) ? 2.0f : 0.0f;
    out[i] = y < 0.0f && value > 0.0f ? -value : value;
    nan_in += magnitude_of(x) > 0x7F800000;
    saturated += a > 7.0f;  // beyond the midpoint of 6 and the 8 that would follow
    underflowed += (value == 0.0f) & (magnitude_of(x) != 0);
    subnormal += value == 0.5f;
  }
  return {nan_in, 0, saturated, underflowed, subnormal};
}

constexpr BlockKernels kBlockKernels = {amax_of_blocks, rotate_row,   rotate_columns,
                                        to_bf16,        microxcaling, deepgemm_fp4};

}  // namespace

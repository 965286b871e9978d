// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/gemm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "precision/accumulator/emulated_gemm.h"
#include "precision/base/check.h"
#include "precision/format/format_presets.h"
#include "precision/format/log2_exponent.h"
#include "precision/gemm/batch_carrier.h"
#include "precision/quantize/parallel.h"
#include "precision/scaling/hadamard.h"

namespace precipice {
namespace {

// A view as the carrier wants it: one of a matrix's strides is 1, and no element repeats.
at::Tensor as_operand(const at::Tensor& x) {
  const auto is_dense = [&](std::int64_t inner, std::int64_t outer) {
    return x.stride(inner) == 1 && (x.stride(outer) >= x.size(inner) || x.size(outer) == 1);
  };
  bool repeats = false;
  for (std::int64_t d = 0; d + 2 < x.dim(); ++d) repeats |= x.stride(d) == 0 && x.size(d) > 1;
  return (is_dense(-1, -2) || is_dense(-2, -1)) && !repeats ? x : x.contiguous();
}

// Whether a carrier can write there: rows side by side in memory, or columns.
bool is_row_major(const at::Tensor& out) {
  return out.stride(-1) == 1 && (out.stride(-2) >= out.size(-1) || out.size(-2) == 1);
}

// y, or `out` with its values where that is defined.
at::Tensor delivered(const at::Tensor& y, const at::Tensor& out) {
  if (!out.defined()) return y;
  copy_into(out, y);
  return out;
}

// What of a product need not be computed, and whether bf16 operands may be too small for bf16's instructions.
struct Leeway {
  Causal causal = Causal::No;
  bool fine = false;
};

bool multiply_by_parts(const at::Tensor& a, const at::Tensor& b, float scale, const at::Tensor& y, Causal causal);

// scale (a b^T) + bias in fp32. a (..., M, K), b (..., N, K), both fp32 or both bf16; bias undefined or (N). Into `out`
// where that is defined.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, float scale, const at::Tensor& bias,
                   const at::Tensor& out = {}, const Leeway& leeway = {}) {
  PRECIPICE_CHECK(a.dim() == b.dim() && a.size(-1) == b.size(-1) && a.scalar_type() == b.scalar_type(), "operands ",
                  a.sizes(), " and ", b.sizes());
  std::vector<std::int64_t> shape = a.sizes().vec();
  shape.back() = b.size(-2);
  const auto options = a.options().dtype(at::kFloat);
  if (a.numel() == 0 || b.numel() == 0) {
    at::Tensor zeros = out.defined() ? out.zero_() : at::zeros(shape, options);
    return bias.defined() ? zeros.add_(bias) : zeros;
  }
  if (out.defined() && !is_row_major(out)) return delivered(product(a, b, scale, bias, {}, leeway), out);
  at::Tensor y = out.defined() ? out : at::empty(shape, options);
  PRECIPICE_CHECK(y.sizes() == at::IntArrayRef(shape), "a product of sizes ", shape, " for ", y.sizes());
  const at::Tensor first = as_operand(a), second = as_operand(b), addend = bias.defined() ? bias.contiguous() : bias;
  CarrierProduct call;
  call.bf16 = a.scalar_type() == at::kBFloat16;
  call.a = first.const_data_ptr(), call.b = second.const_data_ptr();
  call.a_sizes = first.sizes().vec(), call.a_strides = first.strides().vec();
  call.b_sizes = second.sizes().vec(), call.b_strides = second.strides().vec();
  call.y_strides = y.strides().vec();
  call.scale = scale;
  call.bias = addend.defined() ? addend.const_data_ptr<float>() : nullptr;
  call.y = y.mutable_data_ptr<float>();
  if (fits_batch_carrier(call))
    multiply_batch(call, leeway.causal, leeway.fine);
  else if (leeway.fine)
    product(a.to(at::kFloat), b.to(at::kFloat), scale, bias, y, {leeway.causal});
  else if (leeway.causal == Causal::No && fits_outer_carrier(call))
    multiply_outer(call);
  else if (leeway.causal == Causal::No || !multiply_by_parts(first, second, scale, y, leeway.causal))
    keeps_sums_whole() ? multiply(call) : multiply_in_parts(call);
  return y;
}

// Sizes of parts: a shorter product pays its start, and each shape is a primitive to make.
constexpr std::int64_t kShortestPart = 64, kMostParts = 4;

// product() without the part that `causal` names, in parts of rows or columns; false where that does not pay.
bool multiply_by_parts(const at::Tensor& a, const at::Tensor& b, float scale, const at::Tensor& y, Causal causal) {
  const bool by_columns = causal == Causal::SecondPast || causal == Causal::SecondAhead;
  const std::int64_t length = (by_columns ? b : a).size(-2);
  if (length < 2 * kShortestPart) return false;
  // Whole groups of a Hadamard transform, which mixes past and future within them only.
  static_assert(kShortestPart % kHadamard == 0);
  const std::int64_t part = std::max(kShortestPart, (length / kMostParts + kHadamard - 1) / kHadamard * kHadamard);
  for (std::int64_t begin = 0; begin < length; begin += part) {
    const std::int64_t size = std::min(part, length - begin), end = begin + size;
    const auto rows = [&](const at::Tensor& x) { return x.narrow(-2, begin, size); };
    const auto past = [&](const at::Tensor& x) { return x.narrow(-1, 0, end); };
    const auto ahead = [&](const at::Tensor& x) { return x.narrow(-1, begin, length - begin); };
    const auto below = [&](const at::Tensor& x) { return x.narrow(-2, begin, length - begin); };
    const auto columns = [&](const at::Tensor& x) { return x.narrow(-1, begin, size); };
    switch (causal) {
      case Causal::No:
        break;
      case Causal::Result:
        product(below(a), rows(b), scale, {}, columns(below(y)));
        break;
      case Causal::FirstPast:
        product(past(rows(a)), past(b), scale, {}, rows(y));
        break;
      case Causal::FirstAhead:
        product(ahead(rows(a)), ahead(b), scale, {}, rows(y));
        break;
      case Causal::SecondPast:
        product(past(a), past(rows(b)), scale, {}, columns(y));
        break;
      case Causal::SecondAhead:
        product(ahead(a), ahead(rows(b)), scale, {}, columns(y));
        break;
    }
  }
  return true;
}

// The same of b a^T.
Causal turned(Causal causal) {
  switch (causal) {
    case Causal::FirstPast:
      return Causal::SecondPast;
    case Causal::FirstAhead:
      return Causal::SecondAhead;
    case Causal::SecondPast:
      return Causal::FirstPast;
    case Causal::SecondAhead:
      return Causal::FirstAhead;
    default:
      return Causal::No;
  }
}

bool has_blocks_of_k(const Quantized& q) {
  return q.scales.defined() && q.scales.size(-1) > 1;
}

// The scale of row `row` of one matrix in K block `block`.
class RowScales {
 public:
  RowScales(const Quantized& q, const at::Tensor& scales)
      : fixed_(q.scale), data_(scales.defined() ? scales.const_data_ptr<float>() : nullptr), block_rows_(q.block_rows) {
    if (data_ == nullptr) return;
    row_stride_ = scales.stride(-2);
    block_stride_ = scales.size(-1) > 1 ? scales.stride(-1) : 0;
  }
  float operator()(std::int64_t row, std::int64_t block) const {
    return data_ == nullptr ? fixed_ : data_[row / block_rows_ * row_stride_ + block * block_stride_];
  }
  OperandScales as_operand() const {
    if (data_ == nullptr) return {&fixed_, 1, 0, 0};
    return {data_, block_rows_, row_stride_, block_stride_};
  }

 private:
  float fixed_;
  const float* data_;
  std::int64_t block_rows_, row_stride_ = 0, block_stride_ = 0;
};

// y[m, n] += sums[m, n] * (a[m] * b[n]), or = where y and sums are one.
void apply_scales(const at::Tensor& sums, at::Tensor& y, const RowScales& a, const RowScales& b, std::int64_t block) {
  const std::int64_t rows = y.size(0), cols = y.size(1);
  const float* from = sums.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  const bool in_place = from == to;
  std::vector<float> of_column(static_cast<std::size_t>(cols));
  for (std::int64_t n = 0; n < cols; ++n) of_column[static_cast<std::size_t>(n)] = b(n, block);
  const float* column = of_column.data();
  for (std::int64_t m = 0; m < rows; ++m) {
    const float of_row = a(m, block);
    const float* in = from + m * cols;
    float* out = to + m * cols;
    if (in_place)
      for (std::int64_t n = 0; n < cols; ++n) out[n] *= of_row * column[n];
    else
      for (std::int64_t n = 0; n < cols; ++n) out[n] += in[n] * (of_row * column[n]);
  }
}

// Matrix `index` of a batch.
at::Tensor matrix(const at::Tensor& x, std::int64_t index) {
  if (!x.defined() || x.dim() == 2) return x;
  return x.flatten(0, -3).select(0, index);
}

std::int64_t matrices_of(const at::Tensor& x) {
  std::int64_t count = 1;
  for (std::int64_t d = 0; d + 2 < x.dim(); ++d) count *= x.size(d);
  return count;
}

// One product per pair of rows, or partial sums per block of K.
void scaled_product(const Quantized& a, const Quantized& b, std::int64_t index, at::Tensor& y) {
  const at::Tensor values_a = matrix(a.values, index), values_b = matrix(b.values, index);
  const RowScales scales_a(a, matrix(a.scales, index)), scales_b(b, matrix(b.scales, index));
  if (!has_blocks_of_k(a) && !has_blocks_of_k(b)) {
    y.copy_(product(values_a, values_b, 1.0f, {}));
    apply_scales(y, y, scales_a, scales_b, 0);
    return;
  }
  const std::int64_t k = values_a.size(1), block = has_blocks_of_k(a) ? a.block_k : b.block_k;
  y.zero_();
  for (std::int64_t begin = 0; begin < k; begin += block) {
    const std::int64_t size = std::min(block, k - begin);
    const at::Tensor sums = product(values_a.narrow(1, begin, size), values_b.narrow(1, begin, size), 1.0f, {});
    apply_scales(sums, y, scales_a, scales_b, begin / block);
  }
}

void emulated_product(const Quantized& a, const Quantized& b, std::int64_t index, const Accumulator& accumulator,
                      const RandomKey& key, at::Tensor& y) {
  const at::Tensor values_a = matrix(a.values, index), values_b = matrix(b.values, index);
  const at::Tensor scales_a = matrix(a.scales, index), scales_b = matrix(b.scales, index);
  const RowScales rows_a(a, scales_a), rows_b(b, scales_b);
  EmulatedGemm call;
  call.accumulator = accumulator;
  call.m = y.size(0), call.n = y.size(1), call.k = values_a.size(1);
  call.a = {values_a.const_data_ptr<float>(), values_a.stride(0), values_a.stride(1), rows_a.as_operand()};
  call.b = {values_b.const_data_ptr<float>(), values_b.stride(0), values_b.stride(1), rows_b.as_operand()};
  call.scale_block = has_blocks_of_k(a) ? a.block_k : has_blocks_of_k(b) ? b.block_k : 0;
  call.out = y.mutable_data_ptr<float>();
  call.out_stride = y.stride(0);
  call.key = key;
  call.first_element = static_cast<std::uint64_t>(index * y.numel());
  call.elements = static_cast<std::uint64_t>(matrices_of(a.values) * y.numel());
  gemm_emulated(call, [](std::int64_t items, const auto& body) { at::parallel_for(0, items, 1, body); });
}

float widened(float x) {
  return x;
}
float widened(std::uint16_t x) {
  return __builtin_bit_cast(float, std::uint32_t{x} << 16);
}
void store(float x, float& out) {
  out = x;
}
// A product that is a bf16 number; a NaN stays one.
void store(float x, std::uint16_t& out) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  out = static_cast<std::uint16_t>((bits | ((bits & 0x7FFFFFFFu) > 0x7F800000u ? 0x400000u : 0u)) >> 16);
}

// out = in * scales; whether a finite product became infinite.
template <class In, class Out>
bool multiply_matrix(const In* in, Out* out, std::int64_t rows, std::int64_t cols, const Quantized& q,
                     const RowScales& scale) {
  std::vector<float> factors(static_cast<std::size_t>(cols));
  std::int32_t overflows = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (row % q.block_rows == 0)
      for (std::int64_t c = 0; c < cols; ++c) factors[static_cast<std::size_t>(c)] = scale(row, c / q.block_k);
    const float* factor = factors.data();
    const In* from = in + row * cols;
    Out* to = out + row * cols;
    for (std::int64_t c = 0; c < cols; ++c) {
      const float value = widened(from[c]), product = value * factor[c];
      overflows |= static_cast<std::int32_t>((product - product != 0.0f) & (value - value == 0.0f) &
                                             (factor[c] - factor[c] == 0.0f));
      store(product, to[c]);
    }
  }
  return overflows != 0;
}

struct Scaled {
  at::Tensor values;
  bool overflows = false;
};

// Values times scales, in the order of storage of `values`; bf16 for products that are bf16 numbers.
Scaled times_scales(const Quantized& q, at::ScalarType type) {
  if (!q.values.is_contiguous() && q.values.transpose(-2, -1).is_contiguous()) {
    const Scaled turned = times_scales(q.transposed(), type);
    return {turned.values.transpose(-2, -1), turned.overflows};
  }
  const at::Tensor values = q.values.contiguous();
  Scaled result{at::empty(values.sizes(), values.options().dtype(type))};
  const std::int64_t rows = values.size(-2), cols = values.size(-1);
  for (std::int64_t index = 0; index < matrices_of(values); ++index) {
    const at::Tensor scales = matrix(q.scales, index);
    const RowScales scale(q, scales);
    const auto multiply_to = [&](auto* out) {
      const auto multiply_from = [&](const auto* in) {
        result.overflows |= multiply_matrix(in + index * rows * cols, out + index * rows * cols, rows, cols, q, scale);
      };
      if (values.scalar_type() == at::kFloat) return multiply_from(values.const_data_ptr<float>());
      multiply_from(static_cast<const std::uint16_t*>(values.const_data_ptr()));
    };
    if (type == at::kFloat)
      multiply_to(result.values.mutable_data_ptr<float>());
    else
      multiply_to(static_cast<std::uint16_t*>(result.values.mutable_data_ptr()));
  }
  return result;
}

// Values times scales where every product is exact: powers of two that take nothing out of fp32's range, NaN blocks and
// zeros among them. NVFP4's E4M3 block scales are exact on its elements too, once the tensor's part is left out: they
// have 4 significant bits and the elements 2, so that bf16 has room for the products as well.
bool fold(const Quantized& q, Quantized& folded) {
  const at::Tensor scales = q.scales.contiguous();
  const float* data = scales.const_data_ptr<float>();
  const std::int64_t count = scales.numel();
  float smallest = 0x1p127f;
  for (std::int64_t i = 0; i < count; ++i) {
    const float scale = data[i];
    if (!(scale > 0.0f)) continue;
    if (q.outer == 1.0f && has_mantissa(scale)) return false;
    smallest = std::min(smallest, scale);
  }
  // A quotient by the tensor's scale is a multiple of E4M3's quantum.
  const double quantum = q.quantum * (q.outer == 1.0f ? double{smallest} : quantum_of(kE4m3));
  if (!(double{smallest} * q.quantum >= 0x1p-149)) return false;
  folded = q;
  if (q.outer != 1.0f) {
    at::Tensor block_scales = at::empty_like(scales);
    float* out = block_scales.mutable_data_ptr<float>();
    const FormatConstants e4m3 = prepare(kE4m3, Overflow::Saturate);
    for (std::int64_t i = 0; i < count; ++i) out[i] = round_to_format<Rounding::NearestEven>(data[i] / q.outer, e4m3);
    folded.scales = block_scales;
  }
  const bool fits = q.values.scalar_type() == at::kBFloat16 && quantum >= 0x1p-126;
  const Scaled scaled = times_scales(folded, fits ? at::kBFloat16 : at::kFloat);
  if (scaled.overflows) return false;
  folded.values = scaled.values;
  folded.scales = at::Tensor();
  folded.scale = q.outer;
  folded.quantum = static_cast<float>(quantum);
  return true;
}

// bf16 operands meet only their like, and only where their products fit and can be had; emulated accumulators read
// fp32.
bool fit_one_carrier(const Quantized& a, const Quantized& b, bool emulated) {
  const bool a_bf16 = a.values.scalar_type() == at::kBFloat16, b_bf16 = b.values.scalar_type() == at::kBFloat16;
  if (!a_bf16 && !b_bf16) return true;
  return a_bf16 && b_bf16 && !emulated && can_multiply_bf16() && products_fit_bf16(a.quantum, b.quantum);
}

}  // namespace

at::Tensor dequantized(const Quantized& q) {
  if (!q.scales.defined()) {
    const at::Tensor values = q.values.to(at::kFloat).contiguous();
    return q.scale == 1.0f ? values : values.mul(q.scale);
  }
  return times_scales(q, at::kFloat).values.contiguous();
}

bool bf16_is_exact(const MatrixQuantizer& a, const MatrixQuantizer& b, const GemmArithmetic& arithmetic) {
  const bool scales_operands =
      arithmetic.scales == ScalesAct::Operands && (a.kind != ScaleKind::None || b.kind != ScaleKind::None);
  return arithmetic.accumulator.kind == AccumulatorKind::Fp32 && !scales_operands && fits_bf16(a.element) &&
         fits_bf16(b.element);
}

bool runs_on_bf16(const MatrixQuantizer& a, const MatrixQuantizer& b, const GemmArithmetic& arithmetic) {
  return arithmetic.carrier != Carrier::Fp32 && (arithmetic.carrier == Carrier::Bf16 || has_bf16_instructions()) &&
         bf16_is_exact(a, b, arithmetic);
}

at::Tensor gemm(const Quantized& a, const Quantized& b, const at::Tensor& bias, const GemmArithmetic& arithmetic,
                const RandomKey& output_key, const at::Tensor& out, Causal causal) {
  if (arithmetic.scales == ScalesAct::Operands &&
      (a.scales.defined() || b.scales.defined() || a.scale != 1.0f || b.scale != 1.0f)) {
    Quantized plain_a, plain_b;
    plain_a.values = dequantized(a), plain_b.values = dequantized(b);
    GemmArithmetic plain = arithmetic;
    plain.scales = ScalesAct::Sums;
    return gemm(plain_a, plain_b, bias, plain, output_key, out, causal);
  }
  PRECIPICE_CHECK(!bias.defined() || a.values.dim() == 2, "a bias goes with 2-D operands");
  const bool emulated = arithmetic.accumulator.kind != AccumulatorKind::Fp32;
  // Columns side by side in memory are the rows of b a^T. Random words are numbered by the rows of a b^T.
  if (out.defined() && !is_row_major(out) && is_row_major(out.transpose(-2, -1)) && !bias.defined() && !emulated &&
      !is_stochastic(arithmetic.output.rounding)) {
    gemm(b, a, {}, arithmetic, output_key, out.transpose(-2, -1), turned(causal));
    return out;
  }
  if (!emulated && (has_blocks_of_k(a) || has_blocks_of_k(b))) {
    Quantized folded_a = a, folded_b = b;
    const bool folds_a = !a.scales.defined() || fold(a, folded_a), folds_b = !b.scales.defined() || fold(b, folded_b);
    if (folds_a && folds_b) return gemm(folded_a, folded_b, bias, arithmetic, output_key, out, causal);
  }
  const bool is_one_product = !emulated && !a.scales.defined() && !b.scales.defined(),
             fits = fit_one_carrier(a, b, emulated);
  if (!fits && !(is_one_product && a.values.scalar_type() == b.values.scalar_type()))
    return gemm(a.widened(), b.widened(), bias, arithmetic, output_key, out, causal);
  if (is_one_product) {
    // A rounding of the output multiplies in the same pass.
    const float scale = a.scale * b.scale;
    const bool in_place =
        arithmetic.output.is_identity() || !out.defined() || can_round_in_place(out, arithmetic.output);
    const at::Tensor target = in_place ? out : at::Tensor();
    const bool scales_later = !bias.defined() && !arithmetic.output.is_identity();
    const float now = scales_later ? 1.0f : scale;
    const Leeway leeway{bias.defined() ? Causal::No : causal, !fits};
    const at::Tensor y = product(a.values, b.values, now, bias, target, leeway);
    if (!arithmetic.output.is_identity()) round_output(y, scales_later ? scale : 1.0f, arithmetic.output, output_key);
    return in_place ? y : delivered(y, out);
  }
  if (has_blocks_of_k(a) && has_blocks_of_k(b) && a.block_k != b.block_k)
    throw ConfigError(join_parts("the operands of one matmul have scales for blocks of ", a.block_k, " and of ",
                                 b.block_k, " along K: they must be equal, or powers of two"));
  std::vector<std::int64_t> shape = a.values.sizes().vec();
  shape.back() = b.values.size(-2);
  at::Tensor y = at::empty(shape, a.values.options().dtype(at::kFloat));
  for (std::int64_t index = 0; index < matrices_of(a.values); ++index) {
    at::Tensor of_index = matrix(y, index);
    if (emulated)
      emulated_product(a, b, index, arithmetic.accumulator, output_key, of_index);
    else
      scaled_product(a, b, index, of_index);
  }
  if (bias.defined()) y.add_(bias);
  round_output(y, 1.0f, arithmetic.output, output_key);
  return delivered(y, out);
}

}  // namespace precipice

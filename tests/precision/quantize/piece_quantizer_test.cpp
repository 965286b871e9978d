// SPDX-License-Identifier: Apache-2.0
// Rounding by pieces against quantize() and round_output() of the whole.
#include "precision/quantize/piece_quantizer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>
#include <string>

#include "precision/quantize/quantize.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/support/catch.h"
#include "tests/support/quantizers.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::in_format;
using test::random_tensor;
using test::same_bits;

namespace {

constexpr std::int64_t kPieceRows = 24, kCols = 50;

// From 2^-140 up, with zeros, infinity and NaN: rows of very different sizes.
at::Tensor numbers() {
  at::Tensor x = random_tensor({kPieceRows, kCols}, 1);
  for (std::int64_t row = 0; row < kPieceRows; ++row)
    x.select(0, row).mul_(std::ldexp(1.0, static_cast<int>(-6 * row)));
  float* data = x.mutable_data_ptr<float>();
  data[3] = 0.0f, data[60] = -0.0f, data[70] = std::numeric_limits<float>::infinity();
  data[101] = std::numeric_limits<float>::quiet_NaN();
  return x;
}

}  // namespace

TEST_CASE("pieces are quantized as the whole is, and are multiples of the same quantum") {
  const char* format = GENERATE("bf16", "e5m2", "e4m3", "fp16", "e8m3");
  const QuantizerSettings quantizer = in_format(format);
  REQUIRE(PieceQuantizer::serves(quantizer));
  const at::Tensor x = numbers();
  PieceQuantizer pieces(quantizer);
  const auto run = [&](auto* out) {
    for (const std::int64_t piece : {0, 1, 2}) {
      const std::int64_t begin = piece * 8 * kCols;
      pieces.run(x.const_data_ptr<float>() + begin, 8 * kCols, out + begin);
    }
  };
  const at::Tensor wide = at::zeros({kPieceRows, kCols});
  run(wide.mutable_data_ptr<float>());
  INFO(format);
  CHECK(same_bits(wide, quantize(x, quantizer, Contraction::LastAxis, {}).values));
  if (std::string(format) == "fp16") return;
  const at::Tensor packed = at::empty({kPieceRows, kCols}, at::kBFloat16);
  run(static_cast<std::uint16_t*>(packed.mutable_data_ptr()));
  const Quantized whole = quantize(x, quantizer, Contraction::LastAxis, {}, {}, {true});
  CHECK(same_bits(packed, whole.values));
  CHECK(static_cast<float>(pieces.quantum()) == whole.quantum);

  PieceQuantizer anew(quantizer);
  const at::Tensor first = at::empty({8, kCols}, at::kBFloat16);
  anew.run(x.const_data_ptr<float>(), 8 * kCols, static_cast<std::uint16_t*>(first.mutable_data_ptr()));
  CHECK(static_cast<float>(anew.quantum()) ==
        quantize(x.narrow(0, 0, 8), quantizer, Contraction::LastAxis, {}, {}, {true}).quantum);
}

TEST_CASE("pieces of an output are rounded as the whole is, with the random words of their places") {
  for (const Rounding rounding : {Rounding::NearestEven, Rounding::Stochastic}) {
    QuantizerSettings quantizer = in_format("e4m3");
    quantizer.rounding = rounding;
    const RandomKey key{1, 2, 3, 4};
    const at::Tensor whole = random_tensor({kPieceRows, kCols}, 2), by_pieces = whole.clone();
    round_output(whole, 3.0f, quantizer, key);
    const PieceRounder rounder(quantizer, 3.0f, key);
    for (const std::int64_t begin : {700, 0, 300}) {
      const std::int64_t end = begin == 0 ? 300 : begin == 300 ? 700 : kPieceRows * kCols;
      rounder.round(by_pieces.mutable_data_ptr<float>(), begin, end - begin);
    }
    CHECK(same_bits(by_pieces, whole));
  }
}

TEST_CASE("what has a scale, random words, a rotation or a range is not quantized by pieces") {
  const QuantizerSettings plain = in_format("bf16");
  CHECK(PieceQuantizer::serves(plain));
  QuantizerSettings other = plain;
  other.kind = ScaleKind::Tensor;
  CHECK_FALSE(PieceQuantizer::serves(other));
  other = plain, other.rounding = Rounding::Stochastic;
  CHECK_FALSE(PieceQuantizer::serves(other));
  other = plain, other.hadamard = true;
  CHECK_FALSE(PieceQuantizer::serves(other));
  other = plain, other.range = parse_float_format("e5m7");
  CHECK_FALSE(PieceQuantizer::serves(other));
}

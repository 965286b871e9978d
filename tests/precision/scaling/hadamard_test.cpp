// SPDX-License-Identifier: Apache-2.0
// The Hadamard transform against its definition: Sylvester's recursion, exact sums where sums are exact, orthogonality,
// and the product of rotated operands.
#include "precision/scaling/hadamard.h"

#include "precision/base/check.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/precision/scaling/scaling_support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_scaling.h"

namespace precipice::test {
namespace {

using reference::fl;

// Sylvester: H1 = 1, H2n = [H H; H -H].
int sylvester(int row, int column, int size) {
  if (size == 1) return 1;
  const int half = size / 2;
  const int sign = row >= half && column >= half ? -1 : 1;
  return sign * sylvester(row % half, column % half, half);
}

const int kSignVector[16] = {1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1};

double entry(int k, int j) {
  return 0.25 * kSignVector[k] * sylvester(k, j, 16);
}

std::vector<float> rotated(const std::vector<float>& in, const MatrixShape& shape, bool in_bf16 = false) {
  std::vector<float> out(in.size());
  rotate(in.data(), out.data(), shape, in_bf16);
  return out;
}

}  // namespace

TEST_CASE("the matrix is diag(s) H / 4 by Sylvester's recursion, and M M^T = I exactly") {
  constexpr HadamardMatrix m = hadamard_matrix();
  for (int k = 0; k < 16; ++k) {
    for (int j = 0; j < 16; ++j) {
      CHECK(m.entry[k][j] == entry(k, j));
      double product = 0.0;
      for (int i = 0; i < 16; ++i) product += static_cast<double>(m.entry[k][i]) * m.entry[j][i];
      CHECK(product == (k == j ? 1.0 : 0.0));
    }
  }
}

TEST_CASE("rotating adds x[k] m[k][j] from k = 0 up in binary32, along either axis, in place and not, any width") {
  for (const int contraction : {0, 1}) {
    for (const std::int64_t other : {1, 3, 16, 37}) {
      const std::int64_t rows = contraction == 1 ? other : 48, cols = contraction == 1 ? 48 : other;
      for (const char* kind : {"normal", "heavy-tailed", "any bits", "zero blocks"}) {
        const std::vector<float> in = inputs_of(kind, rows, cols);
        std::vector<float> expected(in.size());
        for (std::int64_t r = 0; r < rows; ++r) {
          for (std::int64_t c = 0; c < cols; ++c) {
            const std::int64_t place = contraction == 1 ? c : r, group = place / 16 * 16;
            double sum = 0.0;
            for (int k = 0; k < 16; ++k) {
              const auto at =
                  static_cast<std::size_t>(contraction == 1 ? r * cols + group + k : (group + k) * cols + c);
              sum = fl(sum + fl(in[at] * entry(k, static_cast<int>(place - group))));
            }
            expected[static_cast<std::size_t>(r * cols + c)] = static_cast<float>(sum);
          }
        }
        const MatrixShape shape{rows, cols, contraction};
        std::vector<float> in_place = in;
        rotate(in_place.data(), in_place.data(), shape, false);
        INFO(kind << " " << rows << "x" << cols << " axis " << contraction);
        CHECK(count_differences(rotated(in, shape), expected) == 0);
        CHECK(count_differences(in_place, expected) == 0);
      }
    }
  }
}

TEST_CASE("a bf16 tensor is rounded to bf16 before and after") {
  const std::vector<float> in = inputs_of("normal", 32, 32);
  std::vector<float> narrow(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) narrow[i] = static_cast<float>(reference::bf16(in[i]));
  for (const int contraction : {0, 1}) {
    std::vector<float> expected = rotated(narrow, {32, 32, contraction});
    for (float& x : expected) x = static_cast<float>(reference::bf16(x));
    CHECK(count_differences(rotated(in, {32, 32, contraction}, true), expected) == 0);
  }
}

TEST_CASE("the product of rotated operands is the product of the operands: exactly, where all sums are exact") {
  // Small integers: every sum of quarters is a binary32 number, and so are the products' sums.
  Stream stream{4};
  std::vector<float> a(8 * 32), b(8 * 32);
  for (float& x : a) x = static_cast<float>(static_cast<int>(stream.next() % 17) - 8);
  for (float& x : b) x = static_cast<float>(static_cast<int>(stream.next() % 17) - 8);
  const std::vector<float> ra = rotated(a, {8, 32, 1}), rb = rotated(b, {8, 32, 1});
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t j = 0; j < 8; ++j) {
      double plain = 0.0, turned = 0.0;
      for (std::size_t k = 0; k < 32; ++k) {
        plain += static_cast<double>(a[i * 32 + k]) * b[j * 32 + k];
        turned += static_cast<double>(ra[i * 32 + k]) * rb[j * 32 + k];
      }
      CHECK(plain == turned);
    }
  }
}

TEST_CASE("a rotated quantizer is the rotation and then the quantizer, with the amax of the rotated tensor") {
  for (const bool in_bf16 : {false, true}) {
    QuantizerSettings spec = block_spec("e2m1", ScaleRule::Nvfp4, Arithmetic::Te, 16);
    spec.hadamard = true;
    spec.through_bf16 = in_bf16;
    QuantizerSettings plain = spec;
    plain.hadamard = plain.through_bf16 = false;
    const std::vector<float> in = inputs_of("outlier channel", 32, 48);
    for (const int contraction : {0, 1}) {
      const MatrixShape shape{32, 48, contraction};
      const Quantized together = quantize_all(in, shape, spec);
      const Quantized apart = quantize_all(rotated(in, shape, in_bf16), shape, plain);
      CHECK(count_differences(together.values, apart.values) == 0);
      CHECK(count_differences(together.scales, apart.scales) == 0);
    }
  }
}

TEST_CASE("a contraction that is not a multiple of 16 is refused, the other axis may be anything") {
  std::vector<float> x(16 * 17);
  CHECK_THROWS_WITH(rotate(x.data(), x.data(), {16, 17, 1}, false), Catch::Contains("rht") && Catch::Contains("16x17"));
  CHECK_THROWS_AS(rotate(x.data(), x.data(), {17, 16, 0}, false), ConfigError);
  CHECK_NOTHROW(rotate(x.data(), x.data(), {16, 17, 0}, false));
}

}  // namespace precipice::test

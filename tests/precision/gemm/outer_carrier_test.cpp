// SPDX-License-Identifier: Apache-2.0
// Oracle: the same sums number by number with std::fma, bit for bit.
#include "precision/kernels/outer_product.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "precision/gemm/carrier.h"
#include "precision/gemm/gemm.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

#if defined(__x86_64__)
namespace {

constexpr float kUntouched = -1234.5f;

bool is_skipped() {
  if (!has_avx512_matmuls()) WARN("skipped: matmuls here have no AVX-512");
  return !has_avx512_matmuls();
}

// (K, M), (K, N) -> (M, N)
at::Tensor by_definition(const at::Tensor& a, const at::Tensor& b, float scale) {
  const std::int64_t k = a.size(0), m = a.size(1), n = b.size(1);
  const float *pa = a.const_data_ptr<float>(), *pb = b.const_data_ptr<float>();
  at::Tensor y = at::empty({m, n}, a.options());
  for (std::int64_t row = 0; row < m; ++row)
    for (std::int64_t column = 0; column < n; ++column) {
      float total = 0;
      for (std::int64_t block = 0; block < k; block += 256) {
        float sum = 0;
        for (std::int64_t i = block; i < std::min(k, block + 256); ++i)
          sum = std::fma(pa[i * a.stride(0) + row], pb[i * b.stride(0) + column], sum);
        total = block == 0 ? sum : total + sum;
      }
      y.mutable_data_ptr<float>()[row * n + column] = total * scale;
    }
  return y;
}

OuterProduct call_of(const at::Tensor& a, const at::Tensor& b, const at::Tensor& y, float scale) {
  return {a.size(1),
          b.size(1),
          a.size(0),
          a.const_data_ptr<float>(),
          b.const_data_ptr<float>(),
          a.stride(0),
          b.stride(0),
          y.mutable_data_ptr<float>(),
          y.stride(0),
          scale};
}

}  // namespace

TEST_CASE("an outer product has the bits of its definition, for every number of rows and columns") {
  if (is_skipped()) return;
  for (const std::int64_t k : {1, 3, 256, 257, 600})
    for (const std::int64_t m : {1, 2, 3, 4, 5, 6, 7, 20})
      for (const std::int64_t n : {1, 15, 16, 17, 32, 47, 48, 63, 64, 65, 80, 130}) {
        CAPTURE(k, m, n);
        // Rows with a gap between them; what lies around y stays.
        const at::Tensor a = random_tensor({k, m + 3}, 1).narrow(1, 1, m),
                         b = random_tensor({k, n + 5}, 2).narrow(1, 2, n);
        const at::Tensor memory = at::full({m + 2, n + 7}, kUntouched), y = memory.narrow(0, 1, m).narrow(1, 3, n);
        avx512::outer_product(call_of(a, b, y, 0.3f), 0, m);
        const bool right = same_bits(y, by_definition(a, b, 0.3f));
        y.fill_(kUntouched);
        const bool contained = memory.eq(kUntouched).all().item<bool>();
        if (!right || !contained) FAIL_CHECK("right " << right << ", contained " << contained);
      }
}

TEST_CASE("an outer product's rows have the same bits in any shares and blocks") {
  if (is_skipped()) return;
  const at::Tensor a = random_tensor({300, 401}, 1), b = random_tensor({300, 70}, 2);
  const at::Tensor whole = at::empty({401, 70}, a.options()), shared = at::empty({401, 70}, a.options());
  avx512::outer_product(call_of(a, b, whole, 1.0f), 0, 401);
  CHECK(same_bits(whole, by_definition(a, b, 1.0f)));
  for (const auto& [first, last] : std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 1}, {1, 195}, {195, 401}})
    avx512::outer_product(call_of(a, b, shared, 1.0f), first, last);
  CHECK(same_bits(whole, shared));
}

TEST_CASE("an outer product hides no NaN and no infinity") {
  if (is_skipped()) return;
  at::Tensor a = random_tensor({40, 9}, 1), b = random_tensor({40, 20}, 2);
  a[3][4] = std::numeric_limits<float>::quiet_NaN();
  b[39][19] = std::numeric_limits<float>::infinity();
  const at::Tensor y = at::empty({9, 20}, a.options());
  avx512::outer_product(call_of(a, b, y, 2.0f), 0, 9);
  CHECK(y.isnan().sum().item<std::int64_t>() == 20);
  CHECK(y.isinf().sum().item<std::int64_t>() == 8);
}
#endif

TEST_CASE(
    "a gradient of weights, higher than wide or wider than high, is the sum in double, on one thread and on two") {
  const auto plain = [](const at::Tensor& x) {
    Quantized q;
    q.values = x;
    return q;
  };
  const int before = at::get_num_threads();
  for (const auto& [m, n] : std::vector<std::pair<int, int>>{{1, 1}, {300, 70}, {70, 300}, {64, 64}, {65, 384}}) {
    CAPTURE(m, n);
    const at::Tensor dy = random_tensor({500, m}, 1), x = random_tensor({500, n}, 2);
    Quantized scaled = plain(dy.t());
    scaled.scale = 0.25f;
    at::set_num_threads(1);
    const at::Tensor dw = gemm(scaled, plain(x.t()), {}, {}, {});
    const at::Tensor rows = at::full({m, n + 9}, 7.0f).narrow(1, 4, n);
    at::set_num_threads(2);
    gemm(scaled, plain(x.t()), {}, {}, {}, rows);
    CHECK(same_bits(rows, dw));
    const at::Tensor exact = at::matmul(dy.to(at::kDouble).t(), x.to(at::kDouble)).mul(0.25);
    const at::Tensor bound =
        at::matmul(dy.abs().t(), x.abs()).mul(0.25 * 500 * 0x1p-24);  // half an ulp for each addition
    CHECK(dw.to(at::kDouble).sub(exact).abs().le(bound).all().item<bool>());
  }
  at::set_num_threads(before);
}

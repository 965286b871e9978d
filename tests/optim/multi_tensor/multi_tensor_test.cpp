// SPDX-License-Identifier: Apache-2.0
// scale, axpby and the norms: every element exactly once, the flag as apex documents it. Oracles are plain loops.
#include "optim/multi_tensor/multi_tensor.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "precision/base/check.h"
#include "tests/optim/tensors.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kMax = std::numeric_limits<float>::max();

// Double sums of at most 5e4 terms: relative error below 5e4 * 2^-53 = 6e-12, in practice far smaller.
constexpr double kSumTolerance = 6e-12;

}  // namespace

TEST_CASE("scale multiplies every element once, whatever the tensor and chunk size", "[multi_tensor]") {
  for (const std::int64_t chunk : {std::int64_t{1000}, kTestChunk, kChunkSize}) {
    Tensors in = random_tensors(kSizes, 1), out = zero_tensors(kSizes);
    const Tensors before = in;
    std::int32_t noop = 0;
    multi_tensor_scale(chunk, &noop, {in.list(), out.list()}, 0.3f);
    std::size_t wrong = 0;
    for_each_element(in, [&](std::size_t t, std::size_t i) { wrong += out.data[t][i] != 0.3f * in.data[t][i]; });
    CHECK(wrong == 0);
    CHECK(in.data == before.data);
    CHECK(noop == 0);
    multi_tensor_scale(chunk, &noop, {in.list(), in.list()}, 0.3f);
    CHECK(in.data == out.data);
  }
}

TEST_CASE("axpby computes a x + b y with one rounding per operation, out of place and in place", "[multi_tensor]") {
  Tensors x = random_tensors(kSizes, 1), y = random_tensors(kSizes, 2, 3.0f), out = zero_tensors(kSizes);
  std::int32_t noop = 0;
  multi_tensor_axpby(kTestChunk, &noop, {x.list(), y.list(), out.list()}, 0.7f, -1.3f, AxpbyCheck::Both);
  std::size_t wrong = 0;
  for_each_element(x, [&](std::size_t t, std::size_t i) {
    const volatile float ax = 0.7f * x.data[t][i], by = -1.3f * y.data[t][i];
    wrong += out.data[t][i] != ax + by;
  });
  CHECK(wrong == 0);
  CHECK(noop == 0);
  multi_tensor_axpby(kTestChunk, &noop, {x.list(), y.list(), y.list()}, 0.7f, -1.3f, AxpbyCheck::Both);
  CHECK(y.data == out.data);
}

TEST_CASE("l2norm is the root of the sum of squares, per tensor and over all", "[multi_tensor]") {
  Tensors x = random_tensors(kSizes, 3, 5.0f);
  std::int32_t noop = 0;
  std::vector<double> per_tensor = {-1.0};
  const double norm = multi_tensor_l2norm(kTestChunk, &noop, {x.list()}, &per_tensor);
  CHECK(norm == Approx(static_cast<double>(std::sqrt(squared_distance(x)))).epsilon(kSumTolerance));
  CHECK(norm == multi_tensor_l2norm(kTestChunk, &noop, {x.list()}, nullptr));
  CHECK(noop == 0);
  REQUIRE(per_tensor.size() == kSizes.size());
  for (std::size_t t = 0; t < kSizes.size(); ++t) {
    const Tensors one{{x.data[t]}};
    CHECK(per_tensor[t] == Approx(static_cast<double>(std::sqrt(squared_distance(one)))).epsilon(kSumTolerance));
  }
}

TEST_CASE("norms of values whose squares leave the float range are exact to double", "[multi_tensor]") {
  std::int32_t noop = 0;
  Tensors large{{std::vector<float>(100, kMax)}}, small{{std::vector<float>(100, 0x1p-149f)}};
  CHECK(multi_tensor_l2norm(kTestChunk, &noop, {large.list()}, nullptr) == 10.0 * static_cast<double>(kMax));
  CHECK(multi_tensor_l2norm(kTestChunk, &noop, {small.list()}, nullptr) == 10.0 * 0x1p-149);
  CHECK(noop == 0);
}

TEST_CASE("unscale_l2norm writes what scale writes and returns the norm of what it wrote", "[multi_tensor]") {
  Tensors in = random_tensors(kSizes, 4, 1000.0f), scaled = zero_tensors(kSizes);
  std::int32_t noop = 0;
  multi_tensor_scale(kTestChunk, &noop, {in.list(), scaled.list()}, 0.1f);
  const double norm = multi_tensor_unscale_l2norm(kTestChunk, &noop, {in.list(), in.list()}, 0.1f);
  CHECK(in.data == scaled.data);
  CHECK(norm == multi_tensor_l2norm(kTestChunk, &noop, {scaled.list()}, nullptr));
}

TEST_CASE("results do not depend on where in memory a tensor starts", "[multi_tensor]") {
  const Tensors source = random_tensors({3000}, 5);
  double first = 0;
  for (std::size_t offset = 0; offset < 16; ++offset) {
    std::vector<float> memory(3000 + 16);
    std::copy(source.data[0].begin(), source.data[0].end(), memory.begin() + static_cast<std::ptrdiff_t>(offset));
    const TensorList list = {{memory.data() + offset, 3000}};
    std::int32_t noop = 0;
    const double norm = multi_tensor_unscale_l2norm(kTestChunk, &noop, {list, list}, 3.0f);
    if (offset == 0) first = norm;
    CHECK(norm == first);
    CHECK((offset == 0 || memory[offset - 1] == 0.0f));
    CHECK((offset == 15 || memory[offset + 3000] == 0.0f));
  }
}

TEST_CASE("an infinity or NaN anywhere in the input sets the flag and reaches the output", "[multi_tensor]") {
  for (const float bad : {kInf, -kInf, kNan}) {
    for (const std::size_t at : {0u, 7u, 8u, 1023u, 1024u, 2047u, 2048u, 2999u}) {
      Tensors in = random_tensors({5, 3000}, 6), out = zero_tensors({5, 3000});
      in.data[1][at] = bad;
      std::int32_t noop = 0;
      multi_tensor_scale(kTestChunk, &noop, {in.list(), out.list()}, 0.5f);
      CHECK(noop == 1);
      const float product = bad * 0.5f;
      CHECK((std::isnan(bad) ? std::isnan(out.data[1][at]) : out.data[1][at] == product));

      noop = 0;
      std::vector<double> per_tensor;
      CHECK_FALSE(std::isfinite(multi_tensor_l2norm(kTestChunk, &noop, {in.list()}, &per_tensor)));
      CHECK(noop == 1);
      CHECK(std::isfinite(per_tensor[0]));
      CHECK_FALSE(std::isfinite(per_tensor[1]));

      noop = 0;
      CHECK_FALSE(std::isfinite(multi_tensor_unscale_l2norm(kTestChunk, &noop, {in.list(), in.list()}, 0.5f)));
      CHECK(noop == 1);
    }
  }
}

TEST_CASE("axpby tests the inputs it was told to test and propagates from both", "[multi_tensor]") {
  struct Row {
    AxpbyCheck check;
    bool bad_x, bad_y;
    std::int32_t expected;
  };
  const Row row = GENERATE(values<Row>({{AxpbyCheck::Both, false, false, 0},
                                        {AxpbyCheck::Both, true, false, 1},
                                        {AxpbyCheck::Both, false, true, 1},
                                        {AxpbyCheck::X, true, false, 1},
                                        {AxpbyCheck::X, false, true, 0},
                                        {AxpbyCheck::Y, true, false, 0},
                                        {AxpbyCheck::Y, false, true, 1}}));
  Tensors x = random_tensors({100}, 7), y = random_tensors({100}, 8), out = zero_tensors({100});
  if (row.bad_x) x.data[0][37] = kInf;
  if (row.bad_y) y.data[0][37] = kNan;
  std::int32_t noop = 0;
  multi_tensor_axpby(kTestChunk, &noop, {x.list(), y.list(), out.list()}, 1.0f, 1.0f, row.check);
  CHECK(noop == row.expected);
  CHECK(std::isfinite(out.data[0][37]) == !(row.bad_x || row.bad_y));
  CHECK(std::isfinite(out.data[0][36]));
}

TEST_CASE("scale tests its input, not the product; unscale_l2norm also sees a product that overflows",
          "[multi_tensor]") {
  Tensors in{{{1.0f, kMax}}}, out{{{0.0f, 0.0f}}};
  std::int32_t noop = 0;
  multi_tensor_scale(kTestChunk, &noop, {in.list(), out.list()}, 2.0f);
  CHECK(out.data[0][1] == kInf);
  CHECK(noop == 0);
  multi_tensor_unscale_l2norm(kTestChunk, &noop, {in.list(), out.list()}, 2.0f);
  CHECK(noop == 1);
}

TEST_CASE("no kernel clears a flag that is set", "[multi_tensor]") {
  Tensors a = random_tensors({10}, 9), b = random_tensors({10}, 10), m = zero_tensors({10}), v = zero_tensors({10});
  std::int32_t noop = 1;
  multi_tensor_scale(kTestChunk, &noop, {a.list(), b.list()}, 1.0f);
  multi_tensor_axpby(kTestChunk, &noop, {a.list(), a.list(), b.list()}, 1.0f, 1.0f, AxpbyCheck::Both);
  multi_tensor_l2norm(kTestChunk, &noop, {a.list()}, nullptr);
  multi_tensor_unscale_l2norm(kTestChunk, &noop, {a.list(), b.list()}, 1.0f);
  multi_tensor_adam(kTestChunk, &noop, {a.list(), b.list(), m.list(), v.list()}, AdamArgs{});
  multi_tensor_sgd(kTestChunk, &noop, {a.list(), b.list(), m.list()}, SgdArgs{});
  CHECK(noop == 1);
}

TEST_CASE("lists without tensors and tensors without elements are no work", "[multi_tensor]") {
  for (const TensorList& list : {TensorList{}, TensorList{{nullptr, 0}, {nullptr, 0}}}) {
    std::int32_t noop = 0;
    std::vector<double> per_tensor;
    multi_tensor_scale(kTestChunk, &noop, {list, list}, 2.0f);
    multi_tensor_axpby(kTestChunk, &noop, {list, list, list}, 1.0f, 1.0f, AxpbyCheck::Both);
    CHECK(multi_tensor_l2norm(kTestChunk, &noop, {list}, &per_tensor) == 0.0);
    CHECK(per_tensor == std::vector<double>(list.size(), 0.0));
    CHECK(multi_tensor_unscale_l2norm(kTestChunk, &noop, {list, list}, 2.0f) == 0.0);
    CHECK(multi_tensor_adam(kTestChunk, &noop, {list, list, list, list}, AdamArgs{}).weight == 0.0);
    CHECK(multi_tensor_sgd(kTestChunk, &noop, {list, list, list}, SgdArgs{}).weight == 0.0);
    CHECK(noop == 0);
  }
}

TEST_CASE("lists that do not belong together are a broken contract", "[multi_tensor]") {
  Tensors a = random_tensors({10}, 11), shorter = random_tensors({9}, 12), more = random_tensors({10, 10}, 13);
  std::int32_t noop = 0;
  CHECK_THROWS_AS(multi_tensor_scale(kTestChunk, &noop, {a.list()}, 1.0f), ContractError);
  CHECK_THROWS_AS(multi_tensor_scale(kTestChunk, &noop, {a.list(), shorter.list()}, 1.0f), ContractError);
  CHECK_THROWS_AS(multi_tensor_scale(kTestChunk, &noop, {a.list(), more.list()}, 1.0f), ContractError);
  CHECK_THROWS_AS(multi_tensor_scale(kTestChunk, &noop, {a.list(), {{nullptr, 10}}}, 1.0f), ContractError);
  CHECK_THROWS_AS(multi_tensor_scale(0, &noop, {a.list(), a.list()}, 1.0f), ContractError);
  CHECK_THROWS_AS(multi_tensor_scale(kTestChunk, nullptr, {a.list(), a.list()}, 1.0f), ContractError);
  CHECK_THROWS_AS(multi_tensor_l2norm(kTestChunk, &noop, {}, nullptr), ContractError);
}

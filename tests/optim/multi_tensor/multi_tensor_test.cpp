// SPDX-License-Identifier: Apache-2.0
// Norms and the scaling beside one: every element exactly once, and every infinity and NaN seen. Oracles are plain loops.
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

// Double sums of at most 1.2e5 terms: relative error below 1.2e5 * 2^-53 = 1.4e-11, in practice far smaller.
constexpr double kSumTolerance = 1.4e-11;

double norm_of(const Tensors& x, const Tensors* y = nullptr) {
  return static_cast<double>(std::sqrt(squared_distance(x, y)));
}

}  // namespace

TEST_CASE("scale_l2norm multiplies every element once, whatever the tensor, and returns the norm of what it wrote",
          "[multi_tensor]") {
  Tensors x = random_tensors(kSizes, 1);
  const Tensors before = x;
  const double norm = multi_tensor_scale_l2norm(x.list(), 0.3f);
  std::size_t wrong = 0;
  for_each_element(x, [&](std::size_t t, std::size_t i) { wrong += x.data[t][i] != 0.3f * before.data[t][i]; });
  CHECK(wrong == 0);
  CHECK(norm == multi_tensor_l2norm(x.list()));
}

TEST_CASE("l2norm and distance are roots of sums of squares over all tensors", "[multi_tensor]") {
  Tensors x = random_tensors(kSizes, 3, 5.0f), y = random_tensors(kSizes, 4, 5.0f);
  const Tensors before = x;
  CHECK(multi_tensor_l2norm(x.list()) == Approx(norm_of(x)).epsilon(kSumTolerance));
  CHECK(multi_tensor_distance(x.list(), y.list()) == Approx(norm_of(x, &y)).epsilon(kSumTolerance));
  CHECK(multi_tensor_distance(x.list(), x.list()) == 0.0);
  CHECK(x.data == before.data);
}

TEST_CASE("norms of values whose squares leave the float range are exact to double", "[multi_tensor]") {
  Tensors large{{std::vector<float>(100, kMax)}}, small{{std::vector<float>(100, 0x1p-149f)}};
  CHECK(multi_tensor_l2norm(large.list()) == 10.0 * static_cast<double>(kMax));
  CHECK(multi_tensor_l2norm(small.list()) == 10.0 * 0x1p-149);
}

TEST_CASE("results do not depend on where in memory a tensor starts", "[multi_tensor]") {
  const Tensors source = random_tensors({3000}, 5);
  double first = 0;
  for (std::size_t offset = 0; offset < 16; ++offset) {
    std::vector<float> memory(3000 + 16);
    std::copy(source.data[0].begin(), source.data[0].end(), memory.begin() + static_cast<std::ptrdiff_t>(offset));
    const double norm = multi_tensor_scale_l2norm({{memory.data() + offset, 3000}}, 3.0f);
    if (offset == 0) first = norm;
    CHECK(norm == first);
    CHECK((offset == 0 || memory[offset - 1] == 0.0f));
    CHECK((offset == 15 || memory[offset + 3000] == 0.0f));
  }
}

TEST_CASE("an infinity or NaN anywhere is in the norm and reaches the output", "[multi_tensor]") {
  for (const float bad : {kInf, -kInf, kNan}) {
    for (const std::size_t at : {0u, 7u, 8u, 1023u, 1024u, 2047u, 2048u, 2999u}) {
      Tensors x = random_tensors({5, 3000}, 6);
      x.data[1][at] = bad;
      CHECK_FALSE(std::isfinite(multi_tensor_l2norm(x.list())));
      // By a factor that takes every finite product to zero as well.
      for (const float factor : {0.5f, 0x1p-149f, 0.0f}) {
        Tensors scaled = x;
        CHECK_FALSE(std::isfinite(multi_tensor_scale_l2norm(scaled.list(), factor)));
        CHECK_FALSE(std::isfinite(scaled.data[1][at]));
      }
    }
  }
  Tensors overflow{{{1.0f, kMax}}};
  CHECK(multi_tensor_scale_l2norm(overflow.list(), 2.0f) == static_cast<double>(kInf));
}

TEST_CASE("lists without tensors and tensors without elements are no work", "[multi_tensor]") {
  for (const TensorList& list : {TensorList{}, TensorList{{nullptr, 0}, {nullptr, 0}}}) {
    CHECK(multi_tensor_l2norm(list) == 0.0);
    CHECK(multi_tensor_scale_l2norm(list, 2.0f) == 0.0);
    CHECK(multi_tensor_distance(list, list) == 0.0);
  }
}

TEST_CASE("lists that do not belong together are a broken contract", "[multi_tensor]") {
  Tensors a = random_tensors({10}, 11), shorter = random_tensors({9}, 12), more = random_tensors({10, 10}, 13);
  CHECK_THROWS_AS(multi_tensor_distance(a.list(), shorter.list()), ContractError);
  CHECK_THROWS_AS(multi_tensor_distance(a.list(), more.list()), ContractError);
  CHECK_THROWS_AS(multi_tensor_l2norm({{nullptr, 10}}), ContractError);
}

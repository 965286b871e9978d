// SPDX-License-Identifier: Apache-2.0
#include "train/probes/spectral_norms.h"

#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;

TEST_CASE("spectral norms of heads are the largest singular values of their weights") {
  const at::Tensor w = test::random_tensor({3 * 4, 10}, 5);
  const std::vector<double> norms = block_spectral_norms(w, 3);
  REQUIRE(norms.size() == 3);
  for (std::int64_t head = 0; head < 3; ++head) {
    const at::Tensor values = at::linalg_svdvals(w.slice(0, 4 * head, 4 * head + 4).to(at::kDouble));
    // The square of the singular value is known to 1e-16 relative to the largest.
    CHECK(norms[static_cast<std::size_t>(head)] == Approx(values[0].item<double>()).epsilon(1e-13));
  }
  at::Tensor broken = w.clone();
  broken[5][2] = std::numeric_limits<float>::infinity();
  const std::vector<double> part = block_spectral_norms(broken, 3);
  CHECK(part[0] == norms[0]);
  CHECK(std::isnan(part[1]));
  CHECK(part[2] == norms[2]);
  CHECK(block_spectral_norms(at::zeros({4, 3}), 2)[1] == 0);
}

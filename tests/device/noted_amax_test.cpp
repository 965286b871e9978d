// SPDX-License-Identifier: Apache-2.0
// The amaxes that whoever writes a tensor notes (precision/quantize/noted_amax.h): found again in the same memory alone, and
// as long as nobody has written to it; and sums of columns, which have the order of ATen's on the CPU.
#include "precision/quantize/noted_amax.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>
#include <vector>

#include "precision/quantize/column_sums.h"
#include "tests/support/catch.h"
#include "tests/support/test_device/test_device.h"

using namespace precipice;

namespace {

c10::Device device() {
  return test_device::test_device().device;
}

at::Tensor noted(const at::Tensor& x, float amax) {
  note_amax(x, at::full({1}, amax, x.options()));
  return x;
}

float amax_found(const at::Tensor& x) {
  const at::Tensor found = noted_amax(x);
  return found.defined() ? found.cpu().item<float>() : std::numeric_limits<float>::quiet_NaN();
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && a.view(at::kInt).equal(b.view(at::kInt));
}

}  // namespace

TEST_CASE("an amax is found for the whole of the noted memory in any order, and for nothing else") {
  const at::Tensor x = noted(at::zeros({6, 4}, at::TensorOptions(device())), 7.0f);
  CHECK(amax_found(x) == 7.0f);
  CHECK(amax_found(x.view({2, 3, 4})) == 7.0f);
  CHECK(amax_found(x.t()) == 7.0f);
  CHECK(amax_found(x.detach()) == 7.0f);
  CHECK(std::isnan(amax_found(x.narrow(0, 0, 3))));
  CHECK(std::isnan(amax_found(x.narrow(1, 1, 3))));
  CHECK(std::isnan(amax_found(x.clone())));
  CHECK(std::isnan(amax_found(at::zeros({6, 4}))));
  note_amax(x, at::full({1}, 9.0f, x.options()));
  CHECK(amax_found(x) == 9.0f);
}

TEST_CASE("an amax is forgotten when its memory is written to, or is another's") {
  const at::Tensor x = noted(at::zeros({6, 4}, at::TensorOptions(device())), 7.0f);
  x.view({24}).narrow(0, 3, 1).fill_(8);
  CHECK(std::isnan(amax_found(x)));
  // The allocator gives the same memory again.
  for (int i = 0; i < 200; ++i) {
    at::Tensor first = noted(at::empty({16, 16}, at::TensorOptions(device())), 1.0f);
    first.reset();
    CHECK(std::isnan(amax_found(at::empty({16, 16}, at::TensorOptions(device())))));
  }
}

TEST_CASE("amaxes of many arrays are found at once") {
  std::vector<at::Tensor> all;
  std::vector<float> expected;
  for (std::int64_t size = 1; size < 9000; size = size * 5 / 4 + 1) {
    at::Tensor x = at::randn({size});
    x[size / 3].fill_(-50.0f - static_cast<float>(size));
    all.push_back(x.to(device()));
    expected.push_back(50.0f + static_cast<float>(size));
  }
  const std::size_t distinct = all.size();
  while (all.size() < 300) all.push_back(all[all.size() % distinct].clone());  // more than a launch has room for
  all[5].fill_(std::numeric_limits<float>::quiet_NaN());
  note_amaxes_of(all);
  for (std::size_t i = 0; i < all.size(); ++i)
    if (i != 5) CHECK(amax_found(all[i]) == expected[i % distinct]);
  CHECK(noted_amax(all[5]).defined());
  CHECK(std::isnan(amax_found(all[5])));
}

TEST_CASE("sums of columns on a device have the bits of ATen's on the CPU") {
  at::set_num_threads(1);  // which split columns elsewhere than at whole vectors
  for (const std::int64_t rows : {1, 2, 15, 16, 17, 31, 32, 100, 255, 256, 257, 300, 4095, 4096, 4113})
    for (const std::int64_t cols : {2, 3, 4, 7, 8, 9, 16, 33, 48, 71}) {
      const at::Tensor x = at::randn({rows, cols});
      CAPTURE(rows, cols);
      CHECK(same_bits(column_sums(x.to(device())).cpu(), x.sum(0)));
    }
  // More than 2^16 rows are four levels of groups.
  const at::Tensor many = at::randn({70000, 16});
  CHECK(same_bits(column_sums(many.to(device())).cpu(), many.sum(0)));
  // Of rows that lie apart, into memory that there is.
  const at::Tensor both = at::randn({37, 2, 5}), there = both.to(device());
  const at::Tensor room = at::empty({5}, there.options());
  CHECK(column_sums(there.select(1, 1), room, {5, 10}).is_same(room));
  CHECK(same_bits(room.cpu(), both.sum(0)[1].contiguous()));
}

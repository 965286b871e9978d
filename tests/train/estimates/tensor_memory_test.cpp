// SPDX-License-Identifier: Apache-2.0
#include "train/estimates/tensor_memory.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>

#include "tests/support/catch.h"

using namespace precipice;

namespace {

at::Tensor of_floats(std::int64_t count) {
  return at::empty({count}, at::TensorOptions(at::kFloat));
}

}  // namespace

TEST_CASE("a tensor gets the memory of the last one of its size, aligned, and nothing else does") {
  recycle_tensor_memory();
  release_tensor_memory();
  const TensorMemory before = tensor_memory();
  at::Tensor a = of_floats(1000), b = of_floats(1000);
  CHECK(tensor_memory().in_use == before.in_use + 2 * 4032);  // whole units of 64 bytes
  CHECK(reinterpret_cast<std::uintptr_t>(a.data_ptr()) % 64 == 0);
  CHECK(a.data_ptr() != b.data_ptr());
  const void* const freed = a.data_ptr();
  a = at::Tensor();
  CHECK(tensor_memory().in_use == before.in_use + 4032);
  at::Tensor other = of_floats(500);
  CHECK(other.data_ptr() != freed);
  // A tensor of at most a fifth less fits too.
  for (const std::int64_t size : {1000, 850}) CHECK(of_floats(size).data_ptr() == freed);
  CHECK(of_floats(0).data_ptr() == nullptr);
  // Of several, the one given back last, which is the likeliest to be in a cache.
  a = of_floats(1000);
  const void* const last = b.data_ptr();
  a = at::Tensor();
  b = at::Tensor();
  CHECK(of_floats(1000).data_ptr() == last);
}

TEST_CASE("memory of sizes that come no more is given back") {
  recycle_tensor_memory();
  std::size_t most = tensor_memory().in_use;
  // Ever larger tensors, one at a time: kept blocks alone would grow to 15 times the last one.
  for (std::int64_t size = 100'000; size < 100'000'000; size += size / 2) {
    const at::Tensor x = of_floats(size);
    most = std::max(most, tensor_memory().in_use);
  }
  CHECK(tensor_memory().kept + tensor_memory().in_use <= most + (std::size_t{1} << 28));
  CHECK(tensor_memory().kept > 0);
  release_tensor_memory();
  CHECK(tensor_memory().kept == 0);
}

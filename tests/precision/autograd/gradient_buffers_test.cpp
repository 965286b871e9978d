// SPDX-License-Identifier: Apache-2.0
// Oracle: autograd's own gradients of the same graph.
#include "precision/autograd/gradient_buffers.h"

#include <ATen/ops/ones.h>

#include "precision/autograd/quantized_matmul.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

namespace {

at::Tensor leaf(std::vector<std::int64_t> shape, std::uint64_t seed) {
  return random_tensor(std::move(shape), seed).set_requires_grad(true);
}

// Weights of one operation, of two, of an operation and of ATen's, and of none.
struct Net {
  at::Tensor once = leaf({12, 8}, 1), twice = leaf({12, 12}, 2), shared = leaf({8, 12}, 3), bias = leaf({8}, 4),
             plain = leaf({8}, 5), unused = leaf({3, 2}, 6);
  SitePrecision precision;

  std::vector<at::Tensor> parameters() const { return {once, twice, shared, bias, plain, unused}; }
  at::Tensor objective(const at::Tensor& x) const {
    const MatmulSite site{&precision};
    at::Tensor h = quantized_linear(x, once, {}, site);
    h = quantized_linear(quantized_linear(h, twice, {}, site), twice, {}, site);
    return quantized_linear(h, shared, bias, site).mul(plain).sum().add(shared.square().sum());
  }
};

}  // namespace

TEST_CASE("buffers hold autograd's gradients, of every pass anew") {
  Net net;
  GradientBuffers gradients(net.parameters());
  std::vector<const void*> memory;
  for (const at::Tensor& buffer : gradients.buffers()) memory.push_back(buffer.const_data_ptr());
  for (const std::uint64_t seed : {10, 11}) {
    const at::Tensor x = random_tensor({5, 8}, seed), upstream = at::ones({}).mul(2);
    {
      const GradientBuffers::Recording recording(gradients);
      gradients.backward(net.objective(x), upstream);
    }
    net.objective(x).backward(upstream);
    for (std::size_t i = 0; i < memory.size(); ++i) {
      CAPTURE(seed, i);
      const at::Tensor& buffer = gradients.buffers()[i];
      CHECK(buffer.const_data_ptr() == memory[i]);
      at::Tensor& theirs = net.parameters()[i].mutable_grad();
      if (i == 5) {
        CHECK_FALSE(theirs.defined());
        CHECK_FALSE(buffer.any().item<bool>());
        continue;
      }
      // Sums of two are commutative, so that their bits are the same.
      CHECK(same_bits(buffer, theirs));
      theirs = at::Tensor();
    }
  }
}

TEST_CASE("buffers take what a pass before left away") {
  Net net;
  GradientBuffers gradients(net.parameters());
  const at::Tensor x = random_tensor({5, 8}, 10), one = at::ones({});
  const MatmulSite site{&net.precision};
  const GradientBuffers::Recording recording(gradients);
  gradients.backward(net.objective(x), one);
  CHECK(gradients.buffers()[1].any().item<bool>());
  gradients.backward(quantized_linear(x, net.once, {}, site).sum(), one);
  CHECK(gradients.buffers()[0].any().item<bool>());
  for (const std::size_t i : {1, 2, 3, 4, 5}) CHECK_FALSE(gradients.buffers()[i].any().item<bool>());
}

TEST_CASE("outside a recording, and of other parameters, gradients are autograd's") {
  Net net, other;
  GradientBuffers gradients(net.parameters());
  const at::Tensor x = random_tensor({5, 8}, 10);
  net.objective(x).backward();
  CHECK(net.once.grad().defined());
  CHECK_FALSE(gradients.buffers()[0].any().item<bool>());
  const GradientBuffers::Recording recording(gradients);
  other.objective(x).backward();
  CHECK(same_bits(other.twice.grad(), net.twice.grad()));
}

// SPDX-License-Identifier: Apache-2.0
// Attention in one kernel for each direction, as a model calls it: which sites it serves, and the bits of the general
// operation on the CPU.
#include "train/attention/fused_attention.h"

#include <ATen/ops/empty.h>

#include <map>
#include <utility>
#include <vector>

#include "precision/gemm/matmuls_of.h"
#include "precision/quantize/device.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/test_device.h"
#include "tests/support/tiny_run.h"
#include "train/attention/attention.h"
#include "train/estimates/kept_memory.h"
#include "train/recipes/recipes.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

namespace {

ElementQuantizer element(const char* format, Rounding rounding = Rounding::NearestEven) {
  ElementQuantizer result;
  result.format = parse_float_format(format);
  result.rounding = rounding;
  return result;
}

struct Sites {
  SitePrecision qk, pv;
};

// Operands x, w and dy of both products, and what results are rounded to.
Sites sites_of(const ElementQuantizer& x, const ElementQuantizer& w, const ElementQuantizer& dy,
               const ElementQuantizer& output, const char* accumulator) {
  GemmArithmetic arithmetic;
  arithmetic.output = output;
  arithmetic.accumulator = parse_accumulator(accumulator);
  ElementQuantizer queries = x;
  queries.rounding = Rounding::NearestEven;  // of each tensor's two passes
  return {SitePrecision::of_tensors(queries, w, dy, arithmetic), SitePrecision::of_tensors(x, w, dy, arithmetic)};
}

constexpr const char* kInOrder = "every:format=fp32";

Sites sites_in(const char* format, const char* accumulator = kInOrder) {
  return sites_of(element(format), element(format), element(format), element(format), accumulator);
}

struct Results {
  at::Tensor mixed;
  std::vector<at::Tensor> gradients;
  std::uint64_t launches;
};

// Both site's and the softmax's.
struct Observers {
  QuantizationObserver* operands = nullptr;
  AttentionObserver* weights = nullptr;
};

std::uint64_t launches() {
  test::on_cpu().control->memory_in_use(test_device::stream());
  return test::on_cpu().control->counters().launches;
}

// Of {qkv} (B, T, (H + 2 G) D), or {q, k, v} (B, T, ., D).
Results attend(const std::vector<at::Tensor>& inputs, std::int64_t heads, std::int64_t groups,
               const at::Tensor& upstream, const Sites& sites, const c10::Device& device,
               const Observers& observers = {}) {
  const MatmulSite qk{&sites.qk, 3, 11, 2, false, observers.operands},
      pv{&sites.pv, 4, 11, 2, false, observers.operands};
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& input : inputs) leaves.push_back(input.to(device).detach().set_requires_grad(true));
  const at::Tensor gradient = upstream.to(device);
  const std::uint64_t before = launches();
  const at::Tensor mixed = leaves.size() == 1
                               ? causal_attention(leaves[0], heads, groups, qk, pv, {}, observers.weights)
                               : causal_attention(leaves[0], leaves[1], leaves[2], qk, pv, {}, observers.weights);
  mixed.backward(gradient);
  Results results{mixed.detach().cpu(), {}, 0};
  for (const at::Tensor& leaf : leaves) results.gradients.push_back(leaf.grad().cpu());
  results.launches = launches() - before;
  return results;
}

// `more`: launches but the three of attention.
void check_same_on_device(const std::vector<at::Tensor>& inputs, std::int64_t heads, std::int64_t groups,
                          const at::Tensor& upstream, const Sites& sites, std::uint64_t more) {
  static std::uint64_t order = 50;
  test::on_cpu().control->set_order(order++);
  const Results on_device = attend(inputs, heads, groups, upstream, sites, test_device::test_device().device),
                on_cpu = attend(inputs, heads, groups, upstream, sites, at::kCPU);
  CHECK(on_device.launches == 3 + more);
  CHECK(same_bits(on_device.mixed, on_cpu.mixed));
  REQUIRE(on_device.gradients.size() == on_cpu.gradients.size());
  for (std::size_t i = 0; i < on_cpu.gradients.size(); ++i)
    CHECK(same_bits(on_device.gradients[i], on_cpu.gradients[i]));
}

bool is_served(const Sites& sites, std::int64_t depth = 16) {
  const at::Tensor there = at::empty({1}, at::TensorOptions(test_device::test_device().device));
  return serves_fused_attention(machine_of(there).has_free_sums, kGpuMatmuls, {2, 40, 4, 2, depth}, sites.qk, sites.pv);
}

class Counter : public QuantizationObserver, public AttentionObserver {
 public:
  void observe(std::size_t site, Slot, const EventCounts& events) override { numbers[site] += events.total; }
  void attend(std::int64_t, const at::Tensor&, const at::Tensor& weights, double) override {
    numbers[0] += static_cast<std::uint64_t>(weights.numel());
  }
  std::map<std::size_t, std::uint64_t> numbers;
};

}  // namespace

TEST_CASE("attention in one kernel has the bits of the general operation where sums have an order") {
  // fp32: nothing is quantized before; else q, k, v and the upstream gradient by a launch each, or the first three, where they
  // lie side by side, by one.
  const ElementQuantizer random = element("e5m2", Rounding::Stochastic);
  const struct {
    Sites sites;
    std::uint64_t more;  // of three arrays
  } cases[] = {
      {sites_in("fp32"), 0},
      {sites_in("bf16"), 4},
      // Words of their own in each of their passes, for which the upstream gradient is quantized twice.
      {sites_of(element("e4m3", Rounding::Stochastic), element("e4m3"), random, element("bf16"), kInOrder), 5},
  };
  for (const auto& one : cases) {
    INFO(to_string(one.sites.pv.fprop.first.element.format));
    const std::int64_t length = 34, depth = 8;
    check_same_on_device({random_tensor({2, length, 6 * depth}, 1)}, 2, 2, random_tensor({2, length, 2 * depth}, 2),
                         one.sites, one.more == 0 ? 0 : one.more - 2);
    check_same_on_device({random_tensor({1, length, 4, depth}, 3), random_tensor({1, length, 2, depth}, 4),
                          random_tensor({1, length, 2, depth}, 5)},
                         4, 2, random_tensor({1, length, 4 * depth}, 6), one.sites, one.more);
  }
}

TEST_CASE("attention of bf16 operands by warp matrices has the bits of the general operation where no order matters") {
  Sites sites = sites_of(element("e4m3"), element("bf16"), element("e4m3"), element("fp32"), "library");
  for (SitePrecision* site : {&sites.qk, &sites.pv})
    for (const Pass pass : kAllPasses) site->pass(pass).arithmetic.carrier = Carrier::Bf16;  // on whatever CPU
  const auto small = [](std::vector<std::int64_t> sizes, std::uint64_t seed) {
    return random_tensor(std::move(sizes), seed).mul(1.5).round();
  };
  const test_device::FreeSums free;
  const std::int64_t length = 70, depth = 16;
  check_same_on_device({small({1, length, 6 * depth}, 7)}, 2, 2, small({1, length, 2 * depth}, 8), sites, 4);
}

TEST_CASE("who looks at attention in one kernel sees the general operation, and leaves its bits") {
  const Sites sites = sites_in("bf16", "library");
  const std::int64_t length = 40, depth = 16, heads = 2;
  const at::Tensor qkv = random_tensor({1, length, 3 * heads * depth}, 9),
                   upstream = random_tensor({1, length, heads * depth}, 10);
  const test_device::FreeSums free;
  const c10::Device device = test_device::test_device().device;
  const Results alone = attend({qkv}, heads, heads, upstream, sites, device);
  Counter counter;
  for (const Observers& observers : {Observers{&counter, nullptr}, Observers{nullptr, &counter}}) {
    const Results observed = attend({qkv}, heads, heads, upstream, sites, device, observers);
    CHECK(observed.launches > alone.launches);
    CHECK(same_bits(observed.mixed, alone.mixed));
    CHECK(same_bits(observed.gradients[0], alone.gradients[0]));
  }
  const auto vectors = static_cast<std::uint64_t>(length * heads * depth),
             weights = static_cast<std::uint64_t>(length * heads * length);
  CHECK(counter.numbers[3] == 2 * vectors + weights);  // queries, keys, gradients of scores
  CHECK(counter.numbers[4] == 2 * vectors + weights);  // weights, values, the upstream gradient
  CHECK(counter.numbers[0] == weights);
}

TEST_CASE("attention in one kernel serves what has its bits, and other orders of sums where the machine has its own") {
  CHECK(is_served(sites_in("fp32")));
  CHECK(is_served(sites_in("bf16")));
  CHECK(is_served(sites_in("bf16"), 64));
  CHECK_FALSE(is_served(sites_in("bf16"), 65));
  CHECK_FALSE(is_served(sites_in("bf16", "every:format=bf16")));
  CHECK_FALSE(is_served(sites_in("bf16", "hopper-bf16")));
  const ElementQuantizer bf16 = element("bf16"), random = element("bf16", Rounding::Stochastic);
  CHECK_FALSE(is_served(sites_of(bf16, random, bf16, bf16, kInOrder)));  // values
  CHECK_FALSE(is_served(sites_of(bf16, bf16, bf16, random, kInOrder)));
  CHECK_FALSE(is_served(sites_of(element("bf16", Rounding::Up), bf16, bf16, bf16, kInOrder)));
  Sites scaled = sites_in("e4m3"), flash = sites_in("bf16"), differs = sites_in("bf16");
  scaled.pv.dgrad.first.scaling = AmaxScaling{};
  flash.pv.flash.is_on = true;
  differs.qk.wgrad.second = element("e4m3");
  for (const Sites& sites : {scaled, flash, differs}) CHECK_FALSE(is_served(sites));

  Sites mixed = sites_in("bf16", "library");
  mixed.pv = sites_in("fp32", "library").pv;
  for (const char* format : {"bf16", "fp32"}) CHECK_FALSE(is_served(sites_in(format, "library")));
  const test_device::FreeSums free;
  for (const char* format : {"bf16", "fp32"}) CHECK(is_served(sites_in(format, "library")));
  CHECK_FALSE(is_served(mixed));
  CHECK(is_served(sites_in("bf16")));  // in order, although it need not be
}

TEST_CASE("on a GPU attention is one kernel in every recipe but these") {
  const test_device::FreeSums free;
  std::vector<std::string> others;
  for (const Recipe& recipe : recipes()) {
    const RunConfig config = test::tiny_config({"precision.recipe=" + recipe.name});
    const PrecisionPolicy policy = make_policy(config.precision, config.model);
    const Sites sites{policy.at(policy.site_index(SiteKind::AttnQk, 0)),
                      policy.at(policy.site_index(SiteKind::AttnPv, 0))};
    if (!is_served(sites)) others.push_back(recipe.name);
  }
  // Roundings of other kinds; scales of weights.
  CHECK(others == std::vector<std::string>{"e8m0", "e8m1", "e8m2", "e8m3", "e8m4", "e8m5", "e8m6", "e8m7", "e7m7",
                                           "mask", "fp8-all", "mx-systems-scaling"});
}

TEST_CASE("a plan of a GPU's memory has weights of attention only where somebody looks at them") {
  const RunConfig config =
      test::tiny_config({"device=cuda", "precision.recipe=fp8", "model.context=64", "train.batch=2"});
  const PrecisionPolicy policy = make_policy(config.precision, config.model);
  PassOptions options;
  options.batch = 2;
  const double rows = static_cast<double>(2 * 64 * config.model.heads * config.model.layers), number = 4;
  CHECK(pass_memory(config, policy, options).attention == 2 * number * rows);
  options.observed = true;
  CHECK(pass_memory(config, policy, options).attention >= number * 64 * rows);
}

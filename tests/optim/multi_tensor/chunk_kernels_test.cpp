// SPDX-License-Identifier: Apache-2.0
// The chunk functions of every instruction set against one element at a time and sums written out in their order.
#include <algorithm>
#include <cstring>
#include <limits>

#include "optim/multi_tensor/multi_tensor_chunks.h"
#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"
#include "tests/optim/tensors.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr std::size_t kRoom = 3100;  // three blocks and a rest

std::vector<std::string> isas() {
  std::vector<std::string> names;
  for (const char* name : {"generic", "avx2", "avx512"}) {
    try {
      names.push_back(choose_isa(name).name);
    } catch (const ConfigError&) {
    }
  }
  return names;
}

// Numbers of many magnitudes, and among them zeros, subnormal numbers, infinities and NaN.
std::vector<float> values(std::uint32_t seed) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> x = random_tensors({kRoom}, seed, 2.0f).data[0];
  for (std::size_t i = 0; i < x.size(); i += 7) x[i] *= 0x1p-60f;
  std::size_t at = 50 + seed;
  for (const float special : {0.0f, -0.0f, 1e-45f, -0x1p-130f, 3e38f, infinity, -infinity, nan}) {
    x[at] = special;
    at += 97;
  }
  return x;
}

// Bit for bit; which NaN arithmetic makes may depend on the order of its operands.
bool same(const std::vector<float>& a, const std::vector<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0 && !(std::isnan(a[i]) && std::isnan(b[i]))) return false;
  }
  return a.size() == b.size();
}
bool same(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

template <class Body>
void check_body(const Body& body, const std::string& name) {
  for (const std::string& isa : isas()) {
    INFO(name << " " << isa);
    int wrong = 0;
    for (std::size_t size = 0; size <= kRoom - 20; size += size < 130 ? 1 : size < 1100 ? 37 : 931) {
      const std::size_t first = size % 13;  // any alignment
      std::vector<std::vector<float>> lists;
      for (int d = 0; d < Body::kLists; ++d) lists.push_back(values(static_cast<std::uint32_t>(d)));
      std::vector<std::vector<float>> expected = lists;
      double squares[2] = {};
      for (std::size_t block = 0; block < size; block += 1024) {
        double lane[2][8] = {};
        for (std::size_t i = block; i < std::min(size, block + 1024); ++i) {
          float x[Body::kLists];
          for (std::size_t d = 0; d < Body::kLists; ++d) x[d] = expected[d][first + i];
          const Measures measured = body(x);
          for (std::size_t d = 0; d < Body::kLists; ++d) expected[d][first + i] = x[d];
          for (int k = 0; k < Body::kMeasures; ++k)
            lane[k][i % 8] += double{measured.value[k]} * double{measured.value[k]};
        }
        for (int k = 0; k < Body::kMeasures; ++k) {
          const double* l = lane[k];
          squares[k] += ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]));
        }
      }
      float* at[Body::kLists];
      for (std::size_t d = 0; d < Body::kLists; ++d) at[d] = lists[d].data() + first;
      const ChunkResult result = chunk_kernels(isa).run(body, at, static_cast<std::int64_t>(size));
      for (std::size_t d = 0; d < Body::kLists; ++d) wrong += !same(lists[d], expected[d]);
      wrong += !same(result.squares[0], squares[0]) || !same(result.squares[1], squares[1]);
    }
    CHECK(wrong == 0);
  }
}

template <class... Rules>
void check_rules(RuleList<Rules...>, const OptimizerConfig& config, const UpdateArgs& update) {
  (check_body(UpdateBody<Rules>(config, update), Rules::kName), ...);
}

template <class Rule>
void check_compensated() {
  const KahanBody<Rule> body({}, {.lr = 1e-2, .kahan = parse_float_format("bf16")});
  constexpr int kLists = KahanBody<Rule>::kLists;
  for (const std::int64_t size :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{127}, std::int64_t{1025}, std::int64_t{3000}}) {
    std::vector<std::vector<float>> expected;
    double squares[2] = {};
    for (const std::string& isa : isas()) {
      INFO(Rule::kName << " " << isa << " " << size);
      std::vector<std::vector<float>> lists;
      for (int d = 0; d < kLists; ++d) lists.push_back(values(static_cast<std::uint32_t>(d)));
      float* at[kLists];
      for (std::size_t d = 0; d < kLists; ++d) at[d] = lists[d].data() + 3;
      const ChunkResult result = chunk_kernels(isa).run(body, at, size);
      if (expected.empty()) {
        expected = lists;
        squares[0] = result.squares[0];
        squares[1] = result.squares[1];
      }
      for (std::size_t d = 0; d < kLists; ++d) CHECK(same(lists[d], expected[d]));
      CHECK((same(result.squares[0], squares[0]) && same(result.squares[1], squares[1])));
    }
  }
}

template <class... Rules>
void check_all_compensated(RuleList<Rules...>) {
  (check_compensated<Rules>(), ...);
}

}  // namespace

TEST_CASE("every instruction set gives the bits of one element at a time, and sums in their fixed order",
          "[multi_tensor]") {
  check_body(ScaleBody{0.3f}, "scale");
  check_body(NormBody{}, "norm");
  check_body(DistanceBody{}, "distance");
  OptimizerConfig config;
  config.nesterov = true;
  const UpdateArgs update{.lr = 1e-2, .weight_decay = 0.1, .independent_decay = 0.01, .grad_scale = 0.7, .step = 3};
  check_rules(OptimizerRules{}, config, update);
}

TEST_CASE("compensated updates have the same bits on every instruction set", "[multi_tensor]") {
  check_all_compensated(OptimizerRules{});
}

// SPDX-License-Identifier: Apache-2.0
// Flash attention's rounding against the blocked algorithm (arXiv 2307.08691, algorithms 1 and 2) in plain loops of
// doubles, which round where the product says that it rounds, and what arXiv 2510.04212 says of it.
#include "precision/policy/flash_attention.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "precision/base/special_numbers.h"
#include "tests/support/catch.h"
#include "tests/support/quantizers.h"
#include "tests/support/tensors.h"
#include "train/attention/attention.h"
#include "train/attention/headwise_attention.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

// Other tests that are compiled with this one have such names as well.
namespace flash_attention_test {
namespace {

using Matrix = std::vector<std::vector<double>>;
constexpr std::int64_t kLength = 70, kDepth = 16;  // three blocks of 32 keys, of which the last is not full

class Watcher : public QuantizationObserver {
 public:
  void observe(std::size_t, Slot slot, const EventCounts& events) override {
    if (slot == Slot::FpropX) largest = std::max(largest, events.amax);
  }
  float largest = 0;
};

// ---- the oracle ------------------------------------------------------------------------------------------------------

// Eight significant bits, ties to even, of normal numbers.
double to_bf16(double x) {
  if (x == 0) return x;
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(x, 8 - exponent)), exponent - 8);
}

struct Attended {
  Matrix o, dq, dk, dv;
};

struct Oracle {
  bool in_bf16 = false;  // what sites round; the inputs are bf16 numbers then
  FlashAttention flash;
  std::int64_t block = 32;

  double site(double x) const { return in_bf16 ? to_bf16(x) : x; }
  double sum(double x) const { return flash.sums.is_identity() ? x : to_bf16(x); }

  // One head: matrices (T, D).
  Attended attend(const Matrix& q, const Matrix& k, const Matrix& v, const Matrix& upstream) const {
    const std::size_t length = q.size(), depth = q[0].size();
    const double scale = 1 / std::sqrt(static_cast<double>(depth));
    const Matrix zeros(length, std::vector<double>(depth, 0.0));
    Attended r{zeros, zeros, zeros, zeros};
    for (std::size_t i = 0; i < length; ++i) {
      std::vector<double> s(i + 1), acc(depth, 0.0);
      for (std::size_t j = 0; j <= i; ++j) s[j] = scale * site(dot(q[i], k[j]));
      double m = -kInfinity, l = 0;
      for (std::size_t begin = 0; begin <= i; begin += static_cast<std::size_t>(block)) {
        const std::size_t end = std::min(begin + static_cast<std::size_t>(block), i + 1);
        double largest = *std::max_element(s.begin() + static_cast<std::ptrdiff_t>(begin),
                                           s.begin() + static_cast<std::ptrdiff_t>(end));
        if (flash.beta > 0) {
          std::size_t near = 0;
          for (std::size_t j = begin; j < end; ++j) near += s[j] >= largest - 1e-3 ? 1 : 0;
          if (near > 1) largest = largest > 0 ? flash.beta * largest : 0;
        }
        const double now = std::max(m, largest), factor = std::exp(m - now);
        double total = 0;
        std::vector<double> product(depth, 0.0);
        for (std::size_t j = begin; j < end; ++j) {
          const double e = std::exp(s[j] - now);
          total += flash.sums.is_identity() ? e : site(e);
          for (std::size_t d = 0; d < depth; ++d) product[d] += site(e) * v[j][d];
        }
        l = factor * l + total;
        for (std::size_t d = 0; d < depth; ++d) acc[d] = sum(sum(factor * acc[d]) + sum(product[d]));
        m = now;
      }
      const double log_sum = m + std::log(l);
      std::vector<double> p(i + 1), dp(i + 1);
      double delta = 0;
      for (std::size_t d = 0; d < depth; ++d) {
        r.o[i][d] = site(acc[d] / l);
        const double o = flash.delta == FlashDelta::Unrounded ? acc[d] / l : r.o[i][d];
        if (flash.delta != FlashDelta::Weights) delta += upstream[i][d] * o;
      }
      for (std::size_t j = 0; j <= i; ++j) {
        p[j] = std::exp(s[j] - log_sum);
        dp[j] = site(dot(upstream[i], v[j]));
        if (flash.delta == FlashDelta::Weights) delta += p[j] * dp[j];
      }
      for (std::size_t j = 0; j <= i; ++j) {
        const double ds = site(scale * p[j] * (dp[j] - delta)), weight = site(p[j]);
        for (std::size_t d = 0; d < depth; ++d) {
          r.dq[i][d] += ds * k[j][d];
          r.dk[j][d] += ds * q[i][d];
          r.dv[j][d] += weight * upstream[i][d];
        }
      }
    }
    for (Matrix* x : {&r.dq, &r.dk, &r.dv})
      for (auto& row : *x)
        for (double& y : row) y = site(y);
    return r;
  }

  static double dot(const std::vector<double>& a, const std::vector<double>& b) {
    double total = 0;
    for (std::size_t i = 0; i < a.size(); ++i) total += a[i] * b[i];
    return total;
  }
};

// ---- the product -----------------------------------------------------------------------------------------------------

SitePrecision site_of(const char* format, const FlashAttention& flash) {
  const ElementQuantizer quantizer = test::in_format(format);
  GemmArithmetic arithmetic;
  arithmetic.output = quantizer;
  SitePrecision site = SitePrecision::of_tensors(quantizer, quantizer, quantizer, arithmetic);
  site.flash = flash;
  return site;
}

FlashAttention flash_of(const std::vector<std::pair<const char*, const char*>>& fields) {
  FlashAttention flash;
  set_flash_field(flash, "flash", "true");
  set_flash_field(flash, "flash_block", "32");
  for (const auto& [name, value] : fields) set_flash_field(flash, name, value);
  return flash;
}

// Queries, keys, values (B, T, ., D), and the gradient of what the heads mix (B, T, H * D).
struct Inputs {
  at::Tensor q, k, v, upstream;

  Inputs(std::int64_t heads, std::int64_t groups, bool in_bf16) {
    const auto numbers = [&](std::vector<std::int64_t> shape, std::uint64_t seed, float spread) {
      const at::Tensor x = random_tensor(std::move(shape), seed, spread);
      return in_bf16 ? x.to(at::kBFloat16).to(at::kFloat) : x;
    };
    q = numbers({2, kLength, heads, kDepth}, 1, 1.5f), k = numbers({2, kLength, groups, kDepth}, 2, 1.5f);
    v = numbers({2, kLength, groups, kDepth}, 3, 1), upstream = numbers({2, kLength, heads * kDepth}, 4, 1);
    // Keys of the first block once more in later ones: maxima are repeated within blocks and between them.
    for (const std::int64_t at : {5, 9, 40, 66}) k.select(1, at).copy_(k.select(1, 2));
  }
};

struct Results {
  at::Tensor o, dq, dk, dv;  // (B, T, ., D)
};

Results run(const Inputs& in, const SitePrecision& precision, QuantizationObserver* observer = nullptr) {
  const MatmulSite site{&precision, 0, 0, 0, false, observer};
  const auto leaf = [](const at::Tensor& x) { return x.clone().set_requires_grad(true); };
  const at::Tensor q = leaf(in.q), k = leaf(in.k), v = leaf(in.v);
  const at::Tensor mixed = causal_attention(q, k, v, site, site, {});
  mixed.backward(in.upstream);
  return {mixed.detach().view(in.q.sizes()), q.grad(), k.grad(), v.grad()};
}

Matrix matrix_of(const at::Tensor& x, std::int64_t batch, std::int64_t head) {
  const at::Tensor own = x.select(0, batch).select(1, head).contiguous();
  Matrix result;
  for (std::int64_t i = 0; i < own.size(0); ++i) {
    const float* row = own.const_data_ptr<float>() + i * own.size(1);
    result.emplace_back(row, row + own.size(1));
  }
  return result;
}

// Root mean squares of the differences of two results, for each of the four matrices relative to that of the first.
std::array<double, 4> distances(const Attended& a, const Attended& b) {
  std::array<double, 4> result{};
  std::size_t i = 0;
  for (const auto member : {&Attended::o, &Attended::dq, &Attended::dk, &Attended::dv}) {
    double squares = 0, all = 0;
    for (std::size_t row = 0; row < (a.*member).size(); ++row)
      for (std::size_t d = 0; d < (a.*member)[row].size(); ++d) {
        const double x = (a.*member)[row][d], difference = x - (b.*member)[row][d];
        squares += difference * difference, all += x * x;
      }
    result[i++] = std::sqrt(squares / all);
  }
  return result;
}

// All heads, as the oracle says and as the product does.
using HeadResults = std::vector<Attended>;
HeadResults heads_of(const Inputs& in, const Oracle& oracle) {
  HeadResults all;
  const std::int64_t heads = in.q.size(2), groups = in.k.size(2);
  const at::Tensor upstream = in.upstream.view(in.q.sizes());
  for (std::int64_t batch = 0; batch < 2; ++batch)
    for (std::int64_t head = 0; head < heads; ++head) {
      const std::int64_t group = head / (heads / groups);
      all.push_back(oracle.attend(matrix_of(in.q, batch, head), matrix_of(in.k, batch, group),
                                  matrix_of(in.v, batch, group), matrix_of(upstream, batch, head)));
    }
  return all;
}
HeadResults heads_of(const Inputs& in, const Results& results) {
  HeadResults all;
  const std::int64_t heads = in.q.size(2), groups = in.k.size(2);
  for (std::int64_t batch = 0; batch < 2; ++batch)
    for (std::int64_t head = 0; head < heads; ++head) {
      const std::int64_t group = head / (heads / groups);
      all.push_back({matrix_of(results.o, batch, head), matrix_of(results.dq, batch, head),
                     matrix_of(results.dk, batch, group), matrix_of(results.dv, batch, group)});
    }
  return all;
}

// The largest over heads of the distances, of one matrix or of all four.
double farthest(const HeadResults& a, const HeadResults& b) {
  double largest = 0;
  for (std::size_t head = 0; head < a.size(); ++head)
    for (const double distance : distances(a[head], b[head])) largest = std::max(largest, distance);
  return largest;
}
double farthest_dq(const HeadResults& a, const HeadResults& b) {
  double largest = 0;
  for (std::size_t head = 0; head < a.size(); ++head) largest = std::max(largest, distances(a[head], b[head])[1]);
  return largest;
}

std::string name_of(const FlashAttention& flash) {
  return describe(flash);
}

std::vector<FlashAttention> choices() {
  return {flash_of({}),
          flash_of({{"flash_delta", "unrounded"}}),
          flash_of({{"flash_delta", "weights"}}),
          flash_of({{"flash_beta", "2"}}),
          flash_of({{"flash_sums", "bf16"}}),
          flash_of({{"flash_sums", "bf16"}, {"flash_delta", "unrounded"}}),
          flash_of({{"flash_sums", "bf16"}, {"flash_beta", "3"}})};
}

}  // namespace

TEST_CASE("flash attention in fp32 is the blocked algorithm, whatever delta is made of and maxima are moved to") {
  for (const FlashAttention& flash : choices()) {
    if (!flash.sums.is_identity()) continue;
    const Inputs in(3, 3, false);
    Oracle oracle;
    oracle.flash = flash;
    INFO(name_of(flash));
    // Scores up to 20 have an error of 16 x 20 x 2^-24, which is a relative one of the weights; sums of 70 terms.
    CHECK(farthest(heads_of(in, oracle), heads_of(in, run(in, site_of("fp32", flash)))) < 4e-5);
  }
}

TEST_CASE("flash attention in fp32 of all keys in one block is explicit attention") {
  const Inputs in(2, 2, false);
  FlashAttention flash = flash_of({{"flash_block", "128"}});
  const Results fused = run(in, site_of("fp32", flash)), plain = run(in, site_of("fp32", {}));
  // Weights are divided by their sum after the product and not before, and made again by one more exponential.
  const auto difference = [](const at::Tensor& a, const at::Tensor& b) {
    return a.sub(b).abs().max().item<double>() / b.abs().max().item<double>();
  };
  CHECK(difference(fused.o, plain.o) < 1e-5);
  CHECK(difference(fused.dq, plain.dq) < 1e-5);
  CHECK(difference(fused.dk, plain.dk) < 1e-5);
  CHECK(difference(fused.dv, plain.dv) < 1e-5);
}

TEST_CASE("flash attention rounds where it says, and each choice is told from the others") {
  const Inputs in(2, 2, true);
  const std::vector<FlashAttention> all = choices();
  std::vector<HeadResults> oracles;
  for (const FlashAttention& flash : all) {
    Oracle oracle;
    oracle.in_bf16 = true, oracle.flash = flash;
    oracles.push_back(heads_of(in, oracle));
  }
  for (std::size_t own = 0; own < all.size(); ++own) {
    const HeadResults results = heads_of(in, run(in, site_of("bf16", all[own])));
    for (std::size_t other = 0; other < all.size(); ++other) {
      INFO("product: " << name_of(all[own]) << "; oracle: " << name_of(all[other]));
      // Rounding to bf16 makes errors of 2^-9 relative to an element. Where product and oracle round the same numbers
      // they differ where a number lies within fp32's error of a midpoint: one in a hundred or less of them, so a tenth
      // of the rms error or less. Where they do not, dQ differs by what the choice is about.
      if (own == other)
        CHECK(farthest(oracles[other], results) < 0.15 * 0x1p-9);
      else
        CHECK(farthest_dq(oracles[other], results) > 0.15 * 0x1p-9);
    }
  }
}

TEST_CASE("flash attention of shared key heads gives them the sum of their queries' gradients") {
  const Inputs in(4, 2, false);
  const FlashAttention flash = flash_of({});
  Oracle oracle;
  oracle.flash = flash;
  const HeadResults results = heads_of(in, run(in, site_of("fp32", flash)));
  HeadResults sums = heads_of(in, oracle);
  for (std::size_t head = 0; head < sums.size(); head += 2)
    for (const auto member : {&Attended::dk, &Attended::dv})
      for (std::size_t row = 0; row < (sums[head].*member).size(); ++row)
        for (std::size_t d = 0; d < kDepth; ++d) {
          (sums[head].*member)[row][d] += (sums[head + 1].*member)[row][d];
          (sums[head + 1].*member)[row][d] = (sums[head].*member)[row][d];
        }
  CHECK(farthest(sums, results) < 4e-5);
}

TEST_CASE("flash attention has the same bits head by head and product by product, which an observer asks for") {
  const char* format = GENERATE("fp32", "bf16");
  for (const FlashAttention& flash : choices())
    for (const std::int64_t length : {2, 32, 64, 70, 130}) {
      const SitePrecision precision = site_of(format, flash);
      const at::Tensor qkv = random_tensor({2, length, 3 * 3 * 8}, 1, 2),
                       upstream = random_tensor({2, length, 3 * 8}, 2);
      const auto attend = [&](QuantizationObserver* observer) {
        const MatmulSite site{&precision, 0, 0, 0, false, observer};
        const at::Tensor leaf = qkv.clone().set_requires_grad(true);
        const at::Tensor mixed = causal_attention(leaf, 3, 3, site, site, {});
        mixed.backward(upstream);
        return std::pair{mixed.detach(), leaf.grad()};
      };
      Watcher watcher;
      const auto alone = attend(nullptr), observed = attend(&watcher);
      INFO(format << ", " << length << " positions, " << name_of(flash));
      CHECK(same_bits(alone.first, observed.first));
      CHECK(same_bits(alone.second, observed.second));
      const at::AutoGradMode none(false);
      const MatmulSite site{&precision};
      CHECK(same_bits(causal_attention(qkv, 3, 3, site, site, {}), alone.first));
    }
}

TEST_CASE("an observer of attention sees scores, and weights that sum to 1") {
  struct Seen : AttentionObserver {
    void attend(std::int64_t, const at::Tensor& s, const at::Tensor& w, double) override { scores = s, weights = w; }
    at::Tensor scores, weights;
  } plain, fused;
  const Inputs in(2, 2, false);
  const SitePrecision of_plain = site_of("fp32", {}), of_fused = site_of("fp32", flash_of({}));
  const MatmulSite plain_site{&of_plain}, fused_site{&of_fused};
  causal_attention(in.q, in.k, in.v, plain_site, plain_site, {}, &plain);
  causal_attention(in.q, in.k, in.v, fused_site, fused_site, {}, &fused);
  CHECK(same_bits(plain.scores.tril(), fused.scores.tril()));
  CHECK(plain.weights.sub(fused.weights).abs().max().item<float>() < 1e-5f);  // one more exponential, and a logarithm
}

// Rows with two equal maxima, keys that share their first number, and values of one sign: the gradient of a query's
// first number is the error of its delta times -1 / sqrt(D), as the weights' gradients sum to zero.
TEST_CASE("repeated maxima and values of one sign make delta's error one of one sign, and each cure takes that away") {
  const std::int64_t length = 64, depth = 16;
  const auto bf16 = [](const at::Tensor& x) { return x.to(at::kBFloat16).to(at::kFloat); };
  const at::Tensor q = random_tensor({16, length, 1, depth}, 1, 0.05f),
                   k = random_tensor({16, length, 1, depth}, 2, 0.05f);
  // Maxima from 9 to 15: one that is moved away does not stand for all rows.
  q.select(-1, 1).copy_(random_tensor({16, length, 1}, 5).add(8));
  k.select(-1, 0).fill_(1);
  k.select(-1, 1).fill_(0);
  k.narrow(1, 0, 2).select(-1, 1).fill_(6);  // scores of about 12 against 0: two ones, and weights that only break ties
  k.narrow(1, 1, 1).copy_(k.narrow(1, 0, 1));
  const at::Tensor v = random_tensor({16, length, 1, depth}, 3, 0.25f).sub(3),
                   upstream = random_tensor({16, length, depth}, 4, 0.1f).add(1);
  Inputs in(1, 1, true);
  in.q = bf16(q), in.k = bf16(k), in.v = bf16(v), in.upstream = bf16(upstream);
  // Mean over rows with both maxima, and its standard error.
  const auto bias = [&](const FlashAttention& flash, const char* output = "bf16") {
    SitePrecision pv = site_of("bf16", flash), qk = pv;
    pv.fprop.arithmetic.output = test::in_format(output);
    qk.dgrad.first = qk.wgrad.first = {};  // dS in fp32: what is looked at is delta
    pv.dgrad.arithmetic.output = qk.dgrad.arithmetic.output = {};
    const MatmulSite of_qk{&qk}, of_pv{&pv};
    const at::Tensor query = in.q.clone().set_requires_grad(true);
    causal_attention(query, in.k, in.v, of_qk, of_pv, {}).backward(in.upstream);
    const at::Tensor errors = query.grad().narrow(1, 2, length - 2).select(-1, 0).to(at::kDouble);
    return std::pair{errors.mean().item<double>(),
                     errors.std().item<double>() / std::sqrt(static_cast<double>(errors.numel()))};
  };
  const auto [published, error] = bias(flash_of({{"flash_sums", "bf16"}}));
  CAPTURE(published, error);
  CHECK(std::abs(published) > 6 * error);
  const auto is_cured = [&](const std::pair<double, double>& found) {
    INFO("bias " << found.first << ", standard error " << found.second);
    CHECK(std::abs(found.first) < std::abs(published) / 4);
  };
  is_cured(bias(flash_of({}), "fp32"));
  is_cured(bias(flash_of({{"flash_delta", "unrounded"}})));
  is_cured(bias(flash_of({{"flash_sums", "bf16"}, {"flash_delta", "weights"}})));
  is_cured(bias(flash_of({{"flash_sums", "bf16"}, {"flash_beta", "2"}})));
  is_cured(bias({}));
}

TEST_CASE("what flash attention does not have is refused by name") {
  FlashAttention flash;
  CHECK_THROWS_WITH(set_flash_field(flash, "flash_block", "48"),
                    Catch::Contains("flash_block = 48: must be a multiple of 32"));
  CHECK_THROWS_WITH(set_flash_field(flash, "flash_beta", "0.5"),
                    Catch::Contains("flash_beta = 0.5: must be 0 (off) or"));
  CHECK_THROWS_WITH(set_flash_field(flash, "flash_delta", "round"), Catch::Contains("did you mean rounded?"));
  CHECK_THROWS_WITH(set_flash_field(flash, "flash_sums", "bf17"), Catch::Contains("bf17"));
  set_flash_field(flash, "flash_beta", "2");
  CHECK_THROWS_WITH(validate(flash), Catch::Contains("need flash=true"));
}

}  // namespace flash_attention_test

// SPDX-License-Identifier: Apache-2.0
// The loops between matmuls against their definitions in double, and against themselves on every instruction set.
#include "precision/kernels/row_kernels.h"
#include "precision/kernels/isa.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "precision/kernels/lanes.h"
#include "tests/precision/kernels/isas.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kUlp = 0x1p-23;

std::vector<float> normal(std::size_t size, std::uint32_t seed, float deviation = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(0, deviation);
  std::vector<float> values(size);
  for (float& value : values) value = distribution(generator);
  return values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](float x, float y) {
           return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y) || (x != x && y != y);
         });
}

void sort_largest(double& worst, double difference) {
  worst = std::max(worst, std::isnan(difference) ? HUGE_VAL : std::abs(difference));
}

std::vector<const RowKernels*> kernels() {
  std::vector<const RowKernels*> all;
  for (const Isa& isa : test::available_isas()) all.push_back(&row_kernels_of(isa.name));
  return all;
}

// Every `step`-th float from 0 down to `lowest`.
double worst_exponential(std::uint32_t step, float lowest) {
  double worst = 0;
  const std::uint32_t end = std::bit_cast<std::uint32_t>(-lowest);
  for (std::uint32_t pattern = 0; pattern <= end; pattern += step * 16) {
    float x[kFloatLanes], e[kFloatLanes];
    for (std::uint32_t k = 0; k < 16; ++k) x[k] = -std::bit_cast<float>(std::min(pattern + k * step, end));
    store_lanes(exponential_of_lanes(load_lanes(x)), e);
    for (int k = 0; k < 16; ++k) {
      const double exact = std::exp(double{x[k]});
      sort_largest(worst, (e[k] - exact) / std::ldexp(1, std::ilogb(exact) - 23));
    }
  }
  return worst;
}

struct NormResult {
  std::vector<float> sum, y, statistics, dx, dgain, dbias;
};

NormResult norm(const RowKernels& k, bool centred, bool adds, std::int64_t rows, std::int64_t width) {
  const auto size = static_cast<std::size_t>(rows * width), w = static_cast<std::size_t>(width);
  const auto x = normal(size, 1, 2), addend = normal(size, 2), gain = normal(w, 3), bias = normal(w, 4);
  const auto dy = normal(size, 5), ds = normal(size, 6);
  NormResult r{
      std::vector<float>(size), std::vector<float>(size), std::vector<float>(2 * static_cast<std::size_t>(rows)),
      std::vector<float>(size), std::vector<float>(w),    std::vector<float>(w)};
  k.norm_forward({x.data(), adds ? addend.data() : nullptr, adds ? r.sum.data() : nullptr, gain.data(),
                  centred ? bias.data() : nullptr, r.y.data(), r.statistics.data(), width, 0.01f, centred},
                 0, rows);
  if (!adds) r.sum = x;
  k.norm_backward({r.sum.data(), dy.data(), adds ? ds.data() : nullptr, gain.data(), r.statistics.data(), r.dx.data(),
                   r.dgain.data(), centred ? r.dbias.data() : nullptr, width, centred},
                  0, rows);
  return r;
}

}  // namespace

TEST_CASE("the exponential in lanes is within two ulp of the exact one, and 0 or NaN where it says so") {
  CHECK(worst_exponential(4099, -87.3f) <= 2);
  const float x[] = {-87.4f, -1e30f, -kInf, kNan, 0.0f, -0.0f};
  float e[6];
  store_lanes(exponential_of_lanes(load_lanes(x, 6, 0)), 6, e);
  CHECK((e[0] == 0 && e[1] == 0 && e[2] == 0 && e[3] != e[3] && e[4] == 1 && e[5] == 1));
}

TEST_CASE("a number in all lanes is that number, zeros with their sign, and lanes are added by halves") {
  float x[kFloatLanes];
  for (const float value : {-0.0f, 0.0f, 1e-45f, -kInf}) {
    store_lanes(value, x);
    for (const float lane : x) CHECK(std::bit_cast<std::uint32_t>(lane) == std::bit_cast<std::uint32_t>(value));
  }
  // 2^24 + 1 rounds to 2^24: the ones are there only if they are added to one another first.
  for (const auto& [one, other] : {std::pair{4, 12}, std::pair{2, 6}, std::pair{1, 3}}) {
    std::fill_n(x, kFloatLanes, 0.0f);
    x[0] = 0x1p24f, x[one] = 1.0f, x[other] = 1.0f;
    CHECK(sum_of_lanes(load_lanes(x)) == 0x1p24f + 2.0f);
  }
}

TEST_CASE("the exponential in lanes is within two ulp for every float", "[.exhaustive]") {
  CHECK(worst_exponential(1, -87.3f) <= 2);
}

TEST_CASE("norms and their gradients are the definition's at every width") {
  for (const std::int64_t width : {1, 2, 15, 16, 17, 33, 64, 130})
    for (const bool centred : {true, false})
      for (const bool adds : {true, false}) {
        const std::int64_t rows = 3;
        const auto w = static_cast<std::size_t>(width);
        const NormResult ours = norm(*kernels().back(), centred, adds, rows, width);
        const auto x = normal(3 * w, 1, 2), addend = normal(3 * w, 2), gain = normal(w, 3), bias = normal(w, 4);
        const auto dy = normal(3 * w, 5), ds = normal(3 * w, 6);
        std::vector<double> dgain(w), dbias(w);
        double value = 0, gradient = 0, parameters = 0;
        for (std::size_t row = 0; row < 3; ++row) {
          std::vector<double> s(w);
          double mean = 0, var = 0, mean_g = 0, mean_gh = 0;
          for (std::size_t i = 0; i < w; ++i) {
            s[i] = double{x[row * w + i]} + (adds ? double{addend[row * w + i]} : 0.0);
            mean += centred ? s[i] / double(width) : 0.0;
          }
          for (const double v : s) var += (v - mean) * (v - mean) / double(width);
          const double r = 1 / std::sqrt(var + double{0.01f});
          for (std::size_t i = 0; i < w; ++i) {
            const double h = (s[i] - mean) * r, g = double{dy[row * w + i]} * gain[i];
            sort_largest(value, ours.y[row * w + i] - (h * gain[i] + (centred ? bias[i] : 0.0f)));
            mean_g += centred ? g / double(width) : 0.0, mean_gh += g * h / double(width);
            dgain[i] += dy[row * w + i] * h, dbias[i] += dy[row * w + i];
          }
          for (std::size_t i = 0; i < w; ++i) {
            const double h = (s[i] - mean) * r, g = double{dy[row * w + i]} * gain[i];
            const double dx = r * (g - mean_g - h * mean_gh) + (adds ? double{ds[row * w + i]} : 0.0);
            sort_largest(gradient, ours.dx[row * w + i] - dx);
          }
        }
        for (std::size_t i = 0; i < w; ++i) {
          sort_largest(parameters, ours.dgain[i] - dgain[i]);
          if (centred) sort_largest(parameters, ours.dbias[i] - dbias[i]);
        }
        INFO("width " << width << (centred ? " centred" : "") << (adds ? " adds" : ""));
        // Inputs below 8, so that x - mean has an error of 8 ulp, and r <= 10: 128 ulp with the products; gradients
        // take one more factor of r.
        CHECK(value <= 128 * kUlp);
        CHECK(gradient <= 1024 * kUlp);
        CHECK(parameters <= 512 * kUlp);
      }
}

TEST_CASE("causal softmax and its gradient are the definition's at every length") {
  for (const std::int64_t length : {1, 2, 15, 16, 17, 33, 70}) {
    const auto n = static_cast<std::size_t>(length);
    const auto scores = normal(2 * n * n, 1, 4), upstream = normal(2 * n * n, 2);
    const float scale = 0.35f;
    std::vector<float> p = scores, ds = upstream;
    const RowKernels& k = *kernels().back();
    k.causal_softmax(p.data(), length, scale, 0, 2 * length);
    k.causal_softmax_backward(p.data(), ds.data(), nullptr, length, scale, 0, 2 * length);
    double weights = 0, gradients = 0;
    for (std::size_t row = 0; row < 2 * n; ++row) {
      const std::size_t past = row % n + 1;
      double total = 0, mean = 0;
      for (std::size_t j = 0; j < past; ++j) total += std::exp(double{scale} * scores[row * n + j]);
      const auto weight = [&](std::size_t j) { return std::exp(double{scale} * scores[row * n + j]) / total; };
      for (std::size_t j = 0; j < past; ++j) mean += weight(j) * upstream[row * n + j];
      for (std::size_t j = 0; j < n; ++j) {
        const bool seen = j < past;
        sort_largest(weights, p[row * n + j] - (seen ? weight(j) : 0.0));
        sort_largest(gradients, ds[row * n + j] - (seen ? scale * weight(j) * (upstream[row * n + j] - mean) : 0.0));
      }
    }
    INFO("length " << length);
    // Exponents up to 8 have an absolute error of 4 ulp, the exponential two and the quotient one; gradients below 2.
    CHECK(weights <= 16 * kUlp);
    CHECK(gradients <= 32 * kUlp);
  }
}

TEST_CASE("weights under a running maximum, and made of their sum again, are the definition's at every length") {
  for (const std::int64_t length : {1, 2, 15, 16, 17, 33, 70})
    for (const float beta : {0.0f, 2.0f}) {
      const auto n = static_cast<std::size_t>(length), blocks = (n + 15) / 16;
      std::vector<float> scores = normal(2 * n * n, 1, 4);
      for (std::size_t row = 0; row < 2 * n; ++row)  // maxima that are repeated, in some rows within 1e-3
        if (n > 20) scores[row * n + 3] = scores[row * n + 18] = 9, scores[row * n + 19] = row % 3 == 0 ? 9.001f : 8;
      const float scale = 0.35f;
      std::vector<float> e(scores.size()), maxima(2 * n * blocks), sums(maxima.size()), p = scores, logs(2 * n);
      OnlineSoftmax call{scores.data(), e.data(), maxima.data(), sums.data(), length, 16, scale, beta};
      const RowKernels& k = *kernels().back();
      k.online_softmax(call, 0, 2 * length);
      double weights = 0, normalised = 0;
      for (std::size_t row = 0; row < 2 * n; ++row) {
        double m = -kInf, all = 0;
        const auto s = [&](std::size_t j) { return double{scale} * scores[row * n + j]; };
        for (std::size_t b = 0; b < blocks; ++b) {
          const std::size_t begin = b * 16, end = std::min(begin + 16, row % n + 1);
          double largest = -kInf, total = 0;
          int near = 0;
          for (std::size_t j = begin; j < end; ++j) largest = std::max(largest, s(j));
          for (std::size_t j = begin; j < end; ++j) near += s(j) >= largest - 1e-3 ? 1 : 0;
          if (beta > 0 && near > 1) largest = largest > 0 ? beta * largest : 0;
          const double before = m;
          m = std::max(m, largest);
          for (std::size_t j = begin; j < std::min(begin + 16, n); ++j) {
            const double exact = j < end ? std::exp(s(j) - m) : 0;
            sort_largest(weights, e[row * n + j] - exact);
            total += exact;
          }
          all = (b == 0 ? 0 : all * std::exp(before - m)) + total;
          CHECK(maxima[row * blocks + b] == Approx(m).epsilon(2 * kUlp));
          CHECK(sums[row * blocks + b] == Approx(total).epsilon(40 * kUlp));
        }
        logs[row] = static_cast<float>(m + std::log(all));
      }
      k.softmax_of_sums(p.data(), logs.data(), p.data(), length, scale, 0, 2 * length);
      for (std::size_t row = 0; row < 2 * n; ++row) {
        double total = 0;
        for (std::size_t j = 0; j <= row % n; ++j) total += std::exp(double{scale} * scores[row * n + j]);
        for (std::size_t j = 0; j < n; ++j)
          sort_largest(normalised,
                       p[row * n + j] - (j <= row % n ? std::exp(double{scale} * scores[row * n + j]) / total : 0));
      }
      INFO("length " << length << " beta " << beta);
      // As causal softmax's; scores of 8 and a logarithm of as much have an error of 8 ulp together.
      CHECK(weights <= 24 * kUlp);
      CHECK(normalised <= 24 * kUlp);
    }
}

TEST_CASE("the gradient of a softmax takes the delta that it is given") {
  const std::int64_t length = 40;
  const auto n = static_cast<std::size_t>(length);
  std::vector<float> p = normal(n * n, 1), ds = normal(n * n, 2), deltas = normal(n, 3);
  const std::vector<float> dp = ds;
  kernels().back()->causal_softmax_backward(p.data(), ds.data(), deltas.data(), length, 0.5f, 0, length);
  std::vector<float> wanted(n * n, 0.0f);
  for (std::size_t row = 0; row < n; ++row)
    for (std::size_t j = 0; j <= row; ++j)
      wanted[row * n + j] = p[row * n + j] * 0.5f * (dp[row * n + j] - deltas[row]);
  CHECK(same_bits(ds, wanted));
  std::vector<float> products(n);
  kernels().back()->dot_rows(p.data(), dp.data(), length, length, products.data());
  for (std::size_t row = 0; row < n; ++row) {
    double total = 0;
    for (std::size_t j = 0; j < n; ++j) total += double{p[row * n + j]} * dp[row * n + j];
    CHECK(products[row] == Approx(total).margin(40 * 8 * kUlp));  // 40 products below 8 in magnitude
  }
}

TEST_CASE("a NaN score makes its row NaN and no other") {
  std::vector<float> p = normal(9 * 3, 1);
  p[3] = kNan;
  for (const RowKernels* k : kernels()) {
    std::vector<float> out = p;
    k->causal_softmax(out.data(), 3, 1, 0, 9);
    CHECK((out[3] != out[3] && out[4] != out[4] && out[5] == 0));
    CHECK(std::none_of(out.begin() + 6, out.end(), [](float x) { return x != x; }));
  }
}

TEST_CASE("a row of logits gives sums without the target's term, and moments, at every width and target") {
  for (const std::int64_t width : {1, 2, 16, 17, 65, 1024, 1025, 2500})
    for (const std::int64_t target : {std::int64_t{0}, width / 2, width - 1}) {
      const auto z = normal(static_cast<std::size_t>(width), 3, 3);
      std::vector<float> e(z.size());
      LogitRow row;
      kernels().back()->logit_row(z.data(), width, target, true, e.data(), row);
      const double m = *std::max_element(z.begin(), z.end());
      double others = 0, moments[kLogitMoments] = {}, terms = 0;
      for (std::size_t i = 0; i < z.size(); ++i) {
        const double exact = std::exp(z[i] - m);
        sort_largest(terms, e[i] - exact);
        if (static_cast<std::int64_t>(i) == target) continue;
        others += exact;
        for (int j = 0; j < kLogitMoments; ++j) moments[j] += exact * std::pow(std::abs(double{z[i]}) + 1, j + 1);
      }
      INFO("width " << width << " target " << target);
      CHECK(row.high == m);
      CHECK(row.low == *std::min_element(z.begin(), z.end()));
      // z - m is rounded to half an ulp of at most 32, which is a relative error of 16 ulp of 1, and the exponential
      // two.
      CHECK(row.target == Approx(std::exp(z[static_cast<std::size_t>(target)] - m)).epsilon(20 * kUlp));
      // The terms are at most 1; the lanes of a chunk sum 64 numbers of one sign.
      CHECK(terms <= 20 * kUlp);
      CHECK(row.others == Approx(others).epsilon(64 * kUlp));
      for (int j = 0; j < kLogitMoments; ++j) CHECK(row.moments[j] == Approx(moments[j]).epsilon(80 * kUlp));
    }
}

TEST_CASE("logits that are NaN or masked show in the sums") {
  for (const RowKernels* k : kernels()) {
    LogitRow row;
    std::vector<float> e(3);
    k->logit_row(std::vector<float>{1, kNan, 2}.data(), 3, 0, true, e.data(), row);
    CHECK((row.others != row.others && row.moments[0] != row.moments[0]));
    k->logit_row(std::vector<float>{1, -kInf, 1}.data(), 3, 0, true, e.data(), row);
    CHECK((row.others == 1 && row.target == 1 && row.moments[0] == 2 && row.moments[1] == 4 && e[1] == 0));
    CHECK(row.low == -kInf);
    k->logit_row(std::vector<float>{1, kInf, 1}.data(), 3, 0, false, e.data(), row);
    CHECK(row.others != row.others);
  }
}

TEST_CASE("GELU and its derivative are the definition's, and NaN stays NaN") {
  std::vector<float> x;
  for (int i = -12000; i <= 12000; ++i) x.push_back(static_cast<float>(i) / 1000);
  x.push_back(kNan);
  std::vector<float> y(x.size()), slope(x.size()), alone(x.size());
  kernels().back()->gelu(x.data(), static_cast<std::int64_t>(x.size()), y.data(), slope.data());
  kernels().back()->gelu(x.data(), static_cast<std::int64_t>(x.size()), alone.data(), nullptr);
  CHECK(same_bits(y, alone));
  double value = 0, derivative = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double v = x[i], phi = 0.5 * std::erfc(-v / std::sqrt(2.0));
    sort_largest(value, (y[i] - v * phi) / std::max(1.0, std::abs(v)));
    sort_largest(derivative, slope[i] - (phi + v * std::exp(-v * v / 2) / std::sqrt(2 * std::acos(-1.0))));
  }
  // Half of 1.5e-7, and a few roundings of numbers below 1; the derivative's second term is below 0.5.
  CHECK(value <= 0.75e-7 + 4 * kUlp);
  CHECK(derivative <= 0.75e-7 + 6 * kUlp);
  CHECK((y.back() != y.back() && slope.back() != slope.back()));
}

TEST_CASE("a row is scaled, and a bias added, with two roundings") {
  for (const RowKernels* k : kernels())
    for (std::size_t width = 1; width <= 70; ++width) {
      const std::vector<float> x = normal(width, 9), bias = normal(width, 10);
      std::vector<float> scaled = x, both = x, wanted_scaled = x, wanted_both = x;
      const auto size = static_cast<std::int64_t>(width);
      k->scale_row(scaled.data(), size, 0.3f);
      k->scale_and_add_row(both.data(), size, 0.3f, bias.data());
      for (std::size_t i = 0; i < width; ++i) {
        // In double a product is exact, and a sum rounded twice is the sum rounded once: 53 bits are 2 x 24 + 2 and
        // more.
        const auto product = static_cast<float>(double{x[i]} * double{0.3f});
        wanted_scaled[i] = product;
        wanted_both[i] = static_cast<float>(double{product} + double{bias[i]});
      }
      REQUIRE(same_bits(scaled, wanted_scaled));
      REQUIRE(same_bits(both, wanted_both));
    }
}

TEST_CASE("row kernels give the same bits on every instruction set") {
  const std::string generic = "generic";
  const RowKernels& reference = row_kernels_of(generic);
  for (const RowKernels* k : kernels())
    for (std::int64_t width = 1; width <= 130; ++width) {
      for (const bool centred : {true, false})
        for (const bool adds : {true, false}) {
          const NormResult a = norm(reference, centred, adds, 2, width), b = norm(*k, centred, adds, 2, width);
          REQUIRE((same_bits(a.sum, b.sum) && same_bits(a.y, b.y) && same_bits(a.statistics, b.statistics)));
          REQUIRE((same_bits(a.dx, b.dx) && same_bits(a.dgain, b.dgain) && same_bits(a.dbias, b.dbias)));
        }
      auto z = normal(static_cast<std::size_t>(width * width), 7, 5);
      if (width > 3) z[2] = kNan, z[z.size() - 2] = -kInf;
      std::vector<float> p = z, q = z, dp = normal(z.size(), 8), dq = dp;
      reference.causal_softmax(p.data(), width, 0.25f, 0, width);
      k->causal_softmax(q.data(), width, 0.25f, 0, width);
      reference.causal_softmax_backward(p.data(), dp.data(), nullptr, width, 0.25f, 0, width);
      k->causal_softmax_backward(q.data(), dq.data(), nullptr, width, 0.25f, 0, width);
      REQUIRE((same_bits(p, q) && same_bits(dp, dq)));
      const auto online = [&](const RowKernels& of, std::vector<float>& maxima) {
        std::vector<float> e(z.size()), sums(maxima.size()), logs(static_cast<std::size_t>(width), 1.5f), dots(logs);
        of.online_softmax({z.data(), e.data(), maxima.data(), sums.data(), width, 32, 0.25f, 2}, 0, width);
        maxima.insert(maxima.end(), e.begin(), e.end());
        maxima.insert(maxima.end(), sums.begin(), sums.end());
        of.softmax_of_sums(z.data(), logs.data(), e.data(), width, 0.25f, 0, width);
        maxima.insert(maxima.end(), e.begin(), e.end());
        of.dot_rows(z.data(), z.data(), width, width, dots.data());
        maxima.insert(maxima.end(), dots.begin(), dots.end());
      };
      std::vector<float> of_reference(static_cast<std::size_t>(width * ((width + 31) / 32))), of_other = of_reference;
      online(reference, of_reference);
      online(*k, of_other);
      REQUIRE(same_bits(of_reference, of_other));
      const auto size = static_cast<std::int64_t>(z.size());
      std::vector<float> slope(z.size()), other(z.size());
      reference.gelu(z.data(), size, p.data(), slope.data());
      k->gelu(z.data(), size, q.data(), other.data());
      REQUIRE((same_bits(p, q) && same_bits(slope, other)));
      LogitRow a, b;
      reference.logit_row(z.data(), size, size / 3, true, p.data(), a);
      k->logit_row(z.data(), size, size / 3, true, q.data(), b);
      REQUIRE(same_bits(p, q));
      const auto alike = [](double x, double y) { return x == y || (x != x && y != y); };
      REQUIRE((alike(a.others, b.others) && alike(a.target, b.target) && a.low == b.low && a.high == b.high));
      for (int j = 0; j < kLogitMoments; ++j) REQUIRE(alike(a.moments[j], b.moments[j]));
    }
}

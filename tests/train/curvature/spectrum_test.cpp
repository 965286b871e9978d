// SPDX-License-Identifier: Apache-2.0
// Against operators whose spectrum is known; vectors are fp32, so values hold to about 1e-6 of the norm.
#include "train/curvature/spectrum.h"

#include <algorithm>
#include <limits>

#include "tests/support/catch.h"
#include "tests/support/known_spectrum.h"

using namespace precipice;
using test::KnownSpectrum;

namespace {

// The top five of `bulk` values in [-1, 1].
std::vector<double> with_outliers(std::size_t bulk) {
  std::vector<double> d = {40, 25, 12, 11.5, 7, -9};
  for (std::size_t i = 0; i < bulk; ++i) d.push_back(-1 + 2 * static_cast<double>(i) / static_cast<double>(bulk));
  return d;
}

}  // namespace

TEST_CASE("the top eigenvalues, the smallest and their vectors are those of the operator") {
  const KnownSpectrum a(with_outliers(500));
  TopOptions options;
  options.vectors = true;
  const TopSpectrum top = top_spectrum(a, a.size(), options);
  REQUIRE(top.largest_converged);
  CHECK(top.smallest_converged);
  REQUIRE(top.values.size() == 5);
  const double expected[] = {40, 25, 12, 11.5, 7};
  for (std::size_t i = 0; i < 5; ++i) {
    // The residual bounds the distance, beside the fp32 rounding of products.
    CHECK(std::abs(top.values[i] - expected[i]) <= top.residuals[i] + 1e-5 * 40);
    CHECK(std::abs(top.values[i] - expected[i]) <= top.errors[i] + 1e-5 * 40);
    CHECK(top.errors[i] <= options.tolerance * 40);
    // sin of the angle <= residual / gap; the smallest gap is 0.5.
    const double cosine = std::abs(inner_product(top.vectors[i], a.eigenvector(i)));
    CHECK(cosine >= 1 - std::pow((top.residuals[i] + 1e-5 * 40) / 0.5, 2));
  }
  CHECK(std::abs(top.smallest + 9) <= top.smallest_residual + 1e-5 * 40);
  CHECK(top.products < 40);
}

TEST_CASE("a negative eigenvalue of larger size is the smallest and not the largest, unlike in a power iteration") {
  std::vector<double> d = with_outliers(100);
  d[5] = -60;
  const KnownSpectrum a(d);
  const TopSpectrum top = top_spectrum(a, a.size(), {});
  CHECK(top.values[0] == Approx(40).epsilon(1e-3));  // the tolerance
  CHECK(top.smallest == Approx(-60).epsilon(1e-3));
  CHECK(test::power_iteration(a, a.size(), 200) == Approx(-60).epsilon(1e-3));
}

TEST_CASE("the process waits for the smallest eigenvalue, which may lie close to the rest") {
  // A few large ones apart, and a bulk that thins out towards its lower end, as Hessians have it.
  std::vector<double> d = {110, 60, 40, 30, 25};
  for (int i = 0; i < 600; ++i) d.push_back(-2.55 + 8.0 * std::pow(i / 600.0, 0.4));
  const KnownSpectrum a(d);
  const TopSpectrum top = top_spectrum(a, a.size(), {});
  CHECK(top.largest_converged);
  CHECK(top.smallest_converged);
  CHECK(std::abs(top.smallest + 2.55) <= 1e-3 * 110);
  CHECK(std::abs(top.smallest + 2.55) <= top.smallest_residual + 1e-5 * 110);
  TopOptions largest_only;
  largest_only.both_ends = false;
  const TopSpectrum early = top_spectrum(a, a.size(), largest_only);
  CHECK(early.largest_converged);
  CHECK(early.products < top.products);
  CHECK(std::abs(early.smallest + 2.55) > 1e-3 * 110);  // what was called converged before
  CHECK_FALSE(early.smallest_converged);
}

TEST_CASE("a power iteration finds the same top eigenvalue") {
  const KnownSpectrum a(with_outliers(300));
  // (25 / 40)^100 is far below fp32.
  CHECK(top_spectrum(a, a.size(), {}).values[0] == Approx(test::power_iteration(a, a.size(), 50)).epsilon(1e-3));
}

TEST_CASE("multiple eigenvalues and matrices smaller than the number asked for are complete") {
  const KnownSpectrum a({2, 2, 2, -1});
  TopOptions options;
  options.count = 10;
  const TopSpectrum top = top_spectrum(a, a.size(), options);
  REQUIRE(top.values.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(top.values[i] == Approx(i < 3 ? 2 : -1).margin(1e-5));
  CHECK((top.largest_converged && top.smallest_converged));
  CHECK(top.products == 4);
}

TEST_CASE("too few products are said not to have converged, with honest bounds") {
  const KnownSpectrum a(with_outliers(500));
  TopOptions options;
  options.max_products = 7;
  const TopSpectrum top = top_spectrum(a, a.size(), options);
  CHECK_FALSE(top.largest_converged);
  CHECK(top.smallest_converged);  // said of each end: -9 lies far from the rest and is known by now
  CHECK(std::abs(top.smallest + 9) <= 1e-3 * 40 + 1e-5 * 40);
  CHECK(top.products == 7);
  CHECK(*std::max_element(top.errors.begin(), top.errors.end()) > 1e-3 * 40);
}

TEST_CASE("the density has the operator's trace, its mass, and the share of eigenvalues below any value") {
  std::vector<double> d;
  for (int i = 0; i < 300; ++i) d.push_back(i < 100 ? -1 : 2);
  const KnownSpectrum a(d);
  DensityOptions options;
  options.vectors = 20;
  const SpectralDensity density = spectral_density(a, a.size(), options);
  double mass = 0, below = 0;
  const double step = density.values[1] - density.values[0];
  for (std::size_t i = 0; i < density.values.size(); ++i) {
    mass += density.density[i] * step;
    if (density.values[i] < 0.5) below += density.density[i] * step;
  }
  CHECK(mass == Approx(1).epsilon(1e-3));  // four deviations at both ends, and the grid's rectangles
  // A sign vector's weight in a subspace of dimension 100 of 300 has a deviation of at most sqrt(2 / 300) * 0.5; 20
  // vectors, three deviations: 0.027.
  CHECK(below == Approx(1.0 / 3).margin(0.03));
  CHECK(density.trace_per_parameter == Approx(1).margin(3 * 0.03));
  // Two eigenvalues: two nodes are the whole quadrature, whatever follows has no weight.
  for (std::size_t i = 0; i < density.nodes[0].size(); ++i)
    if (density.weights[0][i] > 1e-6)
      CHECK(std::min(std::abs(density.nodes[0][i] + 1), std::abs(density.nodes[0][i] - 2)) < 1e-5);
}

TEST_CASE("an operator that is not finite gives no values and a reason") {
  const auto broken = [](std::span<const float> v) {
    return FlatVector(v.size(), std::numeric_limits<float>::quiet_NaN());
  };
  const TopSpectrum top = top_spectrum(broken, 10, {});
  CHECK(top.values.empty());
  CHECK(std::isnan(top.smallest));
  CHECK_FALSE(top.reason.empty());
  const SpectralDensity density = spectral_density(broken, 10, {});
  CHECK(density.values.empty());
  CHECK_FALSE(density.reason.empty());
}

// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/distributions.h"

#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "precision/base/check.h"

namespace precipice {
namespace {

namespace bm = boost::math;

double upper_tail_of(double confidence) {
  PRECIPICE_CHECK(confidence > 0 && confidence < 1, confidence);
  return (1 - confidence) / 2;
}

}  // namespace

double normal_quantile(double probability) {
  return bm::quantile(bm::normal(), probability);
}

double two_sided_normal_quantile(double confidence) {
  return bm::quantile(bm::complement(bm::normal(), upper_tail_of(confidence)));
}

double two_sided_normal_p(double z) {
  return std::isinf(z) ? 0 : 2 * bm::cdf(bm::complement(bm::normal(), std::abs(z)));
}

double two_sided_student_quantile(double confidence, double degrees) {
  return bm::quantile(bm::complement(bm::students_t(degrees), upper_tail_of(confidence)));
}

double two_sided_student_p(double t, double degrees) {
  return std::isinf(t) ? 0 : 2 * bm::cdf(bm::complement(bm::students_t(degrees), std::abs(t)));
}

double beta_quantile(double a, double b, double probability) {
  return bm::quantile(bm::beta_distribution<>(a, b), probability);
}

double chi_squared_tail(double value, double degrees) {
  return value <= 0 ? 1 : bm::cdf(bm::complement(bm::chi_squared(degrees), value));
}

double two_sided_noncentral_t_power(double degrees, double noncentrality, double critical) {
  const bm::non_central_t distribution(degrees, noncentrality);
  return bm::cdf(bm::complement(distribution, critical)) + bm::cdf(distribution, -critical);
}

}  // namespace precipice

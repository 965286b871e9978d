// SPDX-License-Identifier: Apache-2.0
// Keeping an array, against scales in double and the slow reference rounding; and the spellings of formats.
#include "optim/store.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "precision/base/check.h"
#include "precision/scaling/quantizer_settings.h"
#include "precision/scaling/scale_rules.h"
#include "tests/optim/tensors.h"
#include "tests/support/catch.h"
#include "tests/support/reference_rounding.h"

using namespace precipice;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

StoredFormat first_moment(const std::string& format, const std::string& scaling) {
  StateConfig config;
  config.moment1 = format;
  config.state_scaling = scaling;
  return parse_stored_formats(config).moment1;
}

// Heavy tails: magnitudes over 2^-40 .. 2^8 and some zeros, so that scaled formats flush and saturate.
std::vector<float> heavy_tailed(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> x(size);
  for (float& value : x) {
    const float sign = random() % 2 == 0 ? 1.0f : -1.0f;
    const float significand = 1.0f + static_cast<float>(random() >> 9) * 0x1p-23f;
    value = random() % 17 == 0 ? 0.0f : sign * std::ldexp(significand, static_cast<int>(random() % 48) - 40);
  }
  return x;
}

float reference_scale(const StoredFormat& stored, double amax, float previous) {
  const bool usable = amax > 0 && std::isfinite(amax);
  const double end = reference::max_finite(stored.format);
  if (stored.rule == StoredScaling::None) return 1.0f;
  if (stored.rule == StoredScaling::MsAmp) {
    if (std::isinf(amax)) return 1.0f / previous;
    if (!usable) return previous;
    const float inverse = static_cast<float>(1.0 / amax), ratio = static_cast<float>(inverse * end);
    return static_cast<float>(std::exp2(std::floor(static_cast<float>(std::log2(static_cast<double>(ratio))))));
  }
  if (!usable) return 1.0f;
  const auto scale = static_cast<float>(end / amax);
  return stored.rule == StoredScaling::Current ? scale : static_cast<float>(std::exp2(std::ilogb(scale)));
}

// What store() should leave, element by element.
std::vector<float> reference_store(const std::vector<float>& x, const StoredFormat& stored, std::vector<float>& scales,
                                   const RandomKey& key) {
  std::vector<float> out(x.size());
  const std::size_t block = stored.block == 0 ? x.size() : static_cast<std::size_t>(stored.block);
  for (std::size_t begin = 0; begin < x.size(); begin += block) {
    const std::size_t end = std::min(begin + block, x.size());
    double amax = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (!(std::abs(x[i]) <= amax)) amax = std::abs(x[i]);  // a NaN stays
    }
    const bool scaled = stored.rule != StoredScaling::None;
    const float scale = reference_scale(stored, amax, scaled ? scales[begin / block] : 1.0f);
    if (scaled) scales[begin / block] = scale;
    for (std::size_t i = begin; i < end; ++i) {
      const auto product = static_cast<float>(static_cast<double>(x[i]) * static_cast<double>(scale));
      const float q = reference::round(stored.format, stored.rounding, scaled ? Overflow::Propagate : Overflow::Native,
                                       product, random_word(key, i));
      out[i] = static_cast<float>(static_cast<double>(q) * static_cast<double>(static_cast<float>(1.0 / scale)));
    }
  }
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i])) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("storing equals the reference in every format, rounding and scaling, over more than a chunk", "[store]") {
  for (const std::string format : {"bf16", "bf16-sr", "bf16-rtz", "fp16", "fp16-sr", "e4m3", "e4m3-sr", "e5m2",
                                   "e5m2-sr-b", "e4m3:specials=ieee", "e2m1", "int8", "tf32", "e8m3-rna"}) {
    for (const std::string scaling : {"none", "current", "current-pow2", "ms-amp", "current:block=32",
                                      "current-pow2:block=128", "ms-amp:block=1000", "current:block=100000"}) {
      const StoredFormat stored = first_moment(format, scaling);
      for (const std::size_t size : {0u, 1u, 2500u, 66000u}) {
        if (size > 3000 && format != "fp16-sr") continue;  // a chunk has 65536
        const std::vector<float> x = heavy_tailed(size, 7);
        const RandomKey key{42, 3, 0x80000000u + 5, 1};
        std::vector<float> expected_scales(static_cast<std::size_t>(stored.scales(static_cast<std::int64_t>(size))), 1);
        const auto expected = reference_store(x, stored, expected_scales, key);
        std::vector<float> values = x, scales(expected_scales.size(), 1.0f);
        store({values.data(), static_cast<std::int64_t>(size)}, stored,
              {scales.data(), static_cast<std::int64_t>(scales.size())}, key);
        INFO(format << " " << scaling << " size " << size);
        CHECK(same_bits(values, expected));
        CHECK(same_bits(scales, expected_scales));
      }
    }
  }
}

TEST_CASE("what is kept has the scale that an operand of a matmul would have, for every amax", "[store]") {
  const std::pair<const char*, Arithmetic> rules[] = {
      {"ms-amp", Arithmetic::MsAmp}, {"current", Arithmetic::Te}, {"current-pow2", Arithmetic::Te}};
  for (const auto& [scaling, arithmetic] : rules) {
    const StoredFormat stored = first_moment("e4m3", scaling);
    QuantizerSettings operand;
    operand.format = stored.format;
    operand.kind = ScaleKind::Tensor;
    operand.arithmetic = arithmetic;
    operand.power_of_two = stored.rule == StoredScaling::CurrentPowerOfTwo;
    const ScaleConstants constants = prepare_scales(operand, 8.0f);
    for (float x : {0.0f, 0x1p-149f, 0x1p-130f, 0x1p-120f, 1.3e-36f, 1e-12f, 3.0f, 7.0000005f, 448.0f, 1e30f,
                    std::numeric_limits<float>::max(), kInf, kNan}) {
      INFO(scaling << " amax " << x);
      const BlockScale expected = scale_of(constants, x);
      float scale = 8.0f;
      store({&x, 1}, stored, {&scale, 1}, {});
      CHECK(same_bits({scale}, {expected.multiply}));
    }
  }
}

TEST_CASE("under MS-AMP's infinite scale what is kept is NaN, as is fp16 there", "[store]") {
  float x[] = {0.0f, 0x1p-120f}, scale = 1.0f;
  store({x, 2}, first_moment("e4m3", "ms-amp"), {&scale, 1}, {});
  CHECK(scale == kInf);
  CHECK((std::isnan(x[0]) && std::isnan(x[1])));
}

TEST_CASE("infinities and NaNs stay visible in every kept format that can say so", "[store]") {
  for (const std::string format : {"bf16", "bf16-sr", "fp16", "e4m3", "e5m2"}) {
    for (const std::string scaling : {"none", "current", "ms-amp"}) {
      const StoredFormat stored = first_moment(format, scaling);
      std::vector<float> x = {1.0f, kInf, -kInf, kNan}, scales(static_cast<std::size_t>(stored.scales(4)), 1.0f);
      store({x.data(), 4}, stored, {scales.data(), static_cast<std::int64_t>(scales.size())}, {});
      INFO(format << " " << scaling);
      CHECK(x[0] == 1.0f);
      CHECK_FALSE(std::isfinite(x[1]));
      CHECK_FALSE(std::isfinite(x[2]));
      CHECK(std::isnan(x[3]));
    }
  }
}

TEST_CASE("without a scale finite values overflow as a cast does; under a scale they never do", "[store]") {
  std::vector<float> x = {70000.0f, -1.0f}, y = x, scale = {1.0f};
  store({x.data(), 2}, first_moment("fp16", "none"), {}, {});
  CHECK(x == std::vector<float>{kInf, -1.0f});
  store({y.data(), 2}, first_moment("fp16", "ms-amp"), {scale.data(), 1}, {});
  CHECK(scale[0] == 0.5f);
  CHECK(y[0] == 70016.0f);  // 35000 is between 34976 and 35008, spaced by 32
}

TEST_CASE("formats with fp32's range are never scaled", "[store]") {
  CHECK(first_moment("bf16", "current").rule == StoredScaling::None);
  CHECK(first_moment("e8m3", "ms-amp:block=32").scales(1000) == 0);
  CHECK(first_moment("fp32", "current").is_plain());
  CHECK(first_moment("e4m3", "ms-amp:block=32").scales(1000) == 32);
  CHECK(first_moment("e4m3", "ms-amp").scales(1000) == 1);
  CHECK(first_moment("e4m3", "ms-amp").scales(0) == 0);
}

TEST_CASE("a format that cannot be kept is refused by its key", "[store]") {
  struct Row {
    std::string StateConfig::*member;
    const char* value;
    const char* key;
    const char* says;
  };
  for (const Row& row :
       {Row{&StateConfig::weights, "bf61", "optimizer.weights", "bf16"},
        Row{&StateConfig::weights, "", "optimizer.weights", ""},
        Row{&StateConfig::weights, "bf16-khan", "optimizer.weights", ""},
        Row{&StateConfig::weights, "bf16-sr-kahan", "optimizer.weights", "bf16-kahan"},
        Row{&StateConfig::weights, "fp32-sr", "optimizer.weights", "nothing is rounded"},
        Row{&StateConfig::weights, "e4m3:sign=unsigned", "optimizer.weights", "sign"},
        Row{&StateConfig::moment1, "bf16-kahan", "optimizer.moment1", "optimizer.weights"},
        Row{&StateConfig::moment1, "e9m3", "optimizer.moment1", ""},
        Row{&StateConfig::moment1, "e4m3:sign=unsigned", "optimizer.moment1", "sign"},
        Row{&StateConfig::moment2, "e8m0", "optimizer.moment2", "zero"},
        Row{&StateConfig::gradients, "bf16-kahan", "optimizer.gradients", "optimizer.weights"},
        Row{&StateConfig::state_scaling, "curent", "optimizer.state_scaling", "did you mean current?"},
        Row{&StateConfig::state_scaling, "none:block=4", "optimizer.state_scaling", "none alone"},
        Row{&StateConfig::weight_scaling, "ms-amp:block=0", "optimizer.weight_scaling", "at least 1"},
        Row{&StateConfig::weight_scaling, "ms-amp:block=x", "optimizer.weight_scaling", "whole number"},
        Row{&StateConfig::gradient_scaling, "current:block=9e9", "optimizer.gradient_scaling", ""}}) {
    StateConfig config;
    config.*row.member = row.value;
    INFO(row.key << " = " << row.value);
    try {
      parse_stored_formats(config);
      FAIL("accepted");
    } catch (const ConfigError& error) {
      CHECK(error.where().key == row.key);
      CHECK(error.where().value == row.value);
      CHECK(error.problem().find(row.says) != std::string::npos);
    }
  }
  StateConfig config;
  config.weights = "fp16-kahan";
  config.weight_scaling = "ms-amp";
  CHECK_THROWS_AS(parse_stored_formats(config), ConfigError);
  config.weight_scaling = "none";
  CHECK(parse_stored_formats(config).weights.kahan);
  config.moment2 = "e4m4:sign=unsigned";  // v is never negative
  CHECK_NOTHROW(parse_stored_formats(config));
}

// SPDX-License-Identifier: Apache-2.0
// Matrices with scales by the kernels against quantize_matrix() (precision/scaling/block_quantize.h) and plain loops on the
// host: values, scales, multipliers and events, bit for bit, but that a NaN may be any.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "precision/base/check.h"
#include "precision/base/special_numbers.h"
#include "precision/format/format_presets.h"
#include "precision/kernels/hadamard_matrix.h"
#include "precision/scaling/block_quantize.h"
#include "precision/scaling/quantizer_settings.h"
#include "precision/scaling/scale_formulas.h"
#include "precision/scaling/scale_rule_table.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/cuda/multi_tensor_comparison.h"
#include "tests/cuda/quantize_comparison.h"
#include "tests/cuda/row_comparison.h"
#include "tests/precision/scaling/scaling_support.h"

namespace precipice::test {

struct MatrixCase {
  Quantizer quantizer;
  MatrixShape shape;
  std::string inputs;  // kInputKinds
  bool packed = false, in_place = false, knows_amax = false;
};

// What quantize_matrix() makes of it.
struct HostMatrix {
  std::vector<float> values, scales, multipliers;
  std::vector<std::uint16_t> packed;
  EventCounts counts;
  std::uint32_t smallest = ~0u;
};

inline const RandomKey kMatrixKey{77, 3, 9, 2};
inline const ScaleState kMatrixState{0.37f, 4.0f};

inline HostMatrix on_host(const MatrixCase& c, const std::vector<float>& in) {
  const auto size = static_cast<std::size_t>(c.shape.rows * c.shape.cols);
  const auto blocks = static_cast<std::size_t>(block_grid(c.quantizer, c.shape).count());
  HostMatrix host{std::vector<float>(size), std::vector<float>(blocks), std::vector<float>(blocks), {}, {}};
  if (c.packed) host.packed.resize(size);
  MatrixOutputs outputs{host.values.data(), host.scales.data(), host.multipliers.data()};
  if (c.packed) outputs.packed = host.packed.data();
  outputs.smallest_result = &host.smallest;
  host.counts = quantize_matrix(in.data(), c.shape, c.quantizer, kMatrixKey, outputs, kMatrixState);
  return host;
}

inline void compare_matrix(const Kernels& kernels, const MatrixCase& c, MatrixCall call, Launch launch) {
  const std::vector<float> in = inputs_of(c.inputs, c.shape.rows, c.shape.row_stride);
  const HostMatrix host = on_host(c, in);
  DeviceResult<std::uint32_t> smallest(kernels, ~0u);
  call.elements.key = kMatrixKey;
  call.elements.smallest_result = smallest.data();
  DeviceArray<float> dev_in(kernels, in, 1), dev_values(kernels, std::vector<float>(host.values.size())),
      dev_scales(kernels, std::vector<float>(host.scales.size())), dev_multipliers(kernels, host.multipliers);
  DeviceArray<std::uint16_t> dev_packed(kernels, std::vector<std::uint16_t>(host.packed.size()));
  const float amax = precipice::amax(in.data(), static_cast<std::int64_t>(in.size()));
  const MatrixArrays arrays{dev_in.data(), c.in_place ? dev_in.data() : dev_values.data(),
                            c.packed ? dev_packed.data() : nullptr, dev_scales.data(), dev_multipliers.data()};
  const DeviceResult<float> dev_amax(kernels, amax);
  DeviceResult<MatrixNumbers> numbers(kernels);
  FoundNumbers found_numbers{numbers.data(), ResultQuantum(c.quantizer.element.format)};
  found_numbers.outer_max = 448;
  require_done(kernels.matrix->quantize(call, arrays, c.knows_amax ? dev_amax.data() : nullptr, found_numbers, launch));
  check_same_numbers(dev_scales, host.scales);
  check_same_numbers(dev_multipliers, host.multipliers);
  check_same_numbers(c.in_place ? dev_in : dev_values, host.values);
  const std::vector<float> found = unpacked(dev_packed.contents()), expected = unpacked(host.packed);
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(same_number(double{found[i]}, double{expected[i]}));
  CHECK(same_counts(numbers.value().events, host.counts));
  CHECK(smallest.value() == host.smallest);
  const float largest = host.counts.amax;
  CHECK(same(numbers.value().outer, largest > 0 ? nvfp4_outer_scale(largest, 448) : 1.0f));
  if (is_one_scale(c.quantizer.scaling)) CHECK(same(numbers.value().scale, host.scales[0]));
}

// Every arithmetic with every rule that it has, and the words that change them; elements, roundings, shapes of blocks,
// inputs and where results go take turns. What no peer does is left out, as quantizer_of() says.
inline std::vector<QuantizerSettings> scaled_settings() {
  std::vector<QuantizerSettings> all;
  const Arithmetic arithmetics[] = {Arithmetic::Te,
                                    Arithmetic::TePython,
                                    Arithmetic::Torchao,
                                    Arithmetic::Microxcaling,
                                    Arithmetic::MicroxcalingCuda,
                                    Arithmetic::DeepGemm,
                                    Arithmetic::DeepSeek,
                                    Arithmetic::MsAmp};
  for (const Arithmetic arithmetic : arithmetics) {
    for (const ScaleRuleInfo& info : scale_rules()) {
      if (!has_rule(arithmetic, info.rule)) continue;
      for (const ScaleKind kind : {ScaleKind::Tensor, ScaleKind::Row, ScaleKind::Column, ScaleKind::Block}) {
        QuantizerSettings settings;
        settings.arithmetic = arithmetic, settings.rule = info.rule, settings.kind = kind;
        settings.format = info.rule == ScaleRule::Nvfp4 ? kE2m1 : kE4m3;
        all.push_back(settings);
        settings.power_of_two = info.rule == ScaleRule::Amax, settings.exponent_bump = info.rule == ScaleRule::Floor;
        settings.flush_subnormal_blocks = is_microxcaling(arithmetic);
        settings.row_scaled = info.rule == ScaleRule::Nvfp4;
        all.push_back(settings);
      }
    }
  }
  for (const ScaleKind kind : {ScaleKind::None, ScaleKind::Fixed}) {
    QuantizerSettings settings;
    settings.kind = kind, settings.format = kE5m2, settings.fixed = 3.0f;
    all.push_back(settings);
  }
  QuantizerSettings delayed;
  delayed.kind = ScaleKind::Tensor, delayed.format = kE4m3, delayed.delayed = DelayedRule{};
  all.push_back(delayed);
  return all;
}

inline std::optional<Quantizer> valid(const QuantizerSettings& settings) {
  try {
    Quantizer quantizer = quantizer_of(settings);
    validate(quantizer);
    return quantizer;
  } catch (const ConfigError&) {
    return std::nullopt;
  }
}

// Of the cases with these two axes of the contraction; returns how many there were.
inline int compare_matrices(const Kernels& kernels, int contraction) {
  const Rounding roundings[] = {Rounding::NearestEven, Rounding::Stochastic, Rounding::TowardZero};
  const std::pair<std::int64_t, std::int64_t> blocks[] = {{1, 16}, {1, 32}, {16, 16}, {1, 8}};
  constexpr std::size_t kPasses = 3;
  const std::vector<QuantizerSettings> all = scaled_settings();
  int done = 0;
  for (std::size_t turn = 0; turn < kPasses * all.size(); ++turn) {
    QuantizerSettings settings = all[turn % all.size()];
    settings.rounding = roundings[turn % 3];
    settings.random_bits = turn % 2 == 0 ? 32 : 11;
    settings.through_bf16 = turn % 4 == 1;
    settings.hadamard = turn % 5 == 2;
    std::tie(settings.block_across, settings.block_along) = blocks[turn % 4];
    if (settings.format == kE4m3 && turn % 7 > 4) settings.format = turn % 7 == 5 ? kE2m1 : parse_float_format("int8");
    if (settings.rule == ScaleRule::Nvfp4 && turn % 3 != 0) {
      settings.four_over_six = turn % 3 == 1 ? FourOverSix::Mae : FourOverSix::Mse;
      settings.four_over_six_max = turn % 2 == 0 ? 448 : 256;
    }
    std::optional<Quantizer> quantizer = valid(settings);
    if (!quantizer) {  // the peers' words that a bf16 or stochastic element does not go with
      settings.rounding = Rounding::NearestEven, settings.through_bf16 = settings.hadamard = false;
      settings.power_of_two = settings.exponent_bump = settings.row_scaled = settings.flush_subnormal_blocks = false;
      if (settings.arithmetic == Arithmetic::Torchao)
        settings.four_over_six = FourOverSix::Off, settings.four_over_six_max = 448;
      quantizer = valid(settings);
    }
    if (!quantizer) continue;
    MatrixCase c{*quantizer, {32, 32, contraction}, kInputKinds[turn % kInputKinds.size()]};
    if (settings.arithmetic != Arithmetic::Torchao && !settings.hadamard) c.shape.rows = 11, c.shape.cols = 37;
    c.shape.row_stride = c.shape.cols;
    if (is_one_scale(c.quantizer.scaling) && !settings.hadamard) c.shape.row_stride += turn % 3 * 2;
    c.packed = turn % 3 == 1;
    c.in_place = !c.packed && turn % 4 == 2 && c.shape.row_stride == c.shape.cols;
    const MatrixCall call = MatrixPlan(c.quantizer, c.shape, kMatrixState).plain();
    c.knows_amax = call.is_one_amax && c.shape.row_stride == c.shape.cols && !settings.hadamard && turn % 2 == 0;
    INFO(to_string(settings.arithmetic) << " " << to_string(settings.rule) << " " << to_string(settings.kind) << " "
                                        << to_string(settings.rounding) << " " << c.inputs << ", turn " << turn);
    compare_matrix(kernels, c, call, kLaunches[turn % kLaunches.size()]);
    ++done;
  }
  return done;
}

// What turns do not meet: DeepGEMM's ties, which powers of two are, and 4over6's choice for blocks of one and of many lines.
inline void compare_peers(const Kernels& kernels) {
  QuantizerSettings ties;
  ties.format = kE2m1, ties.kind = ScaleKind::Block, ties.arithmetic = Arithmetic::DeepGemm, ties.power_of_two = true;
  QuantizerSettings nvfp4;
  nvfp4.format = kE2m1, nvfp4.kind = ScaleKind::Block, nvfp4.rule = ScaleRule::Nvfp4, nvfp4.block_along = 16;
  const MatrixShape shape{37, 48, 1};
  const auto compare = [&](const QuantizerSettings& settings, const char* inputs) {
    const MatrixCase c{settings, shape, inputs};
    INFO(inputs << " " << to_string(settings.four_over_six) << " " << settings.block_across);
    for (const Launch launch : next_launches(kernels))
      compare_matrix(kernels, c, MatrixPlan(c.quantizer, shape, kMatrixState).plain(), launch);
  };
  compare(ties, "powers");
  for (const FourOverSix error : {FourOverSix::Mae, FourOverSix::Mse})
    for (const std::int64_t across : {1, 16}) {
      nvfp4.four_over_six = error, nvfp4.block_across = across;
      compare(nvfp4, "normal");
      compare(nvfp4, "heavy-tailed");
    }
}

inline void check_refused_matrices(const Kernels& kernels) {
  QuantizerSettings settings;
  settings.format = kE4m3, settings.kind = ScaleKind::Block;
  settings.rule = ScaleRule::Floor;
  const MatrixCall good = MatrixPlan(settings, {2, 32, 1}).plain();
  DeviceArray<float> in(kernels, std::vector<float>(64, 1.0f)), scales(kernels, std::vector<float>(2));
  DeviceResult<MatrixNumbers> numbers(kernels);
  const FoundNumbers found{numbers.data(), ResultQuantum(kE4m3)};
  const MatrixArrays arrays{in.data(), in.data(), nullptr, scales.data(), nullptr};
  CHECK(kernels.matrix->quantize(good, arrays, nullptr, found, {}) == nullptr);
  MatrixCall call = good;
  call.shape.rows = 0;
  CHECK(kernels.matrix->quantize(call, arrays, nullptr, found, {}) != nullptr);
  call = good, call.elements.scale = 2.0f;
  CHECK(kernels.matrix->quantize(call, arrays, nullptr, found, {}) != nullptr);
  call = good, call.rotates = true;
  CHECK(kernels.matrix->quantize(call, {in.data(), nullptr, nullptr, scales.data(), nullptr}, nullptr, found, {}) !=
        nullptr);
}

}  // namespace precipice::test

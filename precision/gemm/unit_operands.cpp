// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/unit_operands.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string>

#include "precision/accumulator/accumulator_presets.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

std::string text_of_format(const Quantizer& q) {
  return q.element.is_identity() ? "fp32" : to_string(q.element.format);
}

bool has_power_of_two_blocks(const Quantizer& q, std::int64_t of_whole) {
  const auto* mx = q.scaling_if<MxScaling>();
  return mx != nullptr && mx->rule != ScaleRule::SharedExponent && mx->block.along % of_whole == 0;
}
bool has_e4m3_blocks(const Quantizer& q) {
  const auto* nvfp4 = q.scaling_if<Nvfp4Scaling>();
  return nvfp4 != nullptr && nvfp4->block.along % kProductsToScaleGroup == 0 && !nvfp4->row_scaled;
}

// What the unit takes for scales, in words, if these are others.
std::string problem_of_scales(const Accumulator& accumulator, const Quantizer& q) {
  if (accumulator.block_scales == BlockScales::Terms)
    return has_power_of_two_blocks(q, accumulator.group)
               ? ""
               : fmt::format("E8M0 scales for blocks of whole {} along K", accumulator.group);
  if (accumulator.block_scales == BlockScales::Groups) {
    const bool e8m0 = accumulator.scale_emin < -6;
    if (e8m0 ? has_power_of_two_blocks(q, kProductsToScaleGroup) : has_e4m3_blocks(q)) return "";
    return fmt::format("{} scales for blocks of whole {} along K{}", e8m0 ? "E8M0" : "E4M3", kProductsToScaleGroup,
                       e8m0 ? "" : ", under one scale of the tensor");
  }
  const bool changes_along_k = block_of(q.scaling) != nullptr || granularity_word(q.scaling) == "column";
  return accumulator.split > 1 && changes_along_k ? "scales that stay the same along K, with split" : "";
}

// The first of the presets whose unit multiplies both, or what is left to the library.
Accumulator first_that_fits(std::initializer_list<const char*> names, const Quantizer& a, const Quantizer& b) {
  for (const char* name : names) {
    const Accumulator accumulator = parse_accumulator(name);
    const auto takes = [&](const Quantizer& q) {
      return operand_emin(accumulator.operands, q.element.format) && problem_of_scales(accumulator, q).empty();
    };
    if (takes(a) && takes(b)) return accumulator;
  }
  return {};
}

Accumulator unit_of(Hardware hardware, const Quantizer& a, const Quantizer& b) {
  switch (hardware) {
    case Hardware::Ampere:
      return first_that_fits({"ampere-bf16", "ampere-fp16", "ampere-tf32"}, a, b);
    case Hardware::Ada:
      return first_that_fits({"ada-fp8", "ampere-bf16", "ampere-fp16", "ampere-tf32"}, a, b);
    case Hardware::Hopper:
      return first_that_fits({"hopper-fp8", "hopper-bf16", "hopper-fp16", "hopper-tf32"}, a, b);
    case Hardware::Blackwell:
      return first_that_fits({"blackwell-nvf4", "blackwell-mxf4", "blackwell-mxf8", "blackwell-fp8", "blackwell-bf16",
                              "blackwell-fp16", "blackwell-tf32"},
                             a, b);
    case Hardware::Cdna3:
      return first_that_fits({"cdna3-fp8", "cdna3-bf16", "cdna3-fp16"}, a, b);
    case Hardware::Unknown:
      break;
  }
  throw ConfigError(
      "accumulator native: the recipe is for no hardware that is known; give "
      "native:hardware=ampere, ada, hopper, blackwell or cdna3");
}

}  // namespace

void check_unit(const GemmArithmetic& arithmetic, const Quantizer& a, const Quantizer& b) {
  const Accumulator& accumulator = arithmetic.accumulator;
  if (arithmetic.scales == ScalesAct::Operands && accumulator.operands != OperandSet::Any &&
      (a.is_scaled() || b.is_scaled()))
    throw ConfigError(
        fmt::format("accumulator {} multiplies {} before scales act; scales=operand makes fp32 numbers of them",
                    short_name(accumulator), formats_of(accumulator.operands)));
  for (const Quantizer* q : {&a, &b}) {
    if (accumulator.operands != OperandSet::Any && !operand_emin(accumulator.operands, q->element.format))
      throw ConfigError(
          fmt::format("accumulator {} multiplies {}, not {} x {}; native chooses a unit for each product, "
                      "and a rule sets one at some sites alone",
                      short_name(accumulator), formats_of(accumulator.operands), text_of_format(a), text_of_format(b)));
    if (const std::string wanted = problem_of_scales(accumulator, *q); !wanted.empty())
      throw ConfigError(fmt::format("accumulator {} takes {}; {} x {} here has {}", short_name(accumulator), wanted,
                                    text_of_format(a), text_of_format(b), granularity_word(q->scaling)));
  }
}

Accumulator resolved_accumulator(const Accumulator& accumulator, const Quantizer& a, const Quantizer& b) {
  if (accumulator.kind != AccumulatorKind::Native) return accumulator;
  Accumulator unit = unit_of(accumulator.hardware, a, b);
  // Only Hopper's and Ada's FP8 registers are so narrow that their libraries promote.
  if (unit.operands == OperandSet::Fp8) unit.promote = accumulator.promote;
  return unit;
}

}  // namespace precipice

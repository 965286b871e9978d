// SPDX-License-Identifier: Apache-2.0
// Sums for the tests of units of hardware: operands of a unit's formats that are hard to align, the oracle's result, and
// the program's on one output.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "precision/accumulator/accumulator_presets.h"
#include "tests/precision/accumulator/gemm_support.h"
#include "tests/precision/accumulator/unit_oracle.h"

namespace precipice::test {

struct UnitUnderTest {
  const char* preset;
  const char* format_a;
  const char* format_b;
  UnitRule rule;        // tensor cores
  int scale_block = 0;  // products to an E8M0 scale (mxf8) or an E4M3 one (nvf4)
};

// A row for each unit, from the tables of docs/ACCUMULATORS.md and not from the program's.
inline std::vector<UnitUnderTest> units_under_test() {
  return {{"volta-fp16", "fp16", "fp16", {4, 23, 23, -900}},
          {"ampere-fp16", "fp16", "fp16", {8, 24, 23, -132}},
          {"ampere-bf16", "bf16", "bf16", {8, 24, 23, -132}},
          {"ampere-tf32", "tf32", "tf32", {4, 24, 23, -132}},
          {"ada-fp8", "e4m3", "e5m2", {16, 13, 13, -132}},
          {"hopper-fp8", "e4m3", "e4m3", {32, 13, 13, -133}},
          {"hopper-fp8", "e5m2", "e4m3", {32, 13, 13, -133}},
          {"hopper-fp16", "fp16", "fp16", {16, 25, 23, -133}},
          {"hopper-bf16", "bf16", "bf16", {16, 25, 23, -133}},
          {"hopper-tf32", "tf32", "tf32", {8, 25, 23, -133}},
          {"hopper-mma-fp8", "e4m3", "e5m2", {32, 25, 23, -133, true}},
          {"tensor-core:align=operands,bits=14,group=32,promote=0,lowest=-133,register=added,operands=fp8",
           "e4m3",
           "e5m2",
           {32, 13, 13, -133, true}},
          {"blackwell-fp16", "fp16", "fp16", {16, 25, 23, -133}},
          {"blackwell-bf16", "bf16", "bf16", {16, 25, 23, -133}},
          {"blackwell-tf32", "tf32", "tf32", {8, 25, 23, -133}},
          {"blackwell-fp8", "e2m1", "e5m2", {32, 25, 23, -133}},
          {"blackwell-fp8", "e4m3", "e4m3", {32, 25, 23, -133}},
          {"blackwell-mxf8", "e4m3", "e5m2", {32, 25, 23, -133}, 32},
          {"blackwell-mxf8", "e4m3", "e2m1", {32, 25, 23, -133}, 32},
          {"blackwell-nvf4", "e2m1", "e2m1", {}, 16},
          {"cdna3-fp16", "fp16", "fp16", {}},
          {"cdna3-bf16", "bf16", "bf16", {}},
          {"cdna3-fp8", "e4m3fnuz", "e5m2fnuz", {}}};
}

// Codes of the format: all of them, or those around 1, with zeros and terms that cancel the one before.
inline std::vector<float> unit_numbers(const FloatFormat& format, std::size_t size, bool with_specials,
                                       Stream& stream) {
  std::vector<float> numbers(size);
  const std::uint32_t codes = 1u << format.bits();
  const bool anywhere = stream.next() % 2 == 0;
  const std::uint32_t one = static_cast<std::uint32_t>(format.bias) << format.mantissa_bits;
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint32_t bits = stream.next(), choice = stream.next();
    std::uint32_t code = bits % codes;
    if (!anywhere) code = (one + bits % (8u << format.mantissa_bits)) % (codes / 2) + (bits >> 31) * (codes / 2);
    numbers[i] = decode(format, code);
    if (choice % 16 == 0) numbers[i] = 0.0f;
    if (choice % 16 < 4 && i > 0) numbers[i] = -numbers[i - 1];
    if (choice % 16 == 4 && i > 0) numbers[i] = numbers[i - 1];
    if (!with_specials && !std::isfinite(numbers[i])) numbers[i] = 1.0f;
  }
  return numbers;
}

inline float oracle_result(const UnitUnderTest& unit, const UnitOperands& operands, float carried = 0.0f) {
  const std::string name = unit.preset;
  if (name == "blackwell-nvf4") return UnitOracle::nvf4(operands, carried);
  // A register that rounds to -0 is added to a total that began at +0.
  if (name.rfind("cdna3", 0) == 0)
    return UnitOracle::cdna3(operands, name == "cdna3-fp8" ? 16 : 8, name == "cdna3-fp8", carried) + 0.0f;
  return UnitOracle::tensor_core(unit.rule, operands, carried);
}

inline UnitOperands random_operands(const UnitUnderTest& unit, std::size_t k, bool with_specials, Stream& stream) {
  const FloatFormat a = parse_float_format(unit.format_a), b = parse_float_format(unit.format_b);
  UnitOperands operands{unit_numbers(a, k, with_specials, stream),
                        unit_numbers(b, k, with_specials, stream),
                        a.emin(),
                        b.emin(),
                        {},
                        {},
                        unit.scale_block};
  if (unit.scale_block == 0) return operands;
  const std::size_t scales =
      (k + static_cast<std::size_t>(unit.scale_block) - 1) / static_cast<std::size_t>(unit.scale_block);
  const FloatFormat format = parse_float_format(unit.scale_block == 32 ? "e8m0" : "e4m3");
  for (std::vector<float>* of : {&operands.scales_a, &operands.scales_b}) {
    for (std::size_t i = 0; i < scales; ++i) {
      // E8M0 near 1, so that sums stay in binary32 more often than not; E4M3 without a sign.
      const std::uint32_t code = unit.scale_block == 32 ? 127 - 12 + stream.next() % 24 : stream.next() % 127;
      of->push_back(
          decode(format, with_specials && stream.next() % 50 == 0 ? 0xFFu >> (unit.scale_block == 32 ? 0 : 1) : code));
    }
  }
  return operands;
}

// A product of one output.
inline EmulatedGemm gemm_of(const Accumulator& accumulator, const UnitOperands& x, float& out) {
  EmulatedGemm gemm;
  gemm.accumulator = accumulator;
  gemm.m = gemm.n = 1;
  gemm.k = static_cast<std::int64_t>(x.a.size());
  const auto scales = static_cast<std::int64_t>(x.scales_a.size());
  gemm.a = {x.a.data(), gemm.k, 1, {x.scales_a.empty() ? nullptr : x.scales_a.data(), 1, scales, 1}, x.emin_a};
  gemm.b = {x.b.data(), gemm.k, 1, {x.scales_b.empty() ? nullptr : x.scales_b.data(), 1, scales, 1}, x.emin_b};
  gemm.scale_block = x.scale_block;
  gemm.out = &out, gemm.out_stride = 1;
  return gemm;
}

inline float program_result(const Accumulator& accumulator, const UnitOperands& x) {
  float out = -77.0f;
  gemm_reference(gemm_of(accumulator, x, out));
  return out;
}

}  // namespace precipice::test

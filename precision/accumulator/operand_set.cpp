// SPDX-License-Identifier: Apache-2.0
#include "precision/accumulator/operand_set.h"

#include <span>

#include "precision/format/quantum.h"

namespace precipice {
namespace {

// In the order in which they are tried.
std::span<const char* const> names_of(OperandSet set) {
  static constexpr const char* kFp16[] = {"fp16"};
  static constexpr const char* kBf16[] = {"bf16"};
  static constexpr const char* kTf32[] = {"tf32"};
  static constexpr const char* kFp8[] = {"e4m3", "e5m2"};
  static constexpr const char* kF8f4[] = {"e2m1", "e4m3", "e5m2"};
  static constexpr const char* kFp4[] = {"e2m1"};
  static constexpr const char* kFp8Fnuz[] = {"e4m3fnuz", "e5m2fnuz"};
  switch (set) {
    case OperandSet::Any:
      return {};
    case OperandSet::Fp16:
      return kFp16;
    case OperandSet::Bf16:
      return kBf16;
    case OperandSet::Tf32:
      return kTf32;
    case OperandSet::Fp8:
      return kFp8;
    case OperandSet::F8f4:
      return kF8f4;
    case OperandSet::Fp4:
      return kFp4;
    case OperandSet::Fp8Fnuz:
      return kFp8Fnuz;
  }
  __builtin_unreachable();
}

// Whether every value of `inner` is one of `outer`: multiples of the quantum with no more bits, up to the largest.
bool has_all_values(const FloatFormat& outer, const FloatFormat& inner) {
  return inner.precision() <= outer.precision() && quantum_of(inner) >= quantum_of(outer) &&
         inner.max_finite() <= outer.max_finite() && -inner.lowest() <= outer.max_finite() &&
         (outer.has_infinity() || !inner.has_infinity());
}

}  // namespace

std::optional<int> operand_emin(OperandSet set, const FloatFormat& format) {
  if (set == OperandSet::Any) return format.emin();
  for (const char* name : names_of(set))
    if (has_all_values(parse_float_format(name), format)) return parse_float_format(name).emin();
  return std::nullopt;
}

std::string formats_of(OperandSet set) {
  std::string text;
  for (const char* name : names_of(set)) text += (text.empty() ? "" : " or ") + std::string(name);
  return set == OperandSet::Any ? "any format" : text;
}

}  // namespace precipice

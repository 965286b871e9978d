// SPDX-License-Identifier: Apache-2.0
#include "precision/kernels/isa.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "precision/base/check.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice {
namespace {

constexpr KernelsByIsa<QuantizeKernels> kAllKernels = PRECIPICE_KERNELS_BY_ISA(kKernels);
constexpr std::array<const char*, 3> kNames = {"generic", "avx2", "avx512"};

bool is_supported(std::size_t level) {
#if defined(__x86_64__)
  // All that CMakeLists.txt lets the compiler use; its -mavx2 lets it use POPCNT as well.
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return level == 0 || (level == 1 ? has_avx2 : has_avx512);
#else
  return level == 0;
#endif
}

const Isa& active() {
  static const Isa chosen = [] {
    const char* forced = std::getenv("PRECIPICE_ISA");
    return choose_isa(forced == nullptr ? "" : forced);
  }();
  return chosen;
}

}  // namespace

Isa choose_isa(const std::string& forced) {
  std::string supported;
  for (std::size_t level = kNames.size(); level-- > 0;) {
    if (!is_supported(level)) continue;
    const std::string name = kNames[level];
    if (forced.empty() || forced == name) return {name, &kernels_of(kAllKernels, name)};
    supported += (supported.empty() ? "" : ", ") + name;
  }
  throw ConfigError({"environment", 0, "PRECIPICE_ISA", forced}, "must be one of " + supported + " on this CPU");
}

std::size_t level_of_isa(const std::string& name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  PRECIPICE_CHECK(found != kNames.end(), "instruction set ", name);
  return static_cast<std::size_t>(found - kNames.begin());
}

const QuantizeKernels& active_kernels() {
  return *active().kernels;
}

std::string active_isa() {
  return active().name;
}

}  // namespace precipice

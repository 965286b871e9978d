// SPDX-License-Identifier: Apache-2.0
#include "precision/kernels/isa.h"

#include <cstdlib>
#include <vector>

#include "precision/base/check.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice {
namespace {

struct Candidate {
  const char* name;
  bool supported;
  const QuantizeKernels* kernels;
};

// Best first.
std::vector<Candidate> candidates() {
#if defined(__x86_64__)
  // All that CMakeLists.txt lets the compiler use; its -mavx2 lets it use POPCNT as well.
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return {{"avx512", has_avx512, &avx512::kKernels},
          {"avx2", has_avx2, &avx2::kKernels},
          {"generic", true, &generic::kKernels}};
#else
  return {{"avx512", false, nullptr}, {"avx2", false, nullptr}, {"generic", true, &generic::kKernels}};
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
  for (const Candidate& candidate : candidates()) {
    if (!candidate.supported) continue;
    if (forced.empty() || forced == candidate.name) return {candidate.name, candidate.kernels};
    supported += (supported.empty() ? "" : ", ") + std::string(candidate.name);
  }
  throw ConfigError({"environment", 0, "PRECIPICE_ISA", forced}, "must be one of " + supported + " on this CPU");
}

const QuantizeKernels& active_kernels() {
  return *active().kernels;
}

std::string active_isa() {
  return active().name;
}

}  // namespace precipice

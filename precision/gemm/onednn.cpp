// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/onednn.h"

#include <array>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>

#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::array<std::pair<dnnl::cpu_isa, const char*>, 8> kInstructionSets = {
    {{dnnl::cpu_isa::avx512_core_amx, "avx512_core_amx"},
     {dnnl::cpu_isa::avx512_core_bf16, "avx512_core_bf16"},
     {dnnl::cpu_isa::avx512_core_vnni, "avx512_core_vnni"},
     {dnnl::cpu_isa::avx512_core, "avx512_core"},
     {dnnl::cpu_isa::avx2_vnni, "avx2_vnni"},
     {dnnl::cpu_isa::avx2, "avx2"},
     {dnnl::cpu_isa::avx, "avx"},
     {dnnl::cpu_isa::sse41, "sse41"}}};

bool has_isa(dnnl::cpu_isa isa) {
  const int needed = static_cast<int>(isa);
  return (static_cast<int>(dnnl::get_effective_cpu_isa()) & needed) == needed;
}

}  // namespace

std::string onednn_version() {
  const dnnl_version_t& version = *dnnl::version();
  return join_parts(version.major, ".", version.minor, ".", version.patch);
}

std::string onednn_isa() {
  for (const auto& [isa, name] : kInstructionSets)
    if (has_isa(isa)) return name;
  return "none";
}

bool is_reference(std::string_view implementation) {
  return implementation.find("ref") != std::string_view::npos;
}

bool has_bf16_instructions() {
  static const bool has = has_isa(dnnl::cpu_isa::avx512_core_bf16);
  return has;
}

bool has_avx2_matmuls() {
  static const bool has = has_isa(dnnl::cpu_isa::avx2);
  return has;
}

bool has_avx512_matmuls() {
  static const bool has = has_isa(dnnl::cpu_isa::avx512_core);
  return has;
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// The oneDNN that multiplies for the carrier (carrier.h): which one it is, and which of its implementations it takes.
// For some combinations of shape, strides, post-operations, type and instruction set it has but a reference
// implementation, a plain loop that takes fifty times as long and says nothing. multiply() uses none: where scale and
// bias inside the product would lead to one, they are applied to its result afterwards, with the same two roundings.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "precision/gemm/carrier.h"

namespace precipice {

std::string onednn_version();  // of the library in use: "2.6.0"
// The largest instruction set that its matmuls may use here: sse41, avx, avx2, ..., avx512_core_bf16; DNNL_MAX_CPU_ISA
// may hold it below the CPU's.
std::string onednn_isa();
bool has_avx2_matmuls();  // has_avx512_matmuls() stands in carrier.h

// The name of the implementation that multiply() takes for such a call, "brg:avx512_core" say. Reads no element.
std::string matmul_implementation(const CarrierProduct& call);
// Those that multiply() has made in this process, each once, in alphabetical order.
std::vector<std::string> matmul_implementations();

bool is_reference(std::string_view implementation);

}  // namespace precipice

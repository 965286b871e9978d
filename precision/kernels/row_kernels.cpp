// SPDX-License-Identifier: Apache-2.0
#include "precision/kernels/row_kernels.h"

#include <string_view>

#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice {

const RowKernels* row_kernels_of(const char* isa) {
  const std::string_view name(isa);
  if (name == "generic") return &generic::kRowKernels;
#if defined(__x86_64__)
  if (name == "avx2") return &avx2::kRowKernels;
  if (name == "avx512") return &avx512::kRowKernels;
#endif
  return nullptr;
}

const RowKernels& row_kernels() {
  static const RowKernels* const kernels = row_kernels_of(active_isa().c_str());
  PRECIPICE_CHECK(kernels != nullptr, "no row kernels for ", active_isa());
  return *kernels;
}

}  // namespace precipice

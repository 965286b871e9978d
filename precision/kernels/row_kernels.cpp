// SPDX-License-Identifier: Apache-2.0
#include "precision/kernels/row_kernels.h"

#include "precision/kernels/isa.h"

namespace precipice {

const RowKernels& row_kernels_of(const std::string& isa) {
  static constexpr KernelsByIsa<RowKernels> kAll = PRECIPICE_KERNELS_BY_ISA(kRowKernels);
  return kernels_of(kAll, isa);
}

const RowKernels& row_kernels() {
  static const RowKernels* const kernels = &row_kernels_of(active_isa());
  return *kernels;
}

}  // namespace precipice

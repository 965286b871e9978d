// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/matmuls_of.h"

#include <array>
#include <cstddef>

namespace precipice {
namespace {

const MatmulCpu*& own_matmuls(c10::DeviceType device) {
  static std::array<const MatmulCpu*, c10::COMPILE_TIME_MAX_DEVICE_TYPES> all{};
  return all[static_cast<std::size_t>(device)];
}

}  // namespace

const MatmulCpu& matmuls_of(const at::Tensor& x) {
  const MatmulCpu* const own = own_matmuls(x.device().type());
  return own != nullptr ? *own : matmul_cpu();
}

void set_matmuls(c10::DeviceType device, const MatmulCpu& matmuls) {
  own_matmuls(device) = &matmuls;
}

}  // namespace precipice

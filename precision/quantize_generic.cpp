// SPDX-License-Identifier: Apache-2.0
// The array loops of quantize-inl.h, compiled for the baseline of the target CPU.
#include <bit>

#include "precision/hadamard.h"
#include "precision/log2_exponent.h"
#include "precision/quantize_isa.h"

namespace precipice::generic {
namespace {

using Lanes = std::uint64_t __attribute__((vector_size(16)));

struct LanesWideProduct {
  PRECIPICE_HD Lanes operator()(std::uint32_t factor, Lanes lanes) const { return (lanes & 0xFFFFFFFFu) * factor; }
};

}  // namespace
#include "precision/block_kernels-inl.h"
#include "precision/quantize-inl.h"
}  // namespace precipice::generic

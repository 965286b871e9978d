// SPDX-License-Identifier: Apache-2.0
// Memory of CPU tensors for programs whose steps need the same sizes again and again: what a tensor gives back is kept
// for the next one of its size or up to a fifth less. Hardly any step but the first asks the system for memory or has
// its pages cleared, and blocks of unlike sizes do not break each other up, as they do in a heap.
#pragma once

#include <cstddef>

namespace precipice {

// From here on, for the whole process.
void recycle_tensor_memory();

// Gives what waits back to the system, before something else than tensors needs a lot.
void release_tensor_memory();

struct TensorMemory {
  std::size_t in_use = 0;  // bytes that tensors hold
  // Bytes that wait for others: at most 256 MB, or where 1/8 of what was in use at once is more, that.
  std::size_t kept = 0;
};
TensorMemory tensor_memory();

}  // namespace precipice

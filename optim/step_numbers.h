// SPDX-License-Identifier: Apache-2.0
// The numbers of a training step that the host knows before it and that are others in the next, as a device has them in its
// memory: they go up with the step's batch, and kernels read them there. So launches are the same in every step, and what was
// captured once can be done again. Host and device.
#pragma once

#include <cstddef>
#include <cstdint>

namespace precipice {

// Room for what an update is made with (OptimizerMachine::write_update).
inline constexpr std::size_t kUpdateBytes = 192;

struct StepNumbers {
  std::uint32_t step = 0;    // of training, for random keys
  std::uint32_t update = 0;  // its number, for the random keys of what is stored
  float loss_scale = 1;
  float unscale = 1;  // its inverse
  // Of weights that do not decay and do, each without and with compensation: update_place().
  alignas(16) std::byte updates[4][kUpdateBytes] = {};
};

constexpr std::size_t update_place(bool decays, bool compensated) {
  return std::size_t{decays} + 2 * std::size_t{compensated};
}

}  // namespace precipice

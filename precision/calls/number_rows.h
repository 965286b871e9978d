// SPDX-License-Identifier: Apache-2.0
// Rows of numbers in memory that are rounded where they lie, as a call on a plain array.
#pragma once

#include <cstdint>

#include "precision/calls/factor.h"

namespace precipice {

// `stride` apart; one row: all of an array.
struct NumberRows {
  float* data = nullptr;
  std::int64_t rows = 0, cols = 0, stride = 0;
  Factor scale;  // multiplies them first, where it is not known; what is known of it is the rounder's
};

}  // namespace precipice

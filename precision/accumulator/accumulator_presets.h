// SPDX-License-Identifier: Apache-2.0
// Accumulators with names: the units of hardware, and readings of publications.
#pragma once

#include <string>
#include <vector>

#include "precision/accumulator/accumulator.h"

namespace precipice {

struct PresetAccumulator {
  const char* name;
  Accumulator accumulator;
  const char* citation;  // what it is, and what evidence stands behind it
};
const std::vector<PresetAccumulator>& preset_accumulators();

// "hopper-fp8:promote=128" of what differs from a unit's preset in promotion and split alone; else to_string.
std::string short_name(const Accumulator& accumulator);
// "hopper-fp8 (tensor-core:align=operands,...)": a name finds it in the documents, its numbers say what it does.
std::string name_and_numbers(const Accumulator& accumulator);

}  // namespace precipice

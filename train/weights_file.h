// SPDX-License-Identifier: Apache-2.0
// The file of `precipice export`: a model's parameters for other programs, and for init.from. HDF5: one float32 dataset
// per parameter in the root group, under its name in the reference's state_dict: nanoGPT's
// (/transformer.h.0.attn.c_attn.weight) or Hugging Face Llama's (/model.layers.0.self_attn.q_proj.weight).
#pragma once

#include <filesystem>
#include <vector>

#include "train/checkpoint.h"

namespace precipice {

// Replaces the file if there is one. Throws OutputError.
void write_weights(const std::filesystem::path& path, const std::vector<NamedArray>& weights);
// All datasets, by name in ascending order. Throws DataError when one is not float32.
std::vector<NamedArray> read_weights(const std::filesystem::path& path);

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// The file of `precipice export`: a model's parameters for other programs, and for init.from (docs/EXPORT.md). HDF5:
// one float32 dataset per parameter in the root group, under its name in the reference's state_dict: nanoGPT's
// (/transformer.h.0.attn.c_attn.weight) or Hugging Face Llama's (/model.layers.0.self_attn.q_proj.weight). Or
// safetensors, under the same names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "train/model/attributes.h"
#include "train/model/named_array.h"

namespace precipice {

enum class WeightsFormat : std::uint8_t { Hdf5, Safetensors };
WeightsFormat parse_weights_format(std::string_view text);  // hdf5 safetensors; throws ConfigError
// By the path's extension: .safetensors, else HDF5.
WeightsFormat weights_format_of(const std::filesystem::path& path);

// Replaces the file if there is one. Throws OutputError.
void write_weights(const std::filesystem::path& path, const std::vector<NamedArray>& weights,
                   const Attributes& attributes = {}, WeightsFormat format = WeightsFormat::Hdf5);
// All arrays of a file of either format, by name in ascending order. Throws DataError when one is not float32.
std::vector<NamedArray> read_weights(const std::filesystem::path& path);

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// Checkpoints: everything a run needs to go on with the same bits, in a format of our own: named float arrays and
// numbers, a CRC-32C per array and one over the header. Written with tmp + fsync + rename; the last two are kept, and
// those of the steps that the run is told to keep (train.keep_checkpoints).
// Layout, little-endian: magic "PRCPCKP1" | u32 size of the header | u32 CRC of magic, size and header | header |
// arrays. The header is JSON: identity, step, numbers (the bits of each double as an integer), and name, shape and CRC
// of each array; the arrays' float32 values follow one after the other and end the file. No CRC covers bytes together
// with their own CRC: that would be a constant, which detects nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/model/named_array.h"

namespace precipice {

class Directory;

struct Checkpoint {
  std::string identity;                   // run id; a checkpoint of another config is refused
  std::int64_t step = 0;                  // steps done
  std::map<std::string, double> numbers;  // optimizer updates, loss scale, ...
  std::vector<NamedArray> arrays;         // parameters and optimizer state
};

// DIR/step_<8 digits>.ckpt
std::filesystem::path checkpoint_path(const std::filesystem::path& directory, std::int64_t step);
// Makes the directory, writes, then removes every other checkpoint but the one before and those of the steps `kept`:
// older ones, and newer ones, kept or not, which a run that has come to this step has found damaged. Throws OutputError.
void write_checkpoint(const std::filesystem::path& directory, const Checkpoint& checkpoint,
                      std::span<const std::int64_t> kept = {});
// The same into a directory that is open already, and nowhere else.
void write_checkpoint_into(const Directory& directory, const Checkpoint& checkpoint,
                           std::span<const std::int64_t> kept = {});
// Writes it there and removes nothing.
void store_checkpoint(const Directory& directory, const Checkpoint& checkpoint);
// Throws DataError naming path and byte offset when damaged, or when of another run.
Checkpoint read_checkpoint(const std::filesystem::path& path, const std::string& identity);
// The bytes of a checkpoint's file, and back; `name` is for messages.
std::string encode_checkpoint(const Checkpoint& checkpoint);
Checkpoint parse_checkpoint(std::string_view file, const std::string& name, const std::string& identity);
// Steps for which a file is there, ascending.
std::vector<std::int64_t> checkpoint_steps(const std::filesystem::path& directory);

}  // namespace precipice

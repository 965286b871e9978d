// SPDX-License-Identifier: Apache-2.0
// `precipice cast` as a filter: raw little-endian values from one descriptor, rounded to a format, to another, block by
// block in constant memory. Element i of the stream uses the random word of element first_element + i, so that the
// bytes do not depend on how reads, blocks and threads cut it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "precision/kernels/quantize_kernels.h"

namespace precipice {

enum class CastInput : std::uint8_t { F32, F64, Bf16, F16, Codes };
CastInput parse_cast_input(std::string_view text);  // f32 f64 bf16 f16; ConfigError

struct CastSpec {
  ElementQuantizer quantize;
  RandomKey key;
  std::uint64_t first_element = 0;
  CastInput input = CastInput::F32;  // Codes: of the format; they are decoded, nothing is rounded
  bool codes = false;                // write codes in place of float32
  int threads = 1;
  std::int64_t block = 65536;  // most elements of a thread at a time
};

// Bytes of a code of the format: the smallest of 1, 2 and 4.
int code_bytes(const FloatFormat& format);

struct CastOutcome {
  EventCounts counts;           // of input codes only `total`
  bool reader_is_gone = false;  // a closed pipe: an end, not an error
};

// Until the input ends. Throws DataError when it cannot be read, when it is a NumPy file, when it ends inside a value,
// and at an element that has no code or is none; everything before that has then been written. Throws OutputError.
CastOutcome cast_stream(int input, int output, const CastSpec& spec);

}  // namespace precipice

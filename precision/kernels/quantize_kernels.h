// SPDX-License-Identifier: Apache-2.0
// The array loops around round_to_format: compiled for generic x86-64 (or any CPU), AVX2 and AVX-512 from one source
// (quantize-inl.h) and chosen at run time; PRECIPICE_ISA=generic|avx2|avx512 forces one. Results and counts are the
// same on all of them. Free of torch.
#pragma once

#include <cstdint>
#include <string>

#include "precision/kernels/event_counts.h"
#include "precision/kernels/isa.h"
#include "precision/rounding/element_quantizer.h"
#include "precision/rounding/random_bits.h"

namespace precipice {

// out[i] = round(in[i] * scale): values on the format's grid. in may equal out. Element i of the call uses the random
// word of element first_element + i of key's stream, so a tensor may be cut anywhere.
void quantize(const float* in, float* out, std::int64_t size, const ElementQuantizer& spec, float scale,
              const RandomKey& key, std::uint64_t first_element, EventCounts& counts);

// The same from binary64, rounded once; amax is rounded to float, and through_bf16 must be off.
void quantize(const double* in, float* out, std::int64_t size, const ElementQuantizer& spec, float scale,
              const RandomKey& key, std::uint64_t first_element, EventCounts& counts);

// out[i] = the code of in[i], which must be a value of the format (format_codes.h); only NaN in a format without one is
// looked for. Throws ConfigError then.
void encode(const float* in, std::uint32_t* out, std::int64_t size, const FloatFormat& format);

// max |in[i]|; NaN if any element is NaN, infinity if any is infinite; 0 for size 0.
float amax(const float* in, std::int64_t size);

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// Standard input and output as descriptors, for streams of bytes: interrupted calls, partial reads and writes and
// non-blocking descriptors are nobody else's concern.
#pragma once

#include <cstddef>

namespace precipice {

// What there is, at least one byte and at most `size`; 0 at the end. Throws DataError, which says "standard input".
std::size_t read_some(int descriptor, void* buffer, std::size_t size);

// False when the reader of a pipe has closed it. Throws OutputError, which says "standard output".
bool write_whole(int descriptor, const void* bytes, std::size_t size);

// Asks for a pipe that holds more than the usual 64 KiB; nothing happens to what is no pipe.
void widen_pipe(int descriptor);

}  // namespace precipice

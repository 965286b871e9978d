// SPDX-License-Identifier: Apache-2.0
// Files that survive a kill: written to a temporary name, fsynced, renamed, directory fsynced. Checksums: CRC-32C
// (Castagnoli, RFC 3720) for records, CRC-32 in zip archives, SHA-256 for whole files. The process must ignore SIGXFSZ, or a file size limit
// kills it before these functions can report the error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace precipice {

// What the system calls an errno: "No such file or directory".
std::string system_reason(int error);

// Whole file, refusing anything that is not a regular file (directory, device, FIFO) and anything over max_bytes. A file of
// a run that was packed comes out of its bundle (packed_runs.h). Throws DataError naming the path.
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

// Whether read_file finds something there, be it that it cannot be read. Throws DataError where a bundle is damaged.
bool is_there(const std::filesystem::path& path);

// Readers see the old file or the new one, never a part. Throws OutputError naming path and reason; the old file stays
// and no temporary file is left behind. Only a kill leaves one, ".NAME.PID.COUNT.tmp" beside the target.
void write_file_atomic(const std::filesystem::path& path, std::string_view bytes);

// Creates a directory and its parents. Throws OutputError.
void make_directories(const std::filesystem::path& path);

void write_all(int descriptor, std::string_view bytes);  // throws std::system_error

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);  // Castagnoli; pass the last result to continue
std::uint32_t crc32(std::string_view bytes, std::uint32_t crc = 0);   // ISO 3309, that of zip archives; likewise
std::string sha256_hex(std::string_view bytes);                       // 64 lower-case hex digits

}  // namespace precipice

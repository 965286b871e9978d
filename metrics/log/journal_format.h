// SPDX-License-Identifier: Apache-2.0
// The bytes of a journal, shared by its reader and its writer; private to metrics/journal*.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/files/files.h"
#include "metrics/log/series.h"

namespace precipice::journal_format {

inline constexpr std::string_view kMagic = "PRCPJNL1";
inline constexpr std::size_t kPrefixBytes = 16;  // length, crc, step
inline constexpr std::int64_t kHeaderStep = -1;
inline constexpr std::uint32_t kMaxHeaderBytes = 16u << 20;
// The histograms of 512 gated layers are 8.3 million numbers, and no row of a config that is allowed is longer.
inline constexpr std::uint64_t kMaxRowWidth = 1u << 23;

template <class T>
void put(std::string& bytes, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes.append(raw, sizeof(T));
}

template <class T>
T get(std::string_view bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

inline std::size_t row_bytes(const SeriesGroup& group) {
  return sizeof(std::uint16_t) + 8 * group.row_width();
}

inline std::string make_record(std::int64_t step, std::string_view payload) {
  std::string checked;
  put(checked, step);
  checked += payload;
  std::string record;
  put(record, static_cast<std::uint32_t>(payload.size()));
  put(record, crc32c(checked));
  return record + checked;
}

std::string encode_header(const std::string& identity, const std::vector<SeriesGroup>& groups);

}  // namespace precipice::journal_format

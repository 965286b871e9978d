// SPDX-License-Identifier: Apache-2.0
#include "train/token_stream.h"

#include <bit>
#include <cstring>

#include "metrics/files.h"
#include "precision/check.h"
#include "train/synthetic_language.h"

namespace precipice {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are little-endian and are used as they lie");

constexpr std::uint64_t kMaxDataBytes = std::uint64_t{1} << 36;  // the stream is held in memory
constexpr std::size_t kHeaderBytes = 1024;
constexpr std::int32_t kMagicUint16 = 20240520;
constexpr std::int32_t kMagicUint32 = 20240801;  // llm.c's Llama 3 tokens

// The number of tokens that an llm.c header promises must be what the file holds.
void check_header(const std::string& bytes, const std::string& name) {
  std::int32_t header[3];
  std::memcpy(header, bytes.data(), sizeof header);
  if (header[0] == kMagicUint32)
    throw DataError(name +
                    ": llm.c header of uint32 tokens (magic 20240801); uint16 tokens (magic 20240520) are needed");
  if (header[1] != 1) throw DataError(join_parts(name, ": llm.c header with version ", header[1], "; 1 is needed"));
  const std::int64_t promised = header[2];
  const std::int64_t needed = kHeaderBytes + 2 * promised;
  if (static_cast<std::int64_t>(bytes.size()) != needed)
    throw DataError(join_parts(name, ": llm.c header says ", promised, " tokens, which need ", needed,
                               " bytes, but the file has ", bytes.size()));
}

bool has_header(const std::string& bytes) {
  if (bytes.size() < kHeaderBytes) return false;
  std::int32_t magic = 0;
  std::memcpy(&magic, bytes.data(), sizeof magic);
  return magic == kMagicUint16 || magic == kMagicUint32;
}

}  // namespace

TokenStream::TokenStream(std::string bytes, std::size_t first_byte, std::size_t bytes_per_token)
    : bytes_(std::move(bytes)),
      first_byte_(first_byte),
      bytes_per_token_(bytes_per_token),
      size_(static_cast<std::int64_t>((bytes_.size() - first_byte) / bytes_per_token)) {}

TokenStream read_text(const std::string& path) {
  return TokenStream(read_file(path, kMaxDataBytes), 0, 1);
}

TokenStream read_token_file(const std::string& path, std::int64_t vocabulary) {
  return parse_token_file(read_file(path, kMaxDataBytes), path, vocabulary);
}

TokenStream parse_token_file(std::string bytes, const std::string& name, std::int64_t vocabulary) {
  const bool header = has_header(bytes);
  if (header)
    check_header(bytes, name);
  else if (bytes.size() % 2 != 0)
    throw DataError(
        join_parts(name, ": ", bytes.size(), " bytes; a file of uint16 tokens has an even number of bytes"));
  TokenStream stream(std::move(bytes), header ? kHeaderBytes : 0, 2);
  for (std::int64_t i = 0; i < stream.size(); ++i)
    if (stream[i] >= vocabulary)
      throw DataError(join_parts(name, ": token ", stream[i], " at position ", i, " of ", stream.size(),
                                 "; data.vocabulary = ", vocabulary, " allows 0 to ", vocabulary - 1));
  return stream;
}

TokenStream synthetic_stream(const DataConfig& config, double& entropy_rate) {
  const SyntheticLanguage language(config.vocabulary, config.language_seed);
  entropy_rate = language.entropy_rate();
  const std::vector<std::uint16_t> tokens = language.generate(config.tokens);
  return TokenStream({reinterpret_cast<const char*>(tokens.data()), 2 * tokens.size()}, 0, 2);
}

}  // namespace precipice

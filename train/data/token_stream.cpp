// SPDX-License-Identifier: Apache-2.0
#include "train/data/token_stream.h"

#include <algorithm>
#include <array>
#include <bit>

#include "precision/base/check.h"
#include "train/data/npy_header.h"
#include "train/data/synthetic_language.h"
#include "train/data/zipf_language.h"

namespace precipice {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are little-endian and are used as they lie");

constexpr std::uint64_t kMaxDataBytes = std::uint64_t{1} << 40;
constexpr std::size_t kHeaderBytes = 1024;
constexpr std::int32_t kMagicUint16 = 20240520;
constexpr std::int32_t kMagicUint32 = 20240801;  // llm.c's Llama 3 tokens
// Containers that hold tokens among other things, and begin as no tokens do.
constexpr std::array<std::pair<std::string_view, const char*>, 2> kContainers{
    {{"PK\x03\x04", "a zip archive (.npz, .pt)"}, {"\x89HDF\r\n\x1a\n", "an HDF5 file"}}};

// The number of tokens that an llm.c header promises must be what the file holds.
void check_header(std::string_view bytes, const std::string& name) {
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

bool has_header(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) return false;
  std::int32_t magic = 0;
  std::memcpy(&magic, bytes.data(), sizeof magic);
  return magic == kMagicUint16 || magic == kMagicUint32;
}

// Integers of 1 to 8 bytes, little-endian, in the order in which they lie.
TokenStream::Layout npy_layout(std::string_view bytes, const std::string& name) {
  const NpyHeader header = parse_npy_header(bytes, name);
  const std::string& type = header.type;
  const std::size_t width = type.size() == 3 ? static_cast<std::size_t>(type[2] - '0') : 0;
  const bool little = type.starts_with('<') || (type.starts_with('|') && width == 1);
  const bool integer = type.size() == 3 && (type[1] == 'u' || type[1] == 'i');
  if (!little || !integer || !(width == 1 || width == 2 || width == 4 || width == 8))
    throw DataError(join_parts(name, ": NumPy file (.npy) of type ", type.substr(0, 40),
                               "; little-endian integers are needed, e.g. numpy.save(file, tokens.astype('<u2'))"));
  if (header.column_major)
    throw DataError(name + ": NumPy file (.npy) in Fortran order; save numpy.ascontiguousarray(tokens)");
  std::uint64_t tokens = 1;
  for (const std::uint64_t extent : header.shape) tokens *= extent;
  const std::uint64_t found = (bytes.size() - header.first_byte) / width;
  if (tokens != found || (bytes.size() - header.first_byte) % width != 0)
    throw DataError(join_parts(name, ": NumPy file (.npy) whose header says ", tokens, " tokens of ", width,
                               " bytes, but ", bytes.size() - header.first_byte, " bytes follow"));
  return {header.first_byte, width, type[1] == 'i'};
}

TokenStream::Layout layout_of(std::string_view bytes, const std::string& name) {
  if (is_npy(bytes)) return npy_layout(bytes, name);
  for (const auto& [magic, what] : kContainers)
    if (bytes.starts_with(magic))
      throw DataError(join_parts(name, ": is ", what,
                                 "; data.source = tokens reads raw uint16 tokens, llm.c's .bin "
                                 "and NumPy's .npy"));
  if (has_header(bytes)) {
    check_header(bytes, name);
    return {kHeaderBytes, 2, false};
  }
  if (bytes.size() % 2 != 0)
    throw DataError(
        join_parts(name, ": ", bytes.size(), " bytes; a file of uint16 tokens has an even number of bytes"));
  return {0, 2, false};
}

// Looks at every token once.
class TokenCheck {
 public:
  TokenCheck(const TokenStream& stream, std::int64_t vocabulary) : stream_(stream), vocabulary_(vocabulary) {}

  void look(std::string_view piece) {
    const std::size_t width = stream_.layout().bytes_per_token;
    for (std::size_t at = 0; at + width <= piece.size(); at += width, ++position_) {
      const std::int64_t token = stream_.token_at(piece.data() + at);
      if (token < 0 || token >= vocabulary_)
        throw DataError(join_parts(stream_.file().name(), ": token ", token, " at position ", position_, " of ",
                                   stream_.size(), "; data.vocabulary = ", vocabulary_, " allows 0 to ",
                                   vocabulary_ - 1));
      highest_[position_ % 2] = std::max(highest_[position_ % 2], token);
    }
  }

  // Halves of tokens of four bytes: every second value is what lies above 16 bits, nothing where the vocabulary is
  // small.
  void refuse_halves() const {
    const std::int64_t low = std::min(highest_[0], highest_[1]), high = std::max(highest_[0], highest_[1]);
    const std::int64_t above = (vocabulary_ - 1) >> 16;
    if (low > above || high <= above) return;
    throw DataError(join_parts(
        stream_.file().name(), ": every second uint16 value is ", above == 0 ? "0" : join_parts("at most ", above),
        ", as in a file of tokens of 4 bytes. A file without a header is read as uint16; save other types as .npy, "
        "which says its type: numpy.save(\"tokens.npy\", numpy.fromfile(file, \"uint32\"))"));
  }

 private:
  const TokenStream& stream_;
  std::int64_t vocabulary_;
  std::int64_t position_ = 0;
  std::int64_t highest_[2] = {0, 0};  // of the even and the odd positions
};

TokenStream checked_stream(InputFile file, std::int64_t vocabulary) {
  const TokenStream::Layout layout = layout_of(file.bytes(), file.name());
  TokenStream stream(std::move(file), layout);
  TokenCheck check(stream, vocabulary);
  stream.file().for_each_piece(layout.first_byte, [&](std::string_view piece) { check.look(piece); });
  if (layout.first_byte == 0) check.refuse_halves();
  return stream;
}

}  // namespace

TokenStream::TokenStream(InputFile file, Layout layout)
    : file_(std::move(file)),
      layout_(layout),
      size_(static_cast<std::int64_t>((file_.bytes().size() - layout.first_byte) / layout.bytes_per_token)) {}

TokenStream read_text(const std::string& path) {
  return TokenStream(InputFile(path, kMaxDataBytes), {0, 1, false});
}

TokenStream read_token_file(const std::string& path, std::int64_t vocabulary) {
  return checked_stream(InputFile(path, kMaxDataBytes), vocabulary);
}

TokenStream parse_token_file(std::string bytes, const std::string& name, std::int64_t vocabulary) {
  return checked_stream(InputFile(std::move(bytes), name), vocabulary);
}

namespace {

TokenStream stream_of(const std::vector<std::uint16_t>& tokens, const char* name) {
  return TokenStream(InputFile(std::string(reinterpret_cast<const char*>(tokens.data()), 2 * tokens.size()), name),
                     {0, 2, false});
}

}  // namespace

TokenStream synthetic_stream(const DataConfig& config, double& entropy_rate) {
  const SyntheticLanguage language(config.vocabulary, config.language_seed);
  entropy_rate = language.entropy_rate();
  return stream_of(language.generate(config.tokens), "synthetic language");
}

TokenStream zipf_stream(const ZipfLanguage& language, std::int64_t length) {
  return stream_of(language.generate(length), "Zipf language");
}

}  // namespace precipice

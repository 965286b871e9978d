// SPDX-License-Identifier: Apache-2.0
// A whole stream of token ids, kept as the bytes of its file: one byte per token (text); two, little-endian (nanoGPT's
// raw uint16 files, llm.c's with a header of 256 int32: magic 20240520, version 1, number of tokens); or the integers
// of a NumPy file (.npy).
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "metrics/files/input_file.h"
#include "train/config/run_config.h"

namespace precipice {

class ZipfLanguage;

class TokenStream {
 public:
  // Where the tokens lie in the file, and how one is stored there.
  struct Layout {
    std::size_t first_byte = 0;
    std::size_t bytes_per_token = 2;  // 1, 2, 4 or 8
    bool is_signed = false;
  };
  TokenStream(InputFile file, Layout layout);

  std::int64_t size() const { return size_; }
  std::int64_t operator[](std::int64_t position) const {
    return token_at(file_.bytes().data() + layout_.first_byte +
                    static_cast<std::size_t>(position) * layout_.bytes_per_token);
  }
  // The token that is stored there.
  std::int64_t token_at(const char* bytes) const {
    switch (layout_.bytes_per_token) {
      case 1:
        return layout_.is_signed ? load<std::int8_t>(bytes) : load<std::uint8_t>(bytes);
      case 2:
        return layout_.is_signed ? load<std::int16_t>(bytes) : load<std::uint16_t>(bytes);
      case 4:
        return layout_.is_signed ? load<std::int32_t>(bytes) : std::int64_t{load<std::uint32_t>(bytes)};
      default:
        return load<std::int64_t>(bytes);  // an unsigned one beyond 2^63 is negative here, and no token either way
    }
  }
  const InputFile& file() const { return file_; }
  const Layout& layout() const { return layout_; }

 private:
  template <class Integer>
  static Integer load(const char* bytes) {
    Integer value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }

  InputFile file_;
  Layout layout_;
  std::int64_t size_;
};

// Any bytes are a text: token = byte.
TokenStream read_text(const std::string& path);
// Tells NumPy's header and llm.c's from nanoGPT's headerless file by their magic. Every token is checked against the
// vocabulary. Throws DataError.
TokenStream read_token_file(const std::string& path, std::int64_t vocabulary);
// The same for a file's bytes; `name` is for messages.
TokenStream parse_token_file(std::string bytes, const std::string& name, std::int64_t vocabulary);
TokenStream synthetic_stream(const DataConfig& config, double& entropy_rate);
TokenStream zipf_stream(const ZipfLanguage& language, std::int64_t length);

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// A whole stream of token ids in memory, kept as the bytes of its file: one byte per token (text) or two, little-endian
// (nanoGPT's raw uint16 files, llm.c's with a header of 256 int32: magic 20240520, version 1, number of tokens).
#pragma once

#include <cstdint>
#include <string>

#include "train/run_config.h"

namespace precipice {

class TokenStream {
 public:
  // `first_byte`: where the tokens begin.
  TokenStream(std::string bytes, std::size_t first_byte, std::size_t bytes_per_token);

  std::int64_t size() const { return size_; }
  std::int64_t operator[](std::int64_t position) const {
    const auto* at = reinterpret_cast<const unsigned char*>(bytes_.data()) + first_byte_ +
                     static_cast<std::size_t>(position) * bytes_per_token_;
    return bytes_per_token_ == 1 ? at[0] : at[0] | at[1] << 8;
  }
  const std::string& bytes() const { return bytes_; }  // of the whole file

 private:
  std::string bytes_;
  std::size_t first_byte_;
  std::size_t bytes_per_token_;
  std::int64_t size_;
};

// Any bytes are a text: token = byte.
TokenStream read_text(const std::string& path);
// Tells llm.c's header from nanoGPT's headerless file by its magic. Every token is checked against the vocabulary.
TokenStream read_token_file(const std::string& path, std::int64_t vocabulary);
// The same for a file's bytes; `name` is for messages.
TokenStream parse_token_file(std::string bytes, const std::string& name, std::int64_t vocabulary);
TokenStream synthetic_stream(const DataConfig& config, double& entropy_rate);

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
#include "train/data/open_tokens.h"

#include <limits>
#include <string>
#include <utility>

#include "precision/base/check.h"
#include "train/data/batches_file.h"
#include "train/data/stream_source.h"
#include "train/data/teacher_source.h"
#include "train/data/token_stream.h"
#include "train/data/zipf_language.h"

namespace precipice {
namespace {

SharedStream load_stream(const DataConfig& data) {
  const auto made = [](TokenStream tokens, std::int64_t vocabulary, double entropy_floor) {
    std::string sha256 = tokens.file().sha256();
    return std::make_shared<const TokenSequence>(
        TokenSequence{std::move(tokens), vocabulary, entropy_floor, std::move(sha256)});
  };
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  if (data.source == DataSource::Synthetic) {
    double entropy_rate = 0;
    TokenStream tokens = synthetic_stream(data, entropy_rate);
    return made(std::move(tokens), data.vocabulary, entropy_rate);
  }
  if (data.source == DataSource::Zipf) {
    const ZipfLanguage language(data.vocabulary, data.language_seed);
    TokenStream tokens = zipf_stream(language, data.tokens);
    std::string sha256 = tokens.file().sha256();
    return std::make_shared<const TokenSequence>(TokenSequence{
        std::move(tokens), data.vocabulary, language.entropy_rate(), std::move(sha256), language.unigram_entropy()});
  }
  if (data.source == DataSource::Text) return made(read_text(data.path), 256, kUnknown);
  PRECIPICE_CHECK(data.source == DataSource::Tokens, to_string(data.source));
  return made(read_token_file(data.path, data.vocabulary), data.vocabulary, kUnknown);
}

// Everything that load_stream looks at.
std::string stream_key(const DataConfig& data) {
  return join_parts(to_string(data.source), '\n', data.path, '\n', data.tokens, '\n', data.vocabulary, '\n',
                    data.language_seed);
}

std::pair<std::string, SharedStream>& kept_stream() {
  static std::pair<std::string, SharedStream> kept;
  return kept;
}

}  // namespace

void keep_tokens(const RunConfig& config) {
  if (has_stream(config.data.source)) kept_stream() = {stream_key(config.data), load_stream(config.data)};
}

std::unique_ptr<TokenSource> open_tokens(const RunConfig& config) {
  try {
    if (config.data.source == DataSource::Batches) return open_batches(config);
    if (config.data.source == DataSource::Teacher) return open_teacher(config);
    const auto& [key, stream] = kept_stream();
    const bool is_kept = stream && key == stream_key(config.data);
    return window_source(is_kept ? stream : load_stream(config.data), config);
  } catch (const DataError& error) {  // begins with the path, where there is one
    if (is_generated(config.data.source)) throw;
    throw DataError(std::string("data.path = ") + error.what());
  }
}

}  // namespace precipice

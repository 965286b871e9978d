// SPDX-License-Identifier: Apache-2.0
// init.plant (train/config/plants.h says what is planted and why). With C channels and rms the root mean square of the
// token embedding, c = (1, -1, 1, -1, ...) / sqrt(C) and u = (1, 1, -1, -1, ...) / sqrt(C), which a LayerNorm keeps:
//   sink      every token's embedding gets a c, the sink's a c + 16 a u too, a = rms sqrt(C), the length of an embedding.
//             Of the stream, which has these and e embeddings of a (the token's, and a learned position's), the norm
//             then leaves q = sqrt(C / (e + 1)) of an ordinary token along c and k = 16 sqrt(C / (e + 257)) of the sink
//             along u, hardly less where positions differ. One row of the first head's W^Q gets g c, the same row of W^K g u, with g^2 q k = score sqrt(D); all rows
//             of its W^V get -value / k u. The row is D / 2 - 1, which rotary positions turn slowest.
//   aligned   gate[i] = up[i] = factor up[i], the first `channels` rows of each layer.
//   outliers  gain[i] *= factor, w[., i] /= factor, the first `channels`, for the norms of blocks and who reads them.
//   gains     gain[i] = low + (high - low) (i + 1/2) / C, of all norms of the stream.
#include <cmath>

#include "precision/base/check.h"
#include "train/config/plants.h"
#include "train/model/model.h"

namespace precipice {
namespace {

constexpr double kSinkLength = 16;  // of embeddings: what else is in the stream turns it by little

// row += factor direction, of a matrix (rows, width).
template <class Direction>
void add_to_row(const at::Tensor& matrix, std::int64_t row, double factor, const Direction& direction) {
  float* const data = matrix.mutable_data_ptr<float>() + row * matrix.stride(0);
  for (std::int64_t i = 0; i < matrix.size(1); ++i) data[i] += static_cast<float>(factor * direction(i));
}

double rms_of(const at::Tensor& x) {
  const float* const data = x.const_data_ptr<float>();
  double squares = 0;
  for (std::int64_t i = 0; i < x.numel(); ++i) squares += double{data[i]} * data[i];
  return std::sqrt(squares / static_cast<double>(x.numel()));
}

void scale_column(const at::Tensor& matrix, std::int64_t column, double factor) {
  float* const data = matrix.mutable_data_ptr<float>();
  for (std::int64_t row = 0; row < matrix.size(0); ++row) {
    float& x = data[row * matrix.stride(0) + column];
    x = static_cast<float>(x * factor);
  }
}

}  // namespace

std::vector<at::Tensor> Model::block_weights(SiteKind kind, std::int64_t layer) const {
  std::vector<at::Tensor> found;
  for (const BlockLinear& linear : config_.kind->linears(config_)) {
    if (linear.site != kind) continue;
    const std::string end = "." + std::to_string(layer) + "." + linear.name + ".weight";
    for (const NamedParameter& parameter : parameters_)
      if (parameter.name.ends_with(end)) found.push_back(parameter.value.detach());
  }
  return found;
}

void Model::plant_sink(const Plants::Sink& sink) {
  const auto width = static_cast<double>(config_.width), depth = static_cast<double>(config_.head_size());
  const auto c = [&](std::int64_t i) { return (i % 2 == 0 ? 1 : -1) / std::sqrt(width); };
  const auto u = [&](std::int64_t i) { return (i % 4 < 2 ? 1 : -1) / std::sqrt(width); };
  const at::Tensor embedding = token_embedding_.detach();
  const double length = rms_of(embedding) * std::sqrt(width);
  for (std::int64_t token = 0; token < vocabulary_; ++token) add_to_row(embedding, token, length, c);
  add_to_row(embedding, sink.token, kSinkLength * length, u);

  const double embeddings = position_embedding_.defined() ? 2 : 1;
  const double of_query = std::sqrt(width / (embeddings + 1)),
               of_key = kSinkLength * std::sqrt(width / (embeddings + 1 + kSinkLength * kSinkLength));
  const double gain = std::sqrt(sink.score * std::sqrt(depth) / (of_query * of_key));
  const auto [queries, keys] = query_and_key_weights(sink.layer);
  const std::int64_t row = std::max<std::int64_t>(config_.head_size() / 2 - 1, 0);
  add_to_row(queries.detach(), row, gain, c);
  add_to_row(keys.detach(), row, gain, u);
  // The values lie in the last of the site's weights, behind what else is in it.
  const at::Tensor last = block_weights(SiteKind::AttnQkv, sink.layer).back();
  const std::int64_t first = last.size(0) - config_.key_width();
  for (std::int64_t i = 0; i < config_.head_size(); ++i) add_to_row(last, first + i, -sink.value / of_key, u);
}

void Model::plant(const Plants& plants) {
  if (plants.sink) plant_sink(*plants.sink);
  if (plants.gains)
    for (const Norm& norm : stream_norms_) {
      float* const gain = norm.weight.detach().mutable_data_ptr<float>();
      for (std::int64_t i = 0; i < config_.width; ++i)
        gain[i] = static_cast<float>(plants.gains->low + (plants.gains->high - plants.gains->low) *
                                                             (static_cast<double>(i) + 0.5) /
                                                             static_cast<double>(config_.width));
    }
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    if (plants.aligned) {
      const at::Tensor gate = block_weights(SiteKind::MlpGate, layer).front(),
                       up = block_weights(SiteKind::MlpUp, layer).front();
      for (std::int64_t row = 0; row < plants.aligned->channels; ++row) {
        up.select(0, row).mul_(plants.aligned->factor);
        gate.select(0, row).copy_(up.select(0, row));
      }
    }
    if (!plants.outliers) continue;
    const auto enlarge = [&](const Norm& norm, std::initializer_list<SiteKind> readers) {
      for (std::int64_t i = 0; i < plants.outliers->channels; ++i) {
        scale_column(norm.weight.detach().view({1, -1}), i, plants.outliers->factor);
        if (norm.bias.defined()) scale_column(norm.bias.detach().view({1, -1}), i, plants.outliers->factor);
        for (const SiteKind reader : readers)
          for (const at::Tensor& weight : block_weights(reader, layer))
            scale_column(weight, i, 1 / plants.outliers->factor);
      }
    };
    const auto place = static_cast<std::size_t>(2 * layer);
    enlarge(stream_norms_[place], {SiteKind::AttnQkv});
    enlarge(stream_norms_[place + 1], {SiteKind::MlpUp, SiteKind::MlpGate});
  }
}

}  // namespace precipice

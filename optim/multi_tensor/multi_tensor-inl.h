// SPDX-License-Identifier: Apache-2.0
// The chunk functions of multi_tensor_chunks.h, one template for every element body. Included by one file per
// instruction set, inside that set's namespace, under the rules of precision/kernels/quantize-inl.h. The body runs over
// a piece of a block, then the values it measured are squared and added to the block's sums: pieces are small, so that
// memory is asked for the next while sums are made.

namespace {

constexpr std::int64_t kPiece = 128;  // elements; divides kBlock

// The partial sums of a block, to which pieces of it are added in order.
struct PartialSums {
  double lanes[kLanes] = {};

  // All pieces but the last have whole groups of kLanes.
  void add_squares(const float* x, std::int64_t size) {
    std::int64_t i = 0;
    for (; i + kLanes <= size; i += kLanes) {
      for (int k = 0; k < kLanes; ++k) lanes[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
    }
    for (std::int64_t k = 0; i + k < size; ++k)
      lanes[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  }
};

template <class Body>
void run_piece(Body body, float* const (&list)[Body::kLists], std::int64_t begin, std::int64_t size,
               float (&measured)[2][kPiece]) {
  float* at[Body::kLists];
  for (int d = 0; d < Body::kLists; ++d) at[d] = list[d] + begin;
  for (std::int64_t i = 0; i < size; ++i) {
    float x[Body::kLists];
    for (int d = 0; d < Body::kLists; ++d) x[d] = at[d][i];
    const Measures result = body(x);
    for (int d = 0; d < Body::kLists; ++d) {
      if ((Body::kWritten >> d) & 1u) at[d][i] = x[d];
    }
    for (int k = 0; k < Body::kMeasures; ++k) measured[k][i] = result.value[k];
  }
}

template <class Rule>
void run_piece(const KahanBody<Rule>& body, float* const (&list)[KahanBody<Rule>::kLists], std::int64_t begin,
               std::int64_t size, float (&measured)[2][kPiece]) {
  constexpr int kInner = ChangeBody<Rule>::kLists;
  float* inner[kInner];
  for (int d = 0; d < kInner; ++d) inner[d] = list[d];
  run_piece(body.change, inner, begin, size, measured);

  EventCounts counts;
  const auto round = [&](float* x) { quantize(x, x, size, body.spec, 1.0f, {}, 0, counts); };
  float* p = list[1] + begin;
  float* k = list[kInner] + begin;
  float* change = measured[0];  // from here on a scratch array, at last what was added
  float next[kPiece];
  for (std::int64_t i = 0; i < size; ++i) k[i] += change[i];
  round(k);
  for (std::int64_t i = 0; i < size; ++i) next[i] = p[i] + k[i];
  round(next);
  for (std::int64_t i = 0; i < size; ++i) change[i] = p[i] - next[i];
  round(change);
  for (std::int64_t i = 0; i < size; ++i) k[i] += change[i];
  round(k);
  for (std::int64_t i = 0; i < size; ++i) {
    change[i] = next[i] - p[i];
    p[i] = next[i];
  }
}

template <class Body>
ChunkResult run_chunk(const Body& body, float* const (&list)[Body::kLists], std::int64_t size) {
  float measured[2][kPiece];
  ChunkResult result{};
  for (std::int64_t begin = 0; begin < size; begin += kBlock) {
    const std::int64_t end = size - begin < kBlock ? size : begin + kBlock;
    PartialSums sums[2];
    for (std::int64_t piece = begin; piece < end; piece += kPiece) {
      const std::int64_t count = end - piece < kPiece ? end - piece : kPiece;
      run_piece(body, list, piece, count, measured);
      for (int k = 0; k < Body::kMeasures; ++k) sums[k].add_squares(measured[k], count);
    }
    for (int k = 0; k < Body::kMeasures; ++k) result.squares[k] += sum_of_lanes(sums[k].lanes);
  }
  return result;
}

// What is measured is there already.
template <>
[[maybe_unused]] ChunkResult run_chunk(const NormBody& /*body*/, float* const (&list)[NormBody::kLists],
                                       std::int64_t size) {
  ChunkResult result{};
  for (std::int64_t begin = 0; begin < size; begin += kBlock) {
    PartialSums sums;
    sums.add_squares(list[0] + begin, size - begin < kBlock ? size - begin : kBlock);
    result.squares[0] += sum_of_lanes(sums.lanes);
  }
  return result;
}

template <class... Bodies>
constexpr ChunkKernelsOf<Bodies...> make_chunk_kernels(const ChunkKernelsOf<Bodies...>*) {
  return {{run_chunk<Bodies>}...};
}

}  // namespace

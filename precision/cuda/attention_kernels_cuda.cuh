// SPDX-License-Identifier: Apache-2.0
// Attention (precision/calls/attention_calls.h) whose scores and weights are only ever in shared memory, made again for each
// pass over the keys: the bits of whole products with a softmax between (row_kernels.h) where sums have an order. No number
// is added to by two blocks, so that nothing depends on which comes first.
//   forward       a block has queries: the largest score; the sum of e; weights times values
//   backward      a block has queries: delta = sum of p dp; dQ. Then a block has keys: dK and dV, over all queries from its own on
// In their simple form: nothing is loaded while tiles are multiplied, and scores go through shared memory.
#pragma once

#include <cstdint>
#include <limits>

#include "precision/cuda/attention_block_cuda.cuh"
#include "precision/cuda/launch_cuda.cuh"

namespace precipice {

// Shared memory has no initial values: as bytes.
#define PRECIPICE_ATTENTION_MEMORY(Products, tensors)             \
  using Memory = AttentionMemory<Products, tensors>;              \
  alignas(Memory) __shared__ unsigned char bytes[sizeof(Memory)]; \
  Memory& memory = *reinterpret_cast<Memory*>(bytes)

// Blocks of a head. Those with more to do come first: of queries the last ones, of keys the first.
template <class Products>
PRECIPICE_HD std::int64_t tiles_of(std::int64_t length) {
  return (length + Products::kOwn - 1) / Products::kOwn;
}

// Queries of one head as a block's own, and the keys that they see.
template <class Products, int kTensors>
struct QueryBlock : AttentionBlock<Products, kTensors> {
  using Base = AttentionBlock<Products, kTensors>;
  std::int64_t head;

  __device__ QueryBlock(typename Base::Memory& shared, const AttentionShape& given)
      : Base{shared, given, blockIdx.x % (given.batch * given.heads) / given.heads,
             (tiles_of<Products>(given.length) - 1 - blockIdx.x / (given.batch * given.heads)) * Products::kOwn},
        head(blockIdx.x % given.heads) {}

  __device__ std::int64_t query() const { return this->first + Base::row(); }
  __device__ bool is_there() const { return query() < this->shape.length; }
  // The first key that none of them sees.
  __device__ std::int64_t end() const {
    const std::int64_t last = this->first + Products::kOwn;
    return last < this->shape.length ? last : this->shape.length;
  }
  // Whether (row, column) is of the past, of keys from `begin` on.
  __device__ auto past(std::int64_t begin) const {
    return [this, begin](int row, int column) {
      const std::int64_t at = this->first + row;
      return begin + column <= at && at < this->shape.length;
    };
  }
  __device__ auto places(std::int64_t begin) const {
    return [this, begin](int row, int column) { return this->weight_place(head, this->first + row, begin + column); };
  }
};

template <class Products>
struct ForwardBlock : QueryBlock<Products, 1> {
  using Base = QueryBlock<Products, 1>;
  using Base::kLanesOfThread;
  using Base::kMine;
  const AttentionForward& call;

  __device__ ForwardBlock(typename Base::Memory& shared, const AttentionForward& given)
      : Base(shared, given.shape), call(given) {}

  __device__ void run(LargestSeen& seen) {
    this->load(this->memory.own[0], call.q, this->head, this->first);
    RowNumbers known{largest(), 0, 0};
    known.total = total(known.largest);
    typename Products::Sums sums;
    for (std::int64_t begin = 0; begin < this->end(); begin += kOther) add(begin, known, sums);
    __syncthreads();
    this->store(sums, call.to_output, call.out, this->head, seen);
    if (call.statistics == nullptr || !this->is_there() || Base::part() != 0) return;
    float* const statistics = call.statistics + 2 * this->row_place(this->head, this->query());
    statistics[0] = known.largest, statistics[1] = known.total;
  }

 private:
  __device__ void make_scores(std::int64_t begin) {
    __syncthreads();
    this->load(this->memory.other[0], call.k, this->group_of(this->head), begin);
    __syncthreads();
    this->multiply(0, call.to_scores, this->past(begin));
  }

  // A NaN is passed over.
  __device__ float largest() {
    float found = -std::numeric_limits<float>::infinity();
    for (std::int64_t begin = 0; begin < this->end(); begin += kOther) {
      make_scores(begin);
      const auto is_past = this->past(begin);
      PRECIPICE_UNROLLED
      for (int k = 0; k < kMine; ++k)
        if (is_past(Base::row(), Base::column(k))) found = found < this->score(k) ? this->score(k) : found;
    }
    PRECIPICE_UNROLLED
    for (int lanes = 1; lanes < Base::kParts; lanes *= 2) {
      const float other = __shfl_xor_sync(~0u, found, lanes);
      found = found < other ? other : found;
    }
    return found * call.scale;
  }

  __device__ float total(float largest) {
    float lanes[kLanesOfThread] = {};
    for (std::int64_t begin = 0; begin < this->end(); begin += kOther) {
      make_scores(begin);
      const auto is_past = this->past(begin);
      PRECIPICE_UNROLLED
      for (int k = 0; k < kMine; ++k)
        if (is_past(Base::row(), Base::column(k)))
          lanes[k % kLanesOfThread] += exponential_of_score(this->score(k), call.scale, largest);
    }
    return this->sum_of_row(lanes);
  }

  __device__ void add(std::int64_t begin, const RowNumbers& known, typename Products::Sums& sums) {
    make_scores(begin);
    const auto is_past = this->past(begin);
    PRECIPICE_UNROLLED
    for (int k = 0; k < kMine; ++k)
      if (is_past(Base::row(), Base::column(k)))
        this->score(k) = exponential_of_score(this->score(k), call.scale, known.largest) / known.total;
    this->weigh(call.to_weights, is_past, this->places(begin));
    this->load(this->memory.other[0], call.v, this->group_of(this->head), begin);
    __syncthreads();
    sums.add(this->memory.weights, this->memory.other[0], this->depth());
  }
};

template <class Products>
struct QueryGradientBlock : QueryBlock<Products, 2> {
  using Base = QueryBlock<Products, 2>;
  using Base::kLanesOfThread;
  using Base::kMine;
  const AttentionBackward& call;
  float* deltas;  // (B, H, T)

  __device__ QueryGradientBlock(typename Base::Memory& shared, const AttentionBackward& given, float* of_rows)
      : Base(shared, given.shape), call(given), deltas(of_rows) {}

  __device__ void run(LargestSeen& seen) {
    this->load(this->memory.own[0], call.q, this->head, this->first);
    this->load(this->memory.own[1], call.of_weights, this->head, this->first);
    RowNumbers known{0, 1, 0};
    const std::int64_t place = this->row_place(this->head, this->query());
    if (this->is_there()) known.largest = call.statistics[2 * place], known.total = call.statistics[2 * place + 1];
    known.delta = delta(known);
    if (this->is_there() && Base::part() == 0) deltas[place] = known.delta;
    typename Products::Sums sums;
    for (std::int64_t begin = 0; begin < this->end(); begin += kOther) add(begin, known, sums);
    __syncthreads();
    this->store(sums, call.to_dq, call.dq, this->head, seen);
  }

 private:
  // The thread's weights; memory.scores: dP.
  __device__ void make_pair(std::int64_t begin, const RowNumbers& known, float (&weights)[kMine]) {
    const std::int64_t group = this->group_of(this->head);
    const auto is_past = this->past(begin);
    __syncthreads();
    this->load(this->memory.other[0], call.k, group, begin);
    this->load(this->memory.other[1], call.v, group, begin);
    __syncthreads();
    this->multiply(0, call.to_scores, is_past);
    PRECIPICE_UNROLLED
    for (int k = 0; k < kMine; ++k)
      weights[k] = is_past(Base::row(), Base::column(k))
                       ? exponential_of_score(this->score(k), call.scale, known.largest) / known.total
                       : 0.0f;
    __syncthreads();
    this->multiply(1, call.to_upstream, is_past);
  }

  __device__ float delta(const RowNumbers& known) {
    float lanes[kLanesOfThread] = {};
    for (std::int64_t begin = 0; begin < this->end(); begin += kOther) {
      float weights[kMine];
      make_pair(begin, known, weights);
      const auto is_past = this->past(begin);
      PRECIPICE_UNROLLED
      for (int k = 0; k < kMine; ++k)
        if (is_past(Base::row(), Base::column(k))) lanes[k % kLanesOfThread] += weights[k] * this->score(k);
    }
    return this->sum_of_row(lanes);
  }

  __device__ void add(std::int64_t begin, const RowNumbers& known, typename Products::Sums& sums) {
    float weights[kMine];
    make_pair(begin, known, weights);
    PRECIPICE_UNROLLED
    for (int k = 0; k < kMine; ++k)
      this->score(k) = gradient_of_score(weights[k], this->score(k), known.delta, call.scale);
    this->weigh(call.to_query_side, this->past(begin), this->places(begin));
    __syncthreads();
    sums.add(this->memory.weights, this->memory.other[0], this->depth());
  }
};

// Keys of one head as a block's own, and the queries that see them: weights with a row for each key.
template <class Products>
struct KeyGradientBlock : AttentionBlock<Products, 2> {
  using Base = AttentionBlock<Products, 2>;
  using Base::kMine;
  const AttentionBackward& call;
  const float* deltas;
  std::int64_t group;
  typename Products::Sums of_k, of_v;

  __device__ KeyGradientBlock(typename Base::Memory& shared, const AttentionBackward& given, const float* of_rows)
      : Base{shared, given.shape, blockIdx.x % (given.shape.batch * given.shape.groups) / given.shape.groups,
             blockIdx.x / (given.shape.batch * given.shape.groups) * Products::kOwn},
        call(given),
        deltas(of_rows),
        group(blockIdx.x % given.shape.groups) {}

  __device__ void run(LargestSeen& seen) {
    this->load(this->memory.own[0], call.k, group, this->first);
    this->load(this->memory.own[1], call.v, group, this->first);
    const std::int64_t heads = this->shape.heads / this->shape.groups;
    for (std::int64_t head = group * heads; head < (group + 1) * heads; ++head)
      for (std::int64_t begin = this->first / kOther * kOther; begin < this->shape.length; begin += kOther)
        add(head, begin);
    __syncthreads();
    this->store(of_k, call.to_dk, call.dk, group, seen);
    __syncthreads();
    this->store(of_v, call.to_dv, call.dv, group, seen);
  }

 private:
  __device__ void load_queries(std::int64_t head, std::int64_t begin) {
    this->load(this->memory.other[0], call.q, head, begin);
    this->load(this->memory.other[1], call.of_weights, head, begin);
    const int i = static_cast<int>(threadIdx.x);
    if (i >= kOther || begin + i >= this->shape.length) return;
    const std::int64_t place = this->row_place(head, begin + i);
    this->memory.rows[0][i] = call.statistics[2 * place], this->memory.rows[1][i] = call.statistics[2 * place + 1];
    this->memory.rows[2][i] = deltas[place];
  }

  __device__ void add(std::int64_t head, std::int64_t begin) {
    const auto sees = [this, begin](int key, int query) {
      return this->first + key <= begin + query && begin + query < this->shape.length;
    };
    const auto places = [this, head, begin](int key, int query) {
      return this->weight_place(head, begin + query, this->first + key);
    };
    __syncthreads();
    load_queries(head, begin);
    __syncthreads();
    this->multiply(0, call.to_scores, sees);
    float weights[kMine];
    PRECIPICE_UNROLLED
    for (int k = 0; k < kMine; ++k) {
      const int query = Base::column(k);
      weights[k] = sees(Base::row(), query)
                       ? exponential_of_score(this->score(k), call.scale, this->memory.rows[0][query]) /
                             this->memory.rows[1][query]
                       : 0.0f;
      this->score(k) = weights[k];
    }
    this->weigh(call.to_weights, sees, places);
    __syncthreads();
    this->multiply(1, call.to_upstream, sees);
    if (call.of_values.data != call.of_weights.data) {
      this->load(this->memory.other[1], call.of_values, head, begin);
      __syncthreads();
    }
    of_v.add(this->memory.weights, this->memory.other[1], this->depth());
    PRECIPICE_UNROLLED
    for (int k = 0; k < kMine; ++k) {
      const int query = Base::column(k);
      if (sees(Base::row(), query))
        this->score(k) = gradient_of_score(weights[k], this->score(k), this->memory.rows[2][query], call.scale);
    }
    __syncthreads();
    this->weigh(call.to_key_side, sees, places);
    __syncthreads();
    of_k.add(this->memory.weights, this->memory.other[0], this->depth());
  }
};

// Where a call asks for the largest of what it writes, its last launch has it; those before leave theirs in the sums.
struct AttentionLargest : LargestOfLaunch {
  bool is_last;

  // By all threads of a block, which are done with the number that they share.
  __device__ void take(Largest& shared, const LargestSeen& own) const {
    if (amax == nullptr) return;
    if (threadIdx.x == 0) clear(shared);
    __syncthreads();
    merge<DeviceAtomics>(shared, own.pattern);
    __syncthreads();
    if (threadIdx.x != 0) return;
    publish<DeviceAtomics>(shared);
    if (is_last) finish_last(*this);
  }
};

struct ForwardLaunch {
  AttentionForward call;
  AttentionLargest largest;
};
template <class Products>
__global__ void attention_forward(const __grid_constant__ ForwardLaunch launch) {
  PRECIPICE_ATTENTION_MEMORY(Products, 1);
  __shared__ Largest shared;
  LargestSeen seen;
  ForwardBlock<Products>(memory, launch.call).run(seen);
  launch.largest.take(shared, seen);
}

// Deltas of rows go from the first of these to the second.
struct BackwardLaunch {
  AttentionBackward call;
  float* deltas;
  AttentionLargest largest;
};
template <class Products>
__global__ void attention_query_gradients(const __grid_constant__ BackwardLaunch launch) {
  PRECIPICE_ATTENTION_MEMORY(Products, 2);
  __shared__ Largest shared;
  LargestSeen seen;
  QueryGradientBlock<Products>(memory, launch.call, launch.deltas).run(seen);
  launch.largest.take(shared, seen);
}
template <class Products>
__global__ void attention_key_gradients(const __grid_constant__ BackwardLaunch launch) {
  PRECIPICE_ATTENTION_MEMORY(Products, 2);
  __shared__ Largest shared;
  LargestSeen seen;
  KeyGradientBlock<Products>(memory, launch.call, launch.deltas).run(seen);
  launch.largest.take(shared, seen);
}

}  // namespace precipice

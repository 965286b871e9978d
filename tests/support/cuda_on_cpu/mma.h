// SPDX-License-Identifier: Apache-2.0
// CUDA's warp matrix operations on the CPU (nvcuda::wmma, CUDA C++ Programming Guide 13.0, 7.24), as much of them as this
// tree's kernels use: 16 x 16 x 16 products of bf16 numbers with sums in fp32. Which lane of a warp holds which numbers is
// not specified there: here a permutation says it, which the seed of the order chooses for each launch and kind of matrix.
// Every number that a lane loads or stores is an access of its own, and like CUDA's the operations order no memory between
// lanes. A sum is fp32's of c + a[0] b[0] + ... + a[15] b[15] in this order; a tensor core has another. Refused are:
//   a warp that is not whole, or whose lanes bring other matrices or strides
//   a matrix that is not at a multiple of 32 bytes, a stride that is no multiple of 16 bytes
#pragma once

#include <source_location>
#include <type_traits>

#include "tests/support/cuda_on_cpu/cuda_bf16.h"
#include "tests/support/cuda_on_cpu/cuda_runtime.h"
#include "tests/support/cuda_on_cpu/warp_matrices.h"

namespace nvcuda::wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };

template <class Use, int M, int N, int K, class T, class Layout = void>
class fragment;

// Numbers of one lane.
template <class T>
struct FragmentNumbers {
  static constexpr int num_elements = cuda_on_cpu::kNumbersOfLane;
  T x[num_elements];
};
template <class Layout>
class fragment<matrix_a, 16, 16, 16, __nv_bfloat16, Layout> : public FragmentNumbers<__nv_bfloat16> {};
template <class Layout>
class fragment<matrix_b, 16, 16, 16, __nv_bfloat16, Layout> : public FragmentNumbers<__nv_bfloat16> {};
template <>
class fragment<accumulator, 16, 16, 16, float> : public FragmentNumbers<float> {};

template <class Use>
constexpr cuda_on_cpu::WarpMatrix matrix_of() {
  if (std::is_same_v<Use, matrix_a>) return cuda_on_cpu::WarpMatrix::A;
  return std::is_same_v<Use, matrix_b> ? cuda_on_cpu::WarpMatrix::B : cuda_on_cpu::WarpMatrix::Sums;
}

// move(number of this lane, its place from the first one)
template <class Use, class T, class Move>
void move_numbers(const T* memory, unsigned stride, bool by_rows, const std::source_location& at, const Move& move) {
  cuda_on_cpu::meet_at_matrix(memory, stride, sizeof(T), at);
  for (int i = 0; i < cuda_on_cpu::kNumbersOfLane; ++i) {
    const unsigned place = cuda_on_cpu::place_in_matrix(matrix_of<Use>(), i), row = place / 16, col = place % 16;
    move(i, by_rows ? row * stride + col : col * stride + row);
  }
}

template <class Use, class Layout>
void load_matrix_sync(fragment<Use, 16, 16, 16, __nv_bfloat16, Layout>& to, const __nv_bfloat16* from, unsigned stride,
                      const std::source_location& at = std::source_location::current()) {
  move_numbers<Use>(from, stride, std::is_same_v<Layout, row_major>, at,
                    [&](int i, unsigned place) { to.x[i] = from[place]; });
}
inline void load_matrix_sync(fragment<accumulator, 16, 16, 16, float>& to, const float* from, unsigned stride,
                             layout_t layout, const std::source_location& at = std::source_location::current()) {
  move_numbers<accumulator>(from, stride, layout == mem_row_major, at,
                            [&](int i, unsigned place) { to.x[i] = from[place]; });
}
inline void store_matrix_sync(float* to, const fragment<accumulator, 16, 16, 16, float>& from, unsigned stride,
                              layout_t layout, const std::source_location& at = std::source_location::current()) {
  move_numbers<accumulator>(to, stride, layout == mem_row_major, at,
                            [&](int i, unsigned place) { to[place] = from.x[i]; });
}

template <class Use, int M, int N, int K, class T, class Layout>
void fill_fragment(fragment<Use, M, N, K, T, Layout>& to, const T& value) {
  for (T& x : to.x) x = value;
}

// d = a b + c; d may be c.
template <class LayoutA, class LayoutB>
void mma_sync(fragment<accumulator, 16, 16, 16, float>& d,
              const fragment<matrix_a, 16, 16, 16, __nv_bfloat16, LayoutA>& a,
              const fragment<matrix_b, 16, 16, 16, __nv_bfloat16, LayoutB>& b,
              const fragment<accumulator, 16, 16, 16, float>& c,
              const std::source_location& at = std::source_location::current()) {
  cuda_on_cpu::LaneNumbers own{};
  for (int i = 0; i < cuda_on_cpu::kNumbersOfLane; ++i)
    own.a[i] = __bfloat16_as_ushort(a.x[i]), own.b[i] = __bfloat16_as_ushort(b.x[i]), own.sums[i] = c.x[i];
  cuda_on_cpu::multiply_in_warp(own, at);
  for (int i = 0; i < cuda_on_cpu::kNumbersOfLane; ++i) d.x[i] = own.sums[i];
}

}  // namespace nvcuda::wmma

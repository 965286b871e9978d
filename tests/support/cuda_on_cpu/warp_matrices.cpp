// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cuda_on_cpu/warp_matrices.h"

#include <cstring>
#include <memory>

#include "precision/format/bf16_bits.h"
#include "tests/support/cuda_on_cpu/block_threads.h"
#include "tests/support/cuda_on_cpu/run_time.h"

namespace cuda_on_cpu {
namespace {

constexpr unsigned kLanes = 32, kSide = 16, kNumbers = kSide * kSide;
static_assert(kLanes * kNumbersOfLane == kNumbers);

// Where the numbers of a kind of matrix lie: number `held[place]` of all that the lanes hold, lane by lane.
struct Layout {
  Layout() {
    const Order order(kNumbers);
    for (unsigned number = 0; number < kNumbers; ++number) {
      place[number] = static_cast<std::uint8_t>(order.at(number));
      held[place[number]] = static_cast<std::uint8_t>(number);
    }
  }
  std::uint8_t place[kNumbers], held[kNumbers];
};
struct Layouts {
  std::uint64_t launch;
  Layout of[3];
};

// Of the launch that runs.
const Layouts& layouts() {
  static std::unique_ptr<Layouts> own;
  if (own == nullptr || own->launch != counters().launches) own.reset(new Layouts{counters().launches, {}});
  return *own;
}

void require_whole(unsigned lanes) {
  if (lanes != ~0u) end_thread("is at a matrix operation in a warp of fewer than 32 threads");
}

float number_of(const WarpValues& all, WarpMatrix matrix, unsigned place) {
  const unsigned held = layouts().of[static_cast<int>(matrix)].held[place];
  const auto* lane = from_bits<const LaneNumbers*>(all.value[held / kNumbersOfLane]);
  const std::uint16_t* numbers = matrix == WarpMatrix::A ? lane->a : lane->b;
  return precipice::float_of_bf16(numbers[held % kNumbersOfLane]);
}

}  // namespace

unsigned place_in_matrix(WarpMatrix matrix, int i) {
  const NotOnDevice here;
  return layouts().of[static_cast<int>(matrix)].place[lane_index() * kNumbersOfLane + static_cast<unsigned>(i)];
}

void meet_at_matrix(const void* matrix, unsigned stride, std::size_t bytes, const std::source_location& at) {
  constexpr unsigned kMatrixBytes = 32, kStrideBytes = 16, kAddressBits = 48;
  const auto address = to_bits(matrix);
  const WarpValues all = meet_warp(~0u, address | std::uint64_t{stride} << kAddressBits, false, at);
  require_whole(all.lanes);
  for (const std::uint64_t value : all.value)
    if (value != all.value[0]) end_thread("is at a matrix operation whose lanes bring other matrices");
  if (address % kMatrixBytes != 0) end_thread("is at a matrix operation on memory that is not aligned to 32 bytes");
  if (stride * bytes % kStrideBytes != 0)
    end_thread("is at a matrix operation with a stride that is no multiple of 16 bytes");
}

void multiply_in_warp(LaneNumbers& own, const std::source_location& at) {
  const WarpValues all = meet_warp(~0u, to_bits(&own), false, at);
  require_whole(all.lanes);
  float sums[kNumbersOfLane];
  for (int i = 0; i < kNumbersOfLane; ++i) {
    const unsigned place = place_in_matrix(WarpMatrix::Sums, i), row = place / kSide, col = place % kSide;
    const NotOnDevice here;
    sums[i] = own.sums[i];
    for (unsigned k = 0; k < kSide; ++k)
      sums[i] += number_of(all, WarpMatrix::A, row * kSide + k) * number_of(all, WarpMatrix::B, k * kSide + col);
  }
  // Others read this lane's numbers until now.
  meet_warp(~0u, 0, false, at);
  std::memcpy(own.sums, sums, sizeof(sums));
}

}  // namespace cuda_on_cpu

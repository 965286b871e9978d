// SPDX-License-Identifier: Apache-2.0
// Matrices of more than 2^32 elements: their last rows, in address space of which only the pages that are touched are
// memory. Results are those of the same rows alone, random words those of their place in the whole.
#include <sys/mman.h>

#include <algorithm>

#include "precision/scaling/block_quantize.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/precision/kernels/quantize_support.h"
#include "tests/support/catch.h"

namespace precipice::test {
namespace {

constexpr std::int64_t kCols = 1 << 16, kRows = (1 << 16) + 3;  // 2^32 elements and three rows

class AddressSpace {
 public:
  explicit AddressSpace(std::size_t bytes) : bytes_(bytes) {
    at_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(at_ != MAP_FAILED);
  }
  ~AddressSpace() { munmap(at_, bytes_); }
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(at_);
  }

 private:
  void* at_;
  std::size_t bytes_;
};

}  // namespace

TEST_CASE("rows beyond 2^32 elements are quantized as they are in a small matrix, with the words of their place") {
  const AddressSpace in(sizeof(float) * kRows * kCols), out(sizeof(float) * kRows * kCols),
      packed(sizeof(std::uint16_t) * kRows * kCols);
  const std::vector<float> tail = random_inputs(2 * kCols, 127 - 14, 28, {0.0f});
  const std::int64_t place = (kRows - 2) * kCols;
  std::copy(tail.begin(), tail.end(), in.as<float>() + place);

  for (const ScaleKind kind : {ScaleKind::None, ScaleKind::Row, ScaleKind::Block}) {
    for (const Rounding rounding : {Rounding::NearestEven, Rounding::Stochastic}) {
      for (const int bits : {8, 32}) {
        INFO(to_string(kind) << " " << to_string(rounding) << " " << bits);
        QuantizerSettings spec;
        spec.format = parse_float_format("e4m3");
        spec.kind = kind;
        spec.rounding = rounding;
        spec.random_bits = bits;
        const MatrixShape shape{kRows, kCols, 1};
        MatrixPlan plan(spec, shape);
        const std::int64_t count = plan.grid().count(), of_tail = count == 1 ? 1 : 2 * plan.grid().grid_cols;
        const AddressSpace scales(sizeof(float) * static_cast<std::size_t>(count));
        plan.finish_scales(nullptr, {out.as<float>(), scales.as<float>(), nullptr});
        const EventCounts counts =
            plan.quantize_rows(in.as<float>(), kRows - 2, kRows, kKey, {out.as<float>(), scales.as<float>(), nullptr});
        plan.quantize_rows(in.as<float>(), kRows - 2, kRows, kKey,
                           {nullptr, scales.as<float>(), nullptr, packed.as<std::uint16_t>()});
        CHECK(counts.total == 2 * kCols);

        // Multipliers of the two rows alone, which have other words.
        const auto blocks = static_cast<std::size_t>(of_tail);
        std::vector<float> alone(tail.size()), small_scales(blocks), multipliers(blocks);
        const EventCounts small = quantize_matrix(tail.data(), {2, kCols, 1}, spec, kKey,
                                                  {alone.data(), small_scales.data(), multipliers.data()});
        CHECK(same(small.amax, counts.amax));
        CHECK(std::equal(small_scales.begin(), small_scales.end(), scales.as<float>() + (count - of_tail)));
        const FormatConstants format = prepare(spec.format, spec.overflow);
        int wrong = 0;
        for (std::size_t i = 0; i < tail.size(); ++i) {
          const std::size_t block = i * blocks / tail.size();
          const std::uint32_t word = random_for(kKey, static_cast<std::uint64_t>(place) + i, bits);
          const float expected = round_as(rounding, tail[i] * multipliers[block], format, word, bits);
          wrong += bits_of(out.as<float>()[place + static_cast<std::int64_t>(i)]) != bits_of(expected);
          wrong += packed.as<std::uint16_t>()[place + static_cast<std::int64_t>(i)] != bits_of(expected) >> 16;
        }
        CHECK(wrong == 0);
      }
    }
  }
}

}  // namespace precipice::test

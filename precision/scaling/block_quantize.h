// SPDX-License-Identifier: Apache-2.0
// A matrix quantized by a Quantizer: values on the element's grid and dequantization scales, one per block in
// row-major order of blocks. The amax of a block, its scale and the rounding of its elements follow one another while
// the block is in the cache; only scales of a whole tensor (or of columns) need a pass of their own.
// Free of torch; one thread, and ranges of rows for callers that have more.
#pragma once

#include <cstdint>
#include <vector>

#include "precision/kernels/block_kernels.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/scaling/matrix_call.h"
#include "precision/scaling/quantizer.h"
#include "precision/scaling/scale_rules.h"

namespace precipice {

// Where results go. `multipliers` may be null unless dequantizes_by_division(quantizer).
struct MatrixOutputs {
  float* values;                             // rows x cols; null when they are packed and nothing is rotated
  float* scales;                             // block_grid(quantizer, shape).count(): what grid values are multiplied by
  float* multipliers;                        // as many: what elements were multiplied by (deepseek: divided by)
  std::uint16_t* packed = nullptr;           // not null: values go here, as bf16 numbers (a format that fits them)
  std::uint32_t* smallest_result = nullptr;  // as in QuantizeCall
  bool count = true;                         // false: of the events only total and amax are wanted
  bool stream = false;                       // values or packed ones are written past the caches
};

// What of earlier steps a scale depends on: `delayed` with DelayedScaling (scale_now(...)), `previous` for ms-amp.
struct ScaleState {
  float delayed = 1.0f;
  float previous = 1.0f;
};

// One matrix's way through a quantizer, with everything checked and derived once. In order, each over all rows in
// ranges that begin at multiples of row_step(), which may run concurrently:
//   rotate (when it has a Hadamard transform; from then on `in` is what it wrote),  measure_amaxes,  then once
//   finish_scales,  quantize_rows.
class MatrixPlan {
 public:
  // Throws ConfigError (validate, block_grid).
  MatrixPlan(const Quantizer& quantizer, const MatrixShape& shape, const ScaleState& state = {});

  const BlockGrid& grid() const { return grid_; }
  std::int64_t row_step() const { return row_step_; }

  // The same as data, before finish_scales.
  MatrixCall plain() const;

  void rotate(const float* in, float* out, std::int64_t first_row, std::int64_t last_row) const;

  // Amaxes that are known only after a pass over the whole matrix: of the tensor, or of each row or column.
  std::int64_t measured_size() const { return measured_size_; }  // 0: none needed
  // Raises patterns[measured_size()], the binary32 patterns of those amaxes, which begin as zeros. Concurrent calls
  // have arrays of their own; the larger pattern is the larger amax, NaN being the largest.
  void measure_amaxes(const float* in, std::int64_t first_row, std::int64_t last_row, std::int32_t* patterns) const;
  // Scales that follow from them, written to `outputs` where they are the blocks' own.
  void finish_scales(const std::int32_t* patterns, const MatrixOutputs& outputs);

  // in may be outputs.values. Element (r, c) uses the random word of r * cols + c.
  EventCounts quantize_rows(const float* in, std::int64_t first_row, std::int64_t last_row, const RandomKey& key,
                            const MatrixOutputs& outputs) const;

 private:
  using Element = MatrixCall::Element;
  // Blocks side by side: columns first_col .. first_col + cols - 1 of rows first_row .. first_row + rows - 1.
  struct BlockStrip {
    const float* in;
    std::int64_t first_row, rows, first_col, cols;
  };
  // Successive elements of the matrix, with multipliers of their own, or of their blocks, or one for all.
  struct ElementRun {
    const float* in;
    std::int64_t size;
    std::uint64_t first_element;  // and where results begin
    const float* multipliers;
    float multiplier;
    int block_shift = 0;  // as in QuantizeCall
  };
  // Of the blocks of a strip.
  struct StripScales {
    float *multiply, *inverse;
  };

  void choose_element();
  std::int64_t strip_cols() const;
  void scale_strip(const BlockStrip& strip, const StripScales& scales) const;
  void quantize_strip(const BlockStrip& strip, const RandomKey& key, const MatrixOutputs& outputs,
                      EventCounts& counts) const;
  float amax_of(std::int32_t pattern) const;
  float amax_without_nan(const BlockStrip& strip, std::int64_t block) const;
  MatrixCall::Flush flush() const;
  bool is_flushed(float amax) const;
  const OuterScale& outer_of(std::int64_t row, std::int64_t col) const;
  void quantize_run(const ElementRun& run, const RandomKey& key, const MatrixOutputs& outputs,
                    EventCounts& counts) const;
  void quantize_as_peer(const ElementRun& run, const MatrixOutputs& outputs, EventCounts& counts) const;

  const Nvfp4Scaling* nvfp4() const { return quantizer_.scaling_if<Nvfp4Scaling>(); }

  Quantizer quantizer_;
  MatrixShape shape_;
  BlockGrid grid_;
  ScaleConstants constants_;
  const QuantizeKernels* kernels_;
  QuantizeCall call_;  // all but the array and its place
  MicroxcalingElement microxcaling_{};
  Element element_ = Element::General;
  bool has_global_scales_ = false;  // scales come from finish_scales(), none from a block on its way
  bool through_bf16_ = false;       // still to be done when rows are quantized
  std::int64_t row_step_ = 1;
  std::int64_t measured_size_ = 0;
  std::vector<OuterScale> outers_;      // NVFP4: one, or one per row of the operand
  std::vector<float> global_multiply_;  // with has_global_scales_
};

// All of it on one thread. Allocates nothing but per-row and per-column buffers.
EventCounts quantize_matrix(const float* in, const MatrixShape& shape, const Quantizer& quantizer, const RandomKey& key,
                            const MatrixOutputs& outputs, const ScaleState& state = {});

// out = values * scales with the recipe's own association and rounding; out may be values. `multipliers` as above.
// A rotated matrix stays rotated.
void dequantize_matrix(const float* values, const MatrixShape& shape, const Quantizer& quantizer, const float* scales,
                       const float* multipliers, float* out);

}  // namespace precipice

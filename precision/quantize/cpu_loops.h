// SPDX-License-Identifier: Apache-2.0
// The CPU's loops of machine.h over the rows and elements of arrays, shared out to libtorch's threads. No result depends
// on how they are shared out.
#pragma once

#include "precision/quantize/machine.h"

namespace precipice::cpu {

void norm_forward(const NormForward& call, std::int64_t rows, Stream);
void norm_backward(const NormBackward& call, std::int64_t rows, Stream);
void causal_softmax(float* scores, std::int64_t length, float scale, std::int64_t rows, Stream);
void causal_softmax_backward(const float* p, float* dp, const float* deltas, std::int64_t length, float scale,
                             std::int64_t rows, Stream);
void gelu(const GeluForward& call, Stream);
void rotate(const Rotation& call, Stream);
void gather_rows(const TableRows& rows, const float* table, float* out, Stream);
void add_rows(const TableRows& rows, const float* in, float* table, Stream);
void logit_rows(const LogitRowsCall& call, Stream);
void logit_gradient(const LogitGradient& call, Stream);
void squared_error(const float* y, const float* t, std::int64_t size, float* differences, double* sum, Stream);
void scale(float* x, std::int64_t size, const MeanShare& share, Stream);

void quantize(QuantizeTask& task, const float* in, const RandomKey& key, const float* amax,
              const MatrixOutputs& outputs, MatrixNumbers* numbers, Stream);
void round(const PieceRounder& rounder, const NumberRows& numbers, Stream);
float amax(const float* x, std::int64_t size, Stream);

void scale_sums(const ScaledSums& call, Stream);
void range_of_scales(const float* scales, std::int64_t size, ScaleRange* range, Stream);
void scale_numbers(const ScaledNumbers& call, ScaleRange* range, Stream);

}  // namespace precipice::cpu

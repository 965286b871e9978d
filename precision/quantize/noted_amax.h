// SPDX-License-Identifier: Apache-2.0
// The largest magnitude of a tensor of a device that whoever wrote the tensor found out on the way. A quantizer that scales
// by it is spared a pass and a launch. It stays in the device's memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace precipice {

// `x`: contiguous, of a device, all written. `amax` (1): NaN if there is a NaN, the result of a call that was made already.
// Whoever writes to x afterwards by other means than ATen's operations notes it again.
void note_amax(const at::Tensor& x, const at::Tensor& amax);

// Finds and notes the amaxes of several such tensors, in one launch for all.
void note_amaxes_of(const std::vector<at::Tensor>& all);

// What was noted of these, and of tensors that are gone, is forgotten, and its memory given back.
void forget_amaxes_of(const std::vector<at::Tensor>& all);

// What was noted of the same memory, which x is the whole of in whatever order, and which no operation of ATen's has written
// to since; undefined if nothing was.
at::Tensor noted_amax(const at::Tensor& x);

// The amax of a tensor that is about to be written, where a device finds it on the way:
//   AmaxOfWritten amax(y, true);  machine.something({..., amax.room()}, ...);  amax.note();
class AmaxOfWritten {
 public:
  // `wanted`: whether what is written is what others will read. Nothing on the CPU.
  AmaxOfWritten(const at::Tensor& x, bool wanted);
  float* room() const;  // or null
  void note() const;    // when the call was made

 private:
  at::Tensor x_, amax_;
};

}  // namespace precipice

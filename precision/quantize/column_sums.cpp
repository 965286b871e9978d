// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/column_sums.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>

#include "precision/base/check.h"
#include "precision/quantize/device.h"

namespace precipice {

at::Tensor column_sums(const at::Tensor& given, at::Tensor out, const ColumnsOf& whole) {
  if (given.is_cpu()) return out.defined() ? at::sum_out(out, given, 0) : given.sum(0);
  const bool has_whole_rows = given.size(0) == 0 || given.select(0, 0).is_contiguous();
  const at::Tensor x = has_whole_rows ? given : given.contiguous();
  const at::IntArrayRef sizes = x.sizes().slice(1);
  if (!out.defined()) out = at::empty(sizes, x.options());
  PRECIPICE_CHECK(out.is_contiguous() && out.sizes() == sizes, "sums of ", x.sizes(), " for ", out.sizes());
  const Machine& machine = machine_of(x);
  machine.column_sums({x.const_data_ptr<float>(), x.size(0), out.numel(), x.stride(0), out.mutable_data_ptr<float>(),
                       whole.first, whole.all == 0 ? out.numel() : whole.all},
                      machine.current_stream());
  return out;
}

}  // namespace precipice

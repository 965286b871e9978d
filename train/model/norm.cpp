// SPDX-License-Identifier: Apache-2.0
#include "train/model/norm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include "precision/autograd/operation.h"
#include "precision/base/check.h"
#include "precision/policy/element_precision.h"
#include "precision/quantize/column_sums.h"
#include "precision/quantize/device.h"
#include "precision/quantize/noted_amax.h"

namespace precipice {
namespace {

const float* data_or_null(const at::Tensor& x) {
  return x.defined() ? x.const_data_ptr<float>() : nullptr;
}

// x, (y,) gain, (bias) -> (stream,) normed
class NormOperation : public Operation {
 public:
  NormOperation(const Norm& norm, double eps, const ElementPrecision& elements, bool adds)
      : centred_(norm.kind == NormKind::Layer),
        adds_(adds),
        eps_(static_cast<float>(eps)),
        norm_(elements.norm),
        residual_(elements.residual),
        parameters_(elements.norm_weights) {}

  Tensors forward(const Tensors& inputs) override {
    const std::size_t parameters = adds_ ? 2 : 1;
    gain_ = rounded(inputs[parameters], parameters_);
    const at::Tensor bias =
        inputs.size() > parameters + 1 ? rounded(inputs[parameters + 1], parameters_) : at::Tensor();
    width_ = gain_.numel();
    at::Tensor x = inputs[0].contiguous(), addend, stream;
    if (adds_ && residual_.is_identity()) {
      addend = inputs[1].contiguous();
      stream = at::empty_like(x);
    } else if (adds_) {
      stream = x = rounded(x.add(inputs[1]), residual_);
    }
    // Not the output itself (operation.h).
    x_ = adds_ ? stream.detach() : x;
    at::Tensor y = at::empty_like(x);
    statistics_ = at::empty({rows(), 2}, x.options());
    const AmaxOfWritten amax(y, norm_.is_identity());
    const NormForward call{x.const_data_ptr<float>(),
                           data_or_null(addend),
                           addend.defined() ? stream.mutable_data_ptr<float>() : nullptr,
                           gain_.const_data_ptr<float>(),
                           data_or_null(bias),
                           y.mutable_data_ptr<float>(),
                           statistics_.mutable_data_ptr<float>(),
                           width_,
                           eps_,
                           centred_,
                           amax.room()};
    const Machine& machine = machine_of(x);
    machine.norm_forward(call, rows(), machine.current_stream());
    amax.note();
    y = rounded(y, norm_);
    return adds_ ? Tensors{stream, y} : Tensors{y};
  }

  Tensors backward(const Tensors& gradients, const WantedGradients& wanted) override {
    const bool has_bias = wanted.size() > (adds_ ? 3u : 2u);
    const at::Tensor dstream = adds_ ? gradients[0] : at::Tensor();
    const at::Tensor dy =
        gradients.back().defined() ? rounded(gradients.back().contiguous(), norm_) : at::zeros_like(x_);
    // What goes back through the norm is rounded before it meets the stream's own gradient.
    const bool adds_inside = dstream.defined() && norm_.is_identity();
    const at::Tensor addend = adds_inside ? dstream.contiguous() : at::Tensor();
    at::Tensor dx = at::empty_like(x_), sums = at::empty({chunks(), 2, width_}, x_.options());
    if (x_.is_cpu()) sums.zero_();
    const bool is_rounded = !norm_.is_identity() || (adds_ && !residual_.is_identity());
    const AmaxOfWritten amax(dx, !is_rounded && (!dstream.defined() || adds_inside));
    float* const dgain = sums.mutable_data_ptr<float>();
    const Machine& machine = machine_of(x_);
    machine.norm_backward(
        {x_.const_data_ptr<float>(), dy.const_data_ptr<float>(), data_or_null(addend), gain_.const_data_ptr<float>(),
         statistics_.const_data_ptr<float>(), dx.mutable_data_ptr<float>(), dgain, has_bias ? dgain + width_ : nullptr,
         width_, centred_, amax.room()},
        rows(), machine.current_stream());
    amax.note();
    dx = rounded(dx, norm_);
    if (dstream.defined() && !adds_inside) dx = dx.add(dstream);
    if (adds_) dx = rounded(dx, residual_);
    Tensors results(adds_ ? 2 : 1, dx);
    const std::size_t first = results.size();
    // Without biases the second half was not written on a device.
    const at::Tensor both = x_.is_cpu() ? column_sums(sums) : at::Tensor();
    for (std::size_t i = 0; i < (has_bias ? 2u : 1u); ++i) {
      const auto part = static_cast<std::int64_t>(i);
      results.push_back(both.defined()
                            ? both[part]
                            : column_sums(sums.select(1, part), wanted[first + i].room, {part * width_, 2 * width_}));
    }
    return results;
  }

 private:
  std::int64_t rows() const { return width_ == 0 ? 0 : x_.numel() / width_; }
  std::int64_t chunks() const { return (rows() + kNormRowsPerChunk - 1) / kNormRowsPerChunk; }

  bool centred_, adds_;
  float eps_;
  ElementQuantizer norm_, residual_;
  Quantizer parameters_;
  std::int64_t width_ = 0;
  at::Tensor x_, gain_, statistics_;
};

Tensors run(Tensors inputs, const Norm& norm, double eps, const ElementPrecision& elements) {
  PRECIPICE_CHECK(norm.weight.dim() == 1 && inputs[0].size(-1) == norm.weight.size(0), "x ", inputs[0].sizes(),
                  " does not fit gains ", norm.weight.sizes());
  const bool adds = inputs.size() == 2;
  inputs.push_back(norm.weight);
  if (norm.bias.defined()) inputs.push_back(norm.bias);
  return run_operation(std::make_unique<NormOperation>(norm, eps, elements, adds), inputs);
}

}  // namespace

at::Tensor normalise(const at::Tensor& x, const Norm& norm, double eps, const ElementPrecision& elements) {
  return run({x}, norm, eps, elements)[0];
}

std::pair<at::Tensor, at::Tensor> add_and_normalise(const at::Tensor& x, const at::Tensor& y, const Norm& norm,
                                                    double eps, const ElementPrecision& elements) {
  PRECIPICE_CHECK(x.sizes() == y.sizes(), "sums of ", x.sizes(), " and ", y.sizes());
  const Tensors outputs = run({x, y}, norm, eps, elements);
  return {outputs[0], outputs[1]};
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// Gradients of parameters in memory of their own, past autograd: a small model's graph has more parameters than
// operations, and each of them is a node that adds what arrives to what was set to zero before. Here the first gradient
// of a pass is written, by the operation itself where it can, and later ones are added.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <unordered_map>
#include <vector>

namespace precipice {

class GradientBuffers {
 public:
  // Leaves of autograd's graph without gradients; theirs here begin as zeros.
  explicit GradientBuffers(std::vector<at::Tensor> parameters);
  GradientBuffers(const GradientBuffers&) = delete;
  GradientBuffers& operator=(const GradientBuffers&) = delete;

  // One for each parameter, of its sizes, contiguous: the same memory from pass to pass.
  const std::vector<at::Tensor>& buffers() const { return buffers_; }

  // Graphs made in this thread while one of these lives are for backward() alone.
  class Recording {
   public:
    explicit Recording(GradientBuffers& gradients);
    ~Recording();
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

   private:
    GradientBuffers* before_;
  };
  // Of the innermost Recording, or null.
  static GradientBuffers* recording();

  // Fills the buffers with the gradients of a graph from a Recording: zeros where none arrives.
  void backward(const at::Tensor& objective, const at::Tensor& upstream);

  // For operations (operation.h): where a parameter's gradient goes; where its first of this pass may be written; that
  // one has come.
  std::optional<std::size_t> index_of(const at::Tensor& input) const;
  at::Tensor room_for(std::size_t index) const;
  void take(std::size_t index, const at::Tensor& gradient);

 private:
  std::vector<at::Tensor> parameters_, buffers_;
  std::vector<bool> has_;  // a gradient of this pass
  std::unordered_map<const at::TensorImpl*, std::size_t> indices_;
};

}  // namespace precipice

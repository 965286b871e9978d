// SPDX-License-Identifier: Apache-2.0
// A primitive of oneDNN's for one shape of product (carrier.h), none of them a reference implementation (onednn.h).
// Its header clashes with the oneDNN inside torch's: for files without torch only.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "precision/gemm/carrier.h"

namespace precipice {

class OneDnnMatmul {
 public:
  explicit OneDnnMatmul(const CarrierProduct& call);
  OneDnnMatmul(const OneDnnMatmul&) = delete;
  OneDnnMatmul& operator=(const OneDnnMatmul&) = delete;
  // A call of the same sizes, strides and type, with scale and bias if the first one had them.
  void multiply(const CarrierProduct& call);

 private:
  dnnl::matmul primitive_;
  dnnl::memory a_, b_, y_, scale_, bias_;
  std::unordered_map<int, dnnl::memory> arguments_;
  float factor_ = 1.0f;  // what scale_ points at
  bool finishes_;        // scale and bias are applied inside
};

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// What a user chooses of an optimizer: the keys optimizer.* of a config.
#pragma once

#include <cstdint>
#include <string>

namespace precipice {

// Of the weight decay to the learning rate: times it, or times the schedule's factor alone (optim/optimizer.h, where
// their words are).
enum class DecayCoupling : std::uint8_t { Coupled, Independent };

// How numbers are kept between updates, as a user writes it (optim/stored_format.h). Formats: any spelling of
// parse_float_format, nearest-even; with -sr, -rtz, ... another rounding; weights also with -kahan. Scalings: none |
// current | current-pow2 | ms-amp, each per tensor or with :block=N.
struct StateConfig {
  std::string weights = "fp32";
  std::string weight_scaling = "none";
  std::string moment1 = "fp32";  // AdamW's and Lion's m, SGD's momentum
  std::string moment2 = "fp32";  // AdamW's v
  std::string state_scaling = "current";
  std::string gradients = "fp32";  // rounded once, as backward leaves them (times the loss scale)
  std::string gradient_scaling = "none";
};

struct OptimizerConfig {
  std::string kind = "adamw";  // one of optimizer_names() (optim/optimizer_kinds.h)
  double lr = 1e-3;            // peak learning rate
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;
  DecayCoupling decay = DecayCoupling::Coupled;
  double momentum = 0.9;   // sgd
  bool nesterov = false;   // sgd
  double clip_norm = 1.0;  // global gradient norm; 0 = no clipping
  StateConfig state;
  // Names of parameters, patterns that whoever makes the optimizer matches (Parameter::stored, Parameter::frozen).
  std::string stored_parameters = "*";
  std::string frozen;
};

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// init.plant: what large models grow in the course of training, put into the initial weights of a small one, so that a
// number format meets it at once. Written as recipes are, several with ';' between them:
//   sink:token=32,score=8,value=2,layer=0   attention sink: wherever the token stands, a head's keys are nearly the same
//                                           and score `score` above the others, so that maxima repeat; its values are
//                                           about -value in every number (arXiv 2510.04212; 2309.17453)
//   aligned:channels=4,factor=8             rows of gate and up of a SwiGLU are equal, and larger: its product has their
//                                           square (arXiv 2409.12517, section 4.1)
//   outliers:channels=2,factor=32           channels of what blocks' linears read are larger, their weights smaller: the
//                                           function stays, and in every bit where the factor is a power of two
//                                           (arXiv 2208.07339; 2211.10438)
//   gains:low=0.95,high=0.999               gains of the norms lie evenly between these, just below a power of two, where
//                                           MX's E4M3 clamps whole blocks (arXiv 2506.20752)
// train/model/plant.cpp has the formulas.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace precipice {

struct ModelConfig;

struct Plants {
  struct Sink {
    std::int64_t token = 32;
    double score = 8, value = 2;
    std::int64_t layer = 0;
  };
  struct Aligned {
    std::int64_t channels = 4;
    double factor = 8;
  };
  struct Outliers {
    std::int64_t channels = 2;
    double factor = 32;
  };
  struct Gains {
    double low = 0.95, high = 0.999;
  };
  std::optional<Sink> sink;
  std::optional<Aligned> aligned;
  std::optional<Outliers> outliers;
  std::optional<Gains> gains;
};

// Throws ConfigError naming the word and what is allowed.
Plants parse_plants(const std::string& text);
// Throws ConfigError where a model of this kind and size cannot have them.
void check_plants(const Plants& plants, const ModelConfig& model, std::int64_t vocabulary);

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// --graphs of the commands that train.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "train/run/step_graph.h"

namespace precipice {

inline void add_graphs_option(CLI::App& parser, std::string& graphs) {
  std::vector<std::string> words;
  for (const auto& [word, use] : kGraphUses) words.emplace_back(word);
  parser
      .add_option(
          "--graphs", graphs,
          "auto always never: with device=cuda, steps as one CUDA graph, captured after two others [auto: where "
          "a step takes 10 ms at most]. No bit depends on it, but it takes the memory of a second step")
      ->check(CLI::IsMember(words));
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
#include "train/model/architectures.h"

#include <string>
#include <utility>
#include <vector>

#include "precision/base/check.h"

namespace precipice {

// Each is defined at the end of the file of its model, gpt.cpp and so on.
MakeModel make_gpt, make_llama, make_mlp;

namespace {

struct Maker {
  std::string name;
  MakeModel* make;
};

std::vector<Maker>& makers() {
  static std::vector<Maker> all = {{"gpt", make_gpt}, {"llama", make_llama}, {"mlp", make_mlp}};
  return all;
}

}  // namespace

std::unique_ptr<Model> make_model(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary,
                                  PrecisionSchedule schedule) {
  PRECIPICE_CHECK(config.kind->has_biases || !config.bias, config.kind->name, " has no biases");
  for (const Maker& row : makers())
    if (row.name == config.kind->name) return row.make(config, init, vocabulary, std::move(schedule));
  PRECIPICE_CHECK(false, "nothing makes a model of the architecture ", config.kind->name);
}

AddedArchitecture::AddedArchitecture(Architecture architecture, MakeModel* make) {
  const std::string name = architecture.name;
  add_architecture(std::move(architecture));
  makers().push_back({name, make});
}

AddedArchitecture::~AddedArchitecture() {
  makers().pop_back();
  remove_last_architecture();
}

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
// Which config key was meant by a name that is none: `lr`, `learning_rate` and `train.lr` are optimizer.lr.
#pragma once

#include <string>
#include <vector>

namespace precipice {

// One of `keys`, several with "or" between them where only their last part was given, "" where nothing is near.
std::string nearest_key(const std::string& name, const std::vector<std::string>& keys);

}  // namespace precipice

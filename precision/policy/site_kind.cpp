// SPDX-License-Identifier: Apache-2.0
#include "precision/policy/site_kind.h"

#include <array>

namespace precipice {

std::string to_string(SiteKind kind) {
  static constexpr std::array kNames = {"attn.qkv", "attn.qk", "attn.pv",  "attn.proj",
                                        "mlp.gate", "mlp.up",  "mlp.down", "lm_head"};
  return kNames.at(static_cast<std::size_t>(kind));
}

}  // namespace precipice

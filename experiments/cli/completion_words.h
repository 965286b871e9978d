// SPDX-License-Identifier: Apache-2.0
// What a half-typed setting, recipe or format may become, for the completion of shells. All words come from the
// declarations: config_fields(), recipes(), preset_formats().
#pragma once

#include <string>
#include <vector>

namespace precipice {

// A whole word that the typed one may become. One that ends in '=' is not complete: its value follows.
struct Candidate {
  std::string word;
  std::string description;
  bool operator==(const Candidate&) const = default;
};

// What fits at the cursor: candidates, or names of files, which the shell knows best.
struct Completion {
  enum class Names { None, Files, Directories };
  std::vector<Candidate> candidates{};
  Names names = Names::None;
  std::string before_name{};  // what of the typed word comes before the name of a file: "data.path="
};

// Those candidates that begin with `typed`, in their order, each with `before` in front.
std::vector<Candidate> beginning_with(const std::string& typed, std::vector<Candidate> candidates,
                                      const std::string& before = "");

std::vector<Candidate> complete_format(const std::string& typed, const std::string& before = "");
// "mx": names of recipes; "mxfp8:ru" and "mxfp8:rule=floor,el": options of that recipe.
std::vector<Candidate> complete_recipe(const std::string& typed, const std::string& before = "");
std::vector<Candidate> complete_key(const std::string& typed);  // keys without "="
// What a key takes, as far as it is words: choices, formats, recipes; empty for numbers and free text.
std::vector<Candidate> complete_value(const std::string& key, const std::string& typed, const std::string& before = "");
// "opti": keys with "="; "model.kind=l": values. With `several` (of a sweep) the value after the last comma is the one
// that is being typed.
Completion complete_setting(const std::string& typed, bool several);

}  // namespace precipice

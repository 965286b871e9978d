// SPDX-License-Identifier: Apache-2.0
// Says what a recipe does with the weights of linears.
#include <cstdio>

#include "train/recipes/describe.h"
#include "train/recipes/recipes.h"

using namespace precipice;

int main(int, char** words) {
  std::puts(describe(make_recipe(words[1]).linear.fprop.second).c_str());
}

// SPDX-License-Identifier: Apache-2.0
// A shell script as what a worker process does.
#pragma once

#include <unistd.h>

#include <initializer_list>
#include <string>
#include <vector>

// Called in the worker: becomes the script, with `words` as $1, $2, ...; the answer counts where there is no shell.
inline int become_script(const std::string& script, std::initializer_list<std::string> words) {
  std::vector<const char*> argv{"sh", "-c", script.c_str(), "sh"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  argv.push_back(nullptr);
  execv("/bin/sh", const_cast<char* const*>(argv.data()));
  return 127;
}

// SPDX-License-Identifier: Apache-2.0
// The program in a folder of its own, beside which a test puts what it likes: the program looks for its libraries for GPUs where
// it lies itself.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "tests/integration/program.h"
#include "tests/support/files.h"
#include "tests/support/paths.h"

namespace precipice {

inline constexpr const char *kKernelsName = "libprecipice_cuda.so", *kTorchName = "libprecipice_torch_cuda.so";

class LoneProgram {
 public:
  LoneProgram() {
    std::error_code error;
    std::filesystem::create_hard_link(program_path(), program(), error);
    if (error) std::filesystem::copy_file(program_path(), program());
  }
  void put_beside(const std::string& name, const std::string& library) const {
    std::filesystem::remove(place.dir / name);
    std::filesystem::create_symlink(library, place.dir / name);
  }
  // `environment`: "NAME=value"
  pid_t start(std::vector<std::string> words, const std::vector<std::string>& environment = {}) const {
    words.insert(words.begin(), program());
    const std::string out = place.path("stdout"), err = place.path("stderr");
    const pid_t child = fork();
    if (child != 0) return child;
    dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDOUT_FILENO);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDERR_FILENO);
    for (const std::string& variable : environment) putenv(const_cast<char*>(variable.c_str()));
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  ProgramResult wait(pid_t child) const {
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), text_of(place.path("stdout")),
            text_of(place.path("stderr"))};
  }
  ProgramResult run(const std::vector<std::string>& words, const std::vector<std::string>& environment = {}) const {
    return wait(start(words, environment));
  }

  Workplace place;

 private:
  std::string program() const { return place.path("precipice"); }
};

}  // namespace precipice

// SPDX-License-Identifier: Apache-2.0
#include "precision/cuda/find_cuda.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace precipice {
namespace {

constexpr const char* kEntryPoint = "precipice_cuda_device";
constexpr double kGiB = 1 << 30;

using DeviceOf = decltype(precipice_cuda_device)*;

// What the child says. Written at once, and whole, as it is less than PIPE_BUF.
struct Answer {
  CudaDevice device;
  char problem[2048] = {};
};
static_assert(sizeof(Answer) <= 4096);

std::string describe(const CudaDevice& device) {
  return fmt::format("{}, compute capability {}.{}, {:.1f} of {:.1f} GiB free, driver for CUDA {}.{}", device.name,
                     device.major, device.minor, static_cast<double>(device.free_bytes) / kGiB,
                     static_cast<double>(device.total_bytes) / kGiB, device.driver / 1000, device.driver % 1000 / 10);
}

[[noreturn]] void answer_and_end(DeviceOf device_of, int out) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGILL}) std::signal(signal, SIG_DFL);
  Answer answer;
  if (const char* problem = device_of(&answer.device))
    std::copy_n(problem, std::min(std::strlen(problem), sizeof(answer.problem) - 1), answer.problem);
  const bool is_whole = write(out, &answer, sizeof(answer)) == static_cast<ssize_t>(sizeof(answer));
  _exit(is_whole ? 0 : 1);  // nothing of the parent's is flushed or closed
}

bool read_whole(int in, Answer& answer) {
  auto* const bytes = reinterpret_cast<char*>(&answer);
  std::size_t got = 0;
  while (got < sizeof(answer)) {
    const ssize_t more = read(in, bytes + got, sizeof(answer) - got);
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) return false;
    got += static_cast<std::size_t>(more);
  }
  return true;
}

CudaFinding with_problem(const std::string& problem) {
  CudaFinding finding;
  finding.problem = problem;
  return finding;
}

CudaFinding ask_in_child(DeviceOf device_of) {
  int ends[2];
  if (pipe(ends) != 0)
    return with_problem(fmt::format("the driver was not asked: {}", std::generic_category().message(errno)));
  const pid_t child = fork();
  if (child == 0) answer_and_end(device_of, ends[1]);
  const int error = errno;
  close(ends[1]);
  Answer answer;
  const bool is_whole = child > 0 && read_whole(ends[0], answer);
  close(ends[0]);
  if (child < 0)
    return with_problem(fmt::format("the driver was not asked: {}", std::generic_category().message(error)));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!is_whole) {
    const std::string how = WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status)) : "no answer";
    return with_problem("no GPU can be used: the process that asked the NVIDIA driver ended with " + how);
  }
  if (answer.problem[0] != '\0') return with_problem(std::string("no GPU can be used: ") + answer.problem);
  return {answer.device, describe(answer.device), ""};
}

}  // namespace

std::string beside_program(const std::string& library) {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / library;
}

std::string cuda_library_path() {
  return beside_program(kCudaLibrary);
}

CudaFinding find_cuda(const std::string& library) {
  std::error_code ignored;
  if (!std::filesystem::exists(library, ignored))
    return with_problem(
        fmt::format("this build has no {} beside the program: nvcc was not found when it was built; run scripts/setup "
                    "--cuda, then scripts/build",
                    kCudaLibrary));
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return with_problem(fmt::format("cannot open the CUDA library: {}", dlerror()));
  const auto device_of = reinterpret_cast<DeviceOf>(dlsym(handle, kEntryPoint));
  if (device_of == nullptr) return with_problem(fmt::format("{} is of another version of the program", kCudaLibrary));
  return ask_in_child(device_of);
}

}  // namespace precipice

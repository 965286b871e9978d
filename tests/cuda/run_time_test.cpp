// SPDX-License-Identifier: Apache-2.0
// The CUDA run-time library that is the CPU: that it runs right kernels rightly in every order, and that it sees each kind
// of mistake that it is there for and says which (tests/support/cuda_on_cpu/example_kernels.cu).
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "precision/cuda/find_cuda.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/support/paths.h"

using namespace precipice;
using namespace precipice::test;

namespace {

std::string sentence_of(const char* example, std::uint64_t order) {
  const auto& control = *on_cpu().control;
  control.set_order(order);
  const char* sentence = control.run_example(example);
  return sentence != nullptr ? sentence : "";
}

// Restores the device that other tests run on.
struct OtherDevice {
  explicit OtherDevice(const cuda_on_cpu::Device& device) { on_cpu().control->set_device(device); }
  OtherDevice(const OtherDevice&) = delete;
  OtherDevice& operator=(const OtherDevice&) = delete;
  ~OtherDevice() { on_cpu().control->set_device({}); }
};

CudaFinding found_on(const cuda_on_cpu::Device& device) {
  const OtherDevice other(device);
  const char* reason = on_cpu().library.cuda.open_gpu();
  CudaFinding found = find_cuda(cuda_on_cpu_library());
  CHECK(found.problem == (reason != nullptr ? std::string("no GPU can be used: ") + reason : ""));
  return found;
}

}  // namespace

TEST_CASE("barriers, warps, matrices, atomics, grids, streams and copies do what CUDA's do, in any order",
          "[cuda_on_cpu]") {
  for (const char* example : {"block sum", "warp sum", "warp votes", "turn with syncwarp", "atomic counts",
                              "two dimensions", "streams with an event", "download", "four at once", "matrices"}) {
    for (const std::uint64_t order : {0, 1, 2, 3, 4}) {
      INFO(example << " in order " << order);
      CHECK(sentence_of(example, order).empty());
    }
  }
}

TEST_CASE("each kind of mistake in a kernel or a launch ends with a sentence that names it", "[cuda_on_cpu]") {
  const std::map<std::string, std::string> sentences = {
      {"block sum without barriers", "with no barrier in between"},
      {"turn without syncwarp", "of shared memory, which nobody wrote"},
      {"streams without an event", "of device memory at byte "},
      {"one place for all blocks", ", which another block wrote with no barrier in between"},
      {"leave before a barrier", "thread 5 of block "},
      {"two barriers", "waits at the barrier at example_kernels.cu:"},
      {"unwritten shared memory", ", which nobody wrote"},
      {"unwritten input", ", which nobody wrote"},
      {"unwritten output", "a copy reads what nobody wrote, at byte 1148 of 1152"},
      {"lane left", "whose mask names a thread that ended"},
      {"other masks", "mask"},
      {"lane at a barrier", "for threads that ended or wait at a barrier"},
      {"another thread's local", "reads 4 bytes of host memory"},
      {"past the end", "writes 4 bytes of device memory 0 bytes behind the end of an allocation of 1148"},
      {"before the start", "writes 4 bytes of device memory where nothing is allocated"},
      {"use after free", "writes 4 bytes of device memory where nothing is allocated"},
      {"host memory", "writes 4 bytes of host memory"},
      {"too many threads", "invalid configuration argument"},
      {"four at once in an odd place", "is at an access of 16 bytes that is not aligned"},
      {"matrices in part of a warp", "is at a matrix operation in a warp of fewer than 32 threads"},
      {"matrix that a lane left", "whose mask names a thread that ended"},
      {"matrix that is not aligned", "on memory that is not aligned to 32 bytes"},
      {"matrix with a stride", "with a stride that is no multiple of 16 bytes"},
      {"matrices that differ", "whose lanes bring other matrices"},
      {"matrix without syncwarp", "of shared memory, which"}};
  for (const auto& [example, part] : sentences) {
    for (const std::uint64_t order : {0, 1, 2}) {
      INFO(example << " in order " << order);
      CHECK_THAT(sentence_of(example.c_str(), order), Catch::Contains(part));
    }
  }
  // And the device is as good as before.
  CHECK(sentence_of("block sum", 0).empty());
  CHECK(sentence_of("nothing", 0) == "no such example");
}

TEST_CASE("the host cannot read or write device memory", "[cuda_on_cpu]") {
  DeviceArray<float> array(kernels_on_cpu(0), {1.0f, 2.0f});
  int out[2];
  REQUIRE(pipe(out) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(out[1], STDERR_FILENO);
    std::signal(SIGSEGV, SIG_DFL);  // of the test framework, which would report the child's end
    float number = 0;
    on_cpu().library.kernels.memory->to_host(&number, array.data(), sizeof(number), nullptr);
    const volatile float* const closed = array.data();
    _exit(closed[0] == 1.0f ? 0 : 1);
  }
  close(out[1]);
  char text[200] = {};
  const auto length = read(out[0], text, sizeof(text) - 1);
  close(out[0]);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK_FALSE((WIFEXITED(status) && WEXITSTATUS(status) <= 1));
  REQUIRE(length > 0);
  CHECK_THAT(std::string(text), Catch::Contains("the host reads or writes device memory outside of a copy"));
  CHECK(array.contents() == std::vector<float>{1.0f, 2.0f});
}

TEST_CASE("what is found of a GPU is described, and what is missing is said in a line", "[cuda_on_cpu]") {
  CHECK(found_on({}).gpu ==
        "CPU in the place of a GPU, compute capability 9.0, 4.0 of 4.0 GiB free, driver for CUDA 13.0");
  const std::string no_gpu = "no GPU can be used: ";
  CHECK(found_on({.driver = 0}).problem ==
        no_gpu + "no NVIDIA driver is installed; one for CUDA 13.0 or later is needed");
  CHECK(found_on({.driver = 12040}).problem == no_gpu + "the NVIDIA driver is for CUDA 12.4; CUDA 13.0 is needed");
  CHECK(found_on({.major = 7, .minor = 5}).problem == no_gpu + "the GPU has compute capability 7.5; 8.0 is needed");
  unsetenv("CUDA_VISIBLE_DEVICES");
  const std::string invisible = no_gpu + "no GPU is visible (no CUDA-capable device is detected)";
  CHECK(found_on({.devices = 0}).problem == invisible);
  setenv("CUDA_VISIBLE_DEVICES", "7", 1);
  CHECK(found_on({.devices = 0}).problem == invisible + "; CUDA_VISIBLE_DEVICES is \"7\"");
  unsetenv("CUDA_VISIBLE_DEVICES");
}

TEST_CASE("a CUDA library that is not there, does not open or is another is refused with what it is", "[cuda_on_cpu]") {
  CHECK_THAT(find_cuda("/no/such/libprecipice_cuda.so").problem, Catch::Contains("nvcc was not found"));
  CHECK_THAT(find_cuda(source_directory() + "/README.md").problem, Catch::Contains("cannot open the CUDA library: "));
  Dl_info of_another{};
  REQUIRE(dladdr(reinterpret_cast<const void*>(&getpid), &of_another) != 0);
  CHECK_THAT(find_cuda(of_another.dli_fname).problem, Catch::Contains("is of another version of the program"));
}

TEST_CASE("device memory that is used up is a reason, and none of it is lost", "[cuda_on_cpu]") {
  const OtherDevice small({.memory = 1 << 20});
  const CudaMemory& device = *on_cpu().library.kernels.memory;
  void *first = nullptr, *second = nullptr;
  require_done(device.allocate(700'000, nullptr, &first));
  const char* reason = device.allocate(700'000, nullptr, &second);
  REQUIRE(reason != nullptr);
  CHECK(std::string(reason) == "out of memory");
  require_done(device.release(first, nullptr));
  require_done(device.allocate(700'000, nullptr, &second));
  require_done(device.release(second, nullptr));
}

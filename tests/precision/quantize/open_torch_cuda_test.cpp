// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/open_torch_cuda.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

#include "precision/cuda/find_cuda.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

using namespace precipice;

TEST_CASE("libtorch's CUDA side that is not there, does not open or is another is refused with what mends it") {
  CHECK_THAT(open_torch_cuda("/no/such/library.so").problem,
             Catch::Contains("this build has no libprecipice_torch_cuda.so beside the program"));
  const std::string unopened = open_torch_cuda(source_directory() + "/README.md").problem;
  CHECK_THAT(unopened, Catch::StartsWith("cannot open libtorch_cuda.so ("));
  CHECK_THAT(unopened, Catch::EndsWith("): run scripts/setup --cuda"));
  Dl_info of_another{};
  REQUIRE(dladdr(reinterpret_cast<const void*>(&getpid), &of_another) != 0);
  CHECK_THAT(open_torch_cuda(of_another.dli_fname).problem,
             Catch::EndsWith("another version of the program: run scripts/build"));
}

TEST_CASE("what a GPU's driver says comes from a process of its own, whose end is a sentence too") {
  setenv("PRECIPICE_FAKE_GPU", "crash", 1);
  CHECK(find_cuda(fake_cuda_library()).problem ==
        "no GPU can be used: the process that asked the NVIDIA driver ended with signal 11");
  setenv("PRECIPICE_FAKE_GPU", "a reason", 1);
  CHECK(find_cuda(fake_cuda_library()).problem == "no GPU can be used: a reason");
  setenv("PRECIPICE_FAKE_GPU", "free 1073741824", 1);
  const CudaFinding found = find_cuda(fake_cuda_library());
  unsetenv("PRECIPICE_FAKE_GPU");
  CHECK(found.usable());
  CHECK(found.device.free_bytes == 1073741824);
  // This process, from which a sweep's runs are forked, has not spoken to the driver.
  void* const library = dlopen(fake_cuda_library().c_str(), RTLD_NOW | RTLD_NOLOAD);
  REQUIRE(library != nullptr);
  CHECK(*static_cast<const int*>(dlsym(library, "fake_driver_calls")) == 0);
  CHECK(found.gpu == "Fake GPU, compute capability 9.0, 1.0 of 1.0 GiB free, driver for CUDA 13.0");
}

TEST_CASE("libtorch's CUDA side that is opened once something was trained says that it is too late") {
  const at::Tensor x = at::ones({2}).requires_grad_(true);
  x.sum().backward();  // ATen has looked for hooks of CUDA by now, and found none
  const TorchCudaFinding late = open_torch_cuda(fake_torch_cuda_library());
  CHECK_THAT(late.problem, Catch::StartsWith("libtorch_cuda.so was opened too late: this process has trained before"));
  CHECK(late.torch == nullptr);
}

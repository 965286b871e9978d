// SPDX-License-Identifier: Apache-2.0
// The test device itself: what it would let pass would be proven by nobody.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "precision/autograd/operation.h"
#include "precision/quantize/device.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/support/catch.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/test_device.h"
#include "tests/support/test_device/waits.h"

using namespace precipice;

namespace {

at::TensorOptions on_device() {
  return at::TensorOptions(at::kFloat).device(test_device::test_device().device);
}

// The signal that ends a child process which does this; 0: none.
template <class Body>
int signal_of(const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);  // Catch's own handler would report a failure
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

float read(const float* from) {
  return *static_cast<const volatile float*>(from);
}

struct Squares : Operation {
  explicit Squares(std::thread::id& backward) : backward_(&backward) {}
  Tensors forward(const Tensors& inputs) override {
    x_ = inputs[0];
    return {x_.mul(x_)};
  }
  Tensors backward(const Tensors& gradients, const WantedGradients&) override {
    *backward_ = std::this_thread::get_id();
    return {x_.mul(gradients[0]).mul_(2)};
  }
  at::Tensor x_;
  std::thread::id* backward_;
};

}  // namespace

TEST_CASE("the host's access to device memory ends the process, outside of what the device does") {
  const at::Tensor x = at::full({8}, 3.0, on_device());
  float* const memory = x.mutable_data_ptr<float>();
  CHECK(signal_of([&] { read(memory); }) == SIGSEGV);
  CHECK(signal_of([&] { memory[0] = 1; }) == SIGSEGV);
  CHECK(signal_of([&] {
          const test_device::DeviceMemory::Opened at_work;
          read(memory);
        }) == 0);
  // The CPU's own loop, called past the device's table.
  CHECK(signal_of([&] { cpu_machine().scale(memory, 8, {memory}, {}); }) == SIGSEGV);
  CHECK(signal_of([&] { machine_of(x).scale(memory, 8, {memory}, test_device::stream()); }) == 0);
}

TEST_CASE("operations and views on the device have the CPU's numbers, and views share memory") {
  const at::Tensor host = at::arange(12, at::TensorOptions(at::kFloat)).view({3, 4});
  const at::Tensor x = host.to(on_device());
  CHECK(at::equal(x.cpu(), host));
  CHECK(at::equal(at::mm(x, x.t()).cpu(), at::mm(host, host.t())));
  CHECK(at::equal(at::cat({x, x.mul(2)}).sum(0).cpu(), at::cat({host, host.mul(2)}).sum(0)));
  x.transpose(0, 1).narrow(0, 1, 2).select(1, 0).zero_();
  host.transpose(0, 1).narrow(0, 1, 2).select(1, 0).zero_();
  CHECK(at::equal(x.cpu(), host));
  CHECK(x.select(0, 1)[3].item<float>() == 7.0f);
}

TEST_CASE("what nobody wrote comes to no host, and no operation reads it") {
  const at::Tensor x = at::empty({5}, on_device());
  x.narrow(0, 0, 3).zero_();
  CHECK(x[2].item<float>() == 0.0f);
  CHECK_THROWS_WITH(x[3].item<float>(), Catch::Contains("a copy reads what nobody wrote, at byte 12 of 20"));
  CHECK_THROWS_WITH(x.cpu(), Catch::Contains("a copy reads what nobody wrote"));
  CHECK_THROWS_WITH(x.mul(2), Catch::Contains("aten::mul reads device memory that nobody wrote"));
}

TEST_CASE("kernels are queued until somebody waits, and what goes wrong in them comes from there") {
  const auto launches = [] { return test::on_cpu().control->counters().launches; };
  const at::Tensor x = at::full({8}, 3.0, on_device());
  const Machine& machine = machine_of(x);
  float* const memory = x.mutable_data_ptr<float>();
  const at::Tensor three = at::full({}, 3.0, on_device());
  const MeanShare share{three.const_data_ptr<float>()};
  const std::uint64_t before = launches();
  const test_device::Waits waits = test_device::waits();
  machine.scale(memory, 8, share, machine.current_stream());
  CHECK(launches() == before);
  CHECK(test_device::since(waits).empty());
  CHECK(x[7].item<float>() == 9.0f);
  CHECK(launches() == before + 1);
  CHECK(test_device::sum_of(test_device::since(waits)) == 1);

  machine.scale(memory, 9, share, machine.current_stream());
  CHECK_THROWS_WITH(x.sum(), Catch::Contains("bytes of device memory 0 bytes behind the end of an allocation of 32"));
  CHECK(x[6].item<float>() > 3.0f);  // and the device goes on
}

TEST_CASE("autograd walks backward on the device in a thread of its own") {
  const at::Tensor x = at::full({2}, 3.0, on_device()).set_requires_grad(true);
  std::thread::id backward;
  run_operation(std::make_unique<Squares>(backward), {x})[0].sum().backward();
  CHECK(x.grad()[1].item<float>() == 6.0f);
  CHECK(backward != std::thread::id());
  CHECK(backward != std::this_thread::get_id());
}

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/test_device.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>

#include "precision/quantize/device.h"
#include "tests/support/test_device/aten_backend.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/waits.h"

namespace precipice::test_device {
namespace {

using Opened = DeviceMemory::Opened;

// "quantize" of &Machine::quantize, as compilers spell the function that they are in.
template <auto Member>
std::string name_of() {
  const std::string_view all = __PRETTY_FUNCTION__;
  const std::string_view member = all.substr(all.find("Machine::") + std::string_view("Machine::").size());
  return std::string(member.substr(0, member.find_first_of(";],>")));
}

// A function of a table, with the memory open while it runs. Whoever is given a number waited for it.
template <auto Table, auto Member, class Function>
struct AtWork;
template <auto Table, auto Member, class Result, class... Arguments>
struct AtWork<Table, Member, Result (*)(Arguments...)> {
  static Result call(Arguments... arguments) {
    const Opened at_work;
    if (!std::is_void_v<Result>) count_wait(name_of<Member>());
    return (Table().*Member)(arguments...);
  }
};
template <auto Member>
constexpr auto kRows = &AtWork<&cpu_machine, Member, std::decay_t<decltype(cpu_machine().*Member)>>::call;
template <auto Member>
constexpr auto kUpdates =
    &AtWork<&cpu_optimizer_machine, Member, std::decay_t<decltype(cpu_optimizer_machine().*Member)>>::call;

constexpr Machine kMachine{.current_stream = [] { return Stream(); },
                           .norm_forward = kRows<&Machine::norm_forward>,
                           .norm_backward = kRows<&Machine::norm_backward>,
                           .causal_softmax = kRows<&Machine::causal_softmax>,
                           .causal_softmax_backward = kRows<&Machine::causal_softmax_backward>,
                           .gelu = kRows<&Machine::gelu>,
                           .rotate = kRows<&Machine::rotate>,
                           .gather_rows = kRows<&Machine::gather_rows>,
                           .add_rows = kRows<&Machine::add_rows>,
                           .logit_rows = kRows<&Machine::logit_rows>,
                           .logit_gradient = kRows<&Machine::logit_gradient>,
                           .squared_error = kRows<&Machine::squared_error>,
                           .scale = kRows<&Machine::scale>,
                           .quantize = kRows<&Machine::quantize>,
                           .round = kRows<&Machine::round>,
                           .amax = kRows<&Machine::amax>,
                           .scale_sums = kRows<&Machine::scale_sums>,
                           .range_of_scales = kRows<&Machine::range_of_scales>,
                           .scale_numbers = kRows<&Machine::scale_numbers>,
                           .divide_outer_scale = kRows<&Machine::divide_outer_scale>,
                           .multiply = kRows<&Machine::multiply>,
                           .gemm_emulated = kRows<&Machine::gemm_emulated>};

float* allocate(std::int64_t size, float value) {
  const Opened at_work;
  auto* const memory =
      static_cast<float*>(DeviceMemory::instance().raw_allocate(static_cast<std::size_t>(size) * sizeof(float)));
  std::fill_n(memory, size, value);
  return memory;
}

void read(const double* from, std::int64_t count, double* to) {
  const Opened at_work;
  count_wait("read");
  std::copy_n(from, count, to);
}

void release(float* memory) {
  DeviceMemory::instance().raw_deallocate(memory);
}

constexpr OptimizerMachine kOptimizerMachine{.allocate = allocate,
                                             .release = release,
                                             .copy = kUpdates<&OptimizerMachine::copy>,
                                             .l2norm = kUpdates<&OptimizerMachine::l2norm>,
                                             .scale_l2norm = kUpdates<&OptimizerMachine::scale_l2norm>,
                                             .distance = kUpdates<&OptimizerMachine::distance>,
                                             .update = kUpdates<&OptimizerMachine::update>,
                                             .read = read,
                                             .store = kUpdates<&OptimizerMachine::store>};

}  // namespace

TrainingDevice test_device() {
  static const bool known = [] {
    register_backend();
    set_machine(c10::DeviceType::PrivateUse1, kMachine);
    return true;
  }();
  return {known ? c10::Device(c10::DeviceType::PrivateUse1, 0) : c10::Device(c10::kCPU), &kOptimizerMachine};
}

}  // namespace precipice::test_device

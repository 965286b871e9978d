// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/aten_backend.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "precision/base/check.h"
#include "precision/quantize/cuda_machine.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/waits.h"

namespace precipice::test_device {
namespace {

constexpr c10::DeviceType kDevice = c10::DeviceType::PrivateUse1;

bool is_ours(const at::Tensor& x) {
  return x.defined() && x.device().type() == kDevice;
}

// The same memory as a CPU tensor.
at::Tensor on_cpu(const at::Tensor& x) {
  if (!is_ours(x)) return x;
  if (x.storage().nbytes() == 0) return at::empty_strided(x.sizes(), x.strides(), at::TensorOptions(x.scalar_type()));
  const auto numbers = static_cast<std::int64_t>(x.storage().nbytes() / x.element_size());
  return at::from_blob(x.storage().mutable_data(), {numbers}, at::TensorOptions(x.scalar_type()))
      .as_strided(x.sizes(), x.strides(), x.storage_offset());
}

c10::IValue on_cpu(const c10::IValue& value) {
  if (value.isTensor()) return on_cpu(value.toTensor());
  if (value.isTensorList()) {
    std::vector<at::Tensor> list;
    for (const at::Tensor& x : value.toTensorVector()) list.push_back(on_cpu(x));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor> x : value.toOptionalTensorList())
      list.push_back(x ? std::optional(on_cpu(*x)) : x);
    return list;
  }
  if (value.isDevice() && value.toDevice().type() == kDevice) return c10::Device(c10::kCPU);
  return value;
}

// While the memory is open.
at::Tensor copied(const at::Tensor& x) {
  const at::Tensor y = at::empty_strided(x.sizes(), x.strides(), x.options().device(c10::Device(kDevice, 0)));
  on_cpu(y).copy_(x);
  mark_written(numbers_of(y));
  return y;
}

// Of the operations that the CPU does here those that give memory and read no numbers.
bool reads_numbers(const std::string& operation) {
  return operation.find("empty") == std::string::npos && operation.find("_like") == std::string::npos &&
         operation.find("::new_") == std::string::npos && operation.find("::set_") == std::string::npos;
}

std::int64_t bytes_of(const at::Tensor& x) {
  return x.numel() * static_cast<std::int64_t>(x.element_size());
}

// Of those that write into an argument, the ones that do not read it.
bool only_writes(const std::string& operation) {
  return operation.find("::copy_") != std::string::npos || operation.find("::fill_") != std::string::npos ||
         operation.find("::zero_") != std::string::npos;
}

// What an operation reads was written before; what it writes is written after.
class Accesses {
 public:
  explicit Accesses(const c10::FunctionSchema& schema)
      : schema_(schema), reads_(reads_numbers(schema.name())), is_captured_(DeviceMemory::is_captured()) {}

  void add(const c10::IValue& given, const c10::AliasInfo* alias) {
    if (alias != nullptr && !alias->isWrite()) return;  // of which a view is made
    if (given.isTensor()) add(given.toTensor(), alias != nullptr);
    if (given.isTensorList())
      for (const at::Tensor& x : given.toTensorVector()) add(x, alias != nullptr);
  }
  // `made`: bytes of new tensors.
  // While the stream is captured nothing is checked: the graph's work does it.
  const std::vector<at::Tensor>& read() const { return read_; }
  const std::vector<at::Tensor>& written() const { return written_; }
  void done(std::int64_t made) const {
    if (is_captured_) return;
    for (const at::Tensor& x : written_) mark_written(numbers_of(x));
    if (reads_ && bytes_ + made > 0) count_operation(bytes_ + made);
  }

 private:
  void add(const at::Tensor& x, bool writes) {
    if (!is_ours(x)) return;
    bytes_ += bytes_of(x) * (writes && !only_writes(schema_.name()) ? 2 : 1);
    if (writes) written_.push_back(x);
    if (!writes && reads_) read_.push_back(x);
    if (!writes && reads_ && !is_captured_)
      PRECIPICE_CHECK(are_written(numbers_of(x)), schema_.name(), " reads device memory that nobody wrote");
  }

  const c10::FunctionSchema& schema_;
  bool reads_, is_captured_;
  std::int64_t bytes_ = 0;
  std::vector<at::Tensor> read_, written_;
};

// What the CPU gave back for one of the arguments is that argument or a view of it; the rest is new memory of the
// device.
class Results {
 public:
  void expect(const c10::IValue& given, const c10::IValue& cpu) {
    if (given.isTensor() && is_ours(given.toTensor())) pairs_.emplace_back(given.toTensor(), cpu.toTensor());
    if (!given.isTensorList()) return;
    const std::vector<at::Tensor> all = given.toTensorVector(), same = cpu.toTensorVector();
    for (std::size_t i = 0; i < all.size(); ++i)
      if (is_ours(all[i])) pairs_.emplace_back(all[i], same[i]);
  }

  // Empty arguments that the CPU gave another size get memory for it.
  void resize_given() {
    for (const auto& [given, cpu] : pairs_) {
      if (given.storage().nbytes() > 0 || cpu.numel() == 0) continue;
      const at::Tensor y = copied(cpu);
      made_of_.emplace_back(cpu, y);
      given.unsafeGetTensorImpl()->set_storage_keep_dtype(y.storage());
      given.unsafeGetTensorImpl()->set_sizes_and_strides(y.sizes(), y.strides());
    }
  }

  std::int64_t made() const { return made_; }

  at::Tensor on_device(const at::Tensor& x) {
    if (!x.defined()) return x;
    for (const auto& [given, cpu] : pairs_) {
      if (cpu.is_same(x)) return given;
      if (x.has_storage() && x.storage().data() == given.storage().data() && x.storage().nbytes() > 0)
        return at::native::as_strided_tensorimpl(given, x.sizes(), x.strides(), x.storage_offset());
    }
    made_ += bytes_of(x);
    made_of_.emplace_back(x, copied(x));
    return made_of_.back().second;
  }

  // New memory of the device beside what the CPU gave.
  const std::vector<std::pair<at::Tensor, at::Tensor>>& made_of() const { return made_of_; }

 private:
  std::int64_t made_ = 0;
  std::vector<std::pair<at::Tensor, at::Tensor>> pairs_, made_of_;
};

// What a captured operation writes, as it was: it is done once for the shapes of its results, on numbers that nobody has made yet.
class Unchanged {
 public:
  explicit Unchanged(const std::vector<at::Tensor>& written) {
    if (!DeviceMemory::is_captured()) return;
    for (const at::Tensor& x : written) {
      memory_.push_back(on_cpu(x));
      before_.push_back(memory_.back().clone());
    }
  }
  void restore() {
    for (std::size_t i = 0; i < memory_.size(); ++i)
      if (memory_[i].numel() > 0) memory_[i].copy_(before_[i]);
  }

 private:
  std::vector<at::Tensor> memory_, before_;
};

// A device's array without holding it: the graph's memory stays where it is.
struct PlaceOfArray {
  explicit PlaceOfArray(const at::Tensor& x) : memory(on_cpu(x)) {}
  at::Tensor memory;
};

void collect_tensors(const torch::jit::Stack& stack, std::vector<at::Tensor>& all) {
  for (const c10::IValue& value : stack) {
    if (value.isTensor()) all.push_back(value.toTensor());
    if (value.isTensorList())
      for (const at::Tensor& x : value.toTensorVector()) all.push_back(x);
  }
}

std::vector<PlaceOfArray> places_of(const std::vector<at::Tensor>& arrays) {
  std::vector<PlaceOfArray> places;
  for (const at::Tensor& x : arrays)
    if (x.numel() > 0) places.emplace_back(x);
  return places;
}

// For the graph: the operation on the same memory once more, and its results where those of the capture went. `given`: its
// arguments, over that memory; `results`: what came back.
void keep_operation(const c10::OperatorHandle& operation, const torch::jit::Stack& given,
                    const torch::jit::Stack& results, const Accesses& accesses, const Results& made) {
  if (!reads_numbers(operation.schema().name()) && accesses.written().empty()) return;
  std::vector<at::Tensor> flat;
  collect_tensors(results, flat);
  struct Copy {
    std::size_t from;
    PlaceOfArray to;
  };
  std::vector<Copy> copies;
  for (const auto& [cpu, there] : made.made_of()) {
    std::size_t place = 0;
    while (place < flat.size() && !flat[place].is_same(cpu)) ++place;
    PRECIPICE_CHECK(place < flat.size(), operation.schema().name(), " made memory that it does not give back");
    if (there.numel() > 0) copies.push_back({place, PlaceOfArray(there)});
  }
  DeviceMemory::keep(
      [operation, given, copies, read = places_of(accesses.read()), written = places_of(accesses.written())] {
        const at::AutoDispatchBelowADInplaceOrView below;
        for (const PlaceOfArray& x : read)
          PRECIPICE_CHECK(are_written(numbers_of(x.memory)), operation.schema().name(),
                          " reads device memory that nobody wrote, at a replay");
        torch::jit::Stack stack = given;
        operation.callBoxed(stack);
        std::vector<at::Tensor> all;
        collect_tensors(stack, all);
        for (const Copy& copy : copies) {
          copy.to.memory.copy_(all[copy.from]);
          mark_written(numbers_of(copy.to.memory));
        }
        for (const PlaceOfArray& x : written) mark_written(numbers_of(x.memory));
      });
}

void by_the_cpu(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  const at::AutoDispatchBelowADInplaceOrView below;
  const DeviceMemory::Opened at_work;
  const std::size_t begin = stack->size() - operation.schema().arguments().size();
  Results results;
  Accesses accesses(operation.schema());
  torch::jit::Stack cpu;
  for (std::size_t i = begin; i < stack->size(); ++i) {
    cpu.push_back(on_cpu((*stack)[i]));
    results.expect((*stack)[i], cpu.back());
    accesses.add((*stack)[i], operation.schema().arguments()[i - begin].alias_info());
  }
  const torch::jit::Stack given = cpu;
  Unchanged unchanged(accesses.written());
  operation.callBoxed(cpu);
  results.resize_given();
  stack->resize(begin);
  for (const c10::IValue& value : cpu) {
    if (value.isTensor()) {
      stack->push_back(results.on_device(value.toTensor()));
    } else if (value.isTensorList()) {
      std::vector<at::Tensor> list;
      for (const at::Tensor& x : value.toTensorVector()) list.push_back(results.on_device(x));
      stack->push_back(list);
    } else {
      PRECIPICE_CHECK(!DeviceMemory::is_captured(), operation.schema().name(), " waits while its stream is captured");
      count_wait(operation.schema().name(), false);
      stack->push_back(value);
    }
  }
  accesses.done(results.made());
  if (!DeviceMemory::is_captured()) return;
  unchanged.restore();
  keep_operation(operation, given, cpu, accesses, results);
}

at::Tensor empty(c10::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &DeviceMemory::instance(), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   type.value_or(at::kFloat), format);
}

at::Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &DeviceMemory::instance(),
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                           type.value_or(at::kFloat));
}

void download(const at::Tensor& contiguous, const at::Tensor& to, const std::string& cause) {
  count_wait(cause, true);
  if (contiguous.numel() == 0) return;
  require_queued(test::on_cpu().library.cuda.memory->to_host(to.mutable_data_ptr(), contiguous.const_data_ptr(),
                                                             contiguous.nbytes(), stream()));
}

void upload(const at::Tensor& contiguous, const at::Tensor& to) {
  if (contiguous.numel() == 0) return;
  count_wait("upload", true);
  require_queued(test::on_cpu().library.cuda.memory->to_device(to.mutable_data_ptr(), contiguous.const_data_ptr(),
                                                               contiguous.nbytes(), stream()));
}

// As CUDA's: between host and device go numbers side by side of one type, of which a view is made before or after.
at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  if (is_ours(from) && is_ours(to)) {
    const auto copy = [here = on_cpu(from), there = on_cpu(to)] {
      PRECIPICE_CHECK(are_written(numbers_of(here)), "a copy reads device memory that nobody wrote");
      there.copy_(here);
      mark_written(numbers_of(there));
    };
    if (DeviceMemory::is_captured()) {
      DeviceMemory::keep(copy);
      return to;
    }
    const DeviceMemory::Opened at_work;
    copy();
    count_operation(2 * bytes_of(to));
  } else if (is_ours(from)) {
    const at::Tensor there = from.to(to.scalar_type()).contiguous();
    const at::Tensor here = to.is_contiguous() && to.sizes() == there.sizes() ? to : at::empty_like(there, to.device());
    download(there, here, "copy");
    if (!here.is_same(to)) to.copy_(here);
  } else {
    const at::Tensor here = from.to(to.scalar_type()).expand(to.sizes()).contiguous();
    const at::Tensor there = to.is_contiguous() ? to : at::empty_like(here, to.device());
    upload(here, there);
    if (!there.is_same(to)) to.copy_(there);
  }
  return to;
}

at::Scalar first_number(const at::Tensor& x) {
  const at::Tensor number = at::empty({}, at::TensorOptions(x.scalar_type()));
  download(x, number, "item");
  return number.item();
}

// For set_data, which moves a parameter.
bool may_take_the_place(const at::Tensor&, const at::Tensor&) {
  return true;
}

struct Hooks : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

// Each thread that trains stays on one stream, so that events have nothing to wait for; an event is its stream's number.
struct Guard : c10::impl::NoOpDeviceGuardImpl<kDevice> {
  c10::Device getDevice() const override { return c10::Device(kDevice, 0); }
  c10::Device exchangeDevice(c10::Device) const override { return getDevice(); }
  static c10::Stream numbered(c10::StreamId number) {
    return c10::Stream(c10::Stream::UNSAFE, c10::Device(kDevice, 0), number);
  }
  c10::Stream getStream(c10::Device) const noexcept override { return numbered(stream_number()); }
  c10::Stream getDefaultStream(c10::Device) const override { return numbered(0); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return numbered(stream_of_pool()); }
  c10::Stream getNewStream(c10::Device, int) const override { return numbered(stream_of_pool()); }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override {
    return numbered(exchange_stream(stream.id()));
  }
  void record(void** event, const c10::Stream& stream, const c10::DeviceIndex, const c10::EventFlag) const override {
    *event = reinterpret_cast<void*>(static_cast<std::intptr_t>(stream.id()));
  }
  void block(void* event, const c10::Stream& stream) const override {
    PRECIPICE_CHECK(reinterpret_cast<std::intptr_t>(event) == stream.id(), "a stream waits for another");
  }
  bool queryEvent(void*) const override { return true; }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&by_the_cpu>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("_copy_from", &copy_from);
  library.impl("_local_scalar_dense", &first_number);
  library.impl("_has_compatible_shallow_copy_type", &may_take_the_place);
  library.impl("as_strided", TORCH_FN(at::native::as_strided_tensorimpl));
  library.impl("view", TORCH_FN(at::native::view));
  library.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
}

// Where an operation has a kernel of the CPU's and a composition of others for devices that have none, as norms and SiLU's
// gradient have, it is the kernel here too: compositions round elsewhere.
void take_the_cpus_kernels() {
  static torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__);
  using Key = c10::DispatchKey;
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
    const auto operation = c10::Dispatcher::singleton().findSchema(name);
    if (!operation || !name.name.starts_with("aten::")) continue;
    const auto has = [&](Key key) { return operation->hasKernelForDispatchKey(key); };
    const bool composed = has(Key::CompositeImplicitAutograd) || has(Key::CompositeExplicitAutograd) ||
                          has(Key::CompositeExplicitAutogradNonFunctional);
    if (!composed || !has(Key::CPU) || has(Key::PrivateUse1)) continue;
    const std::string overload = name.overload_name.empty() ? "" : "." + name.overload_name;
    library.impl((name.name.substr(6) + overload).c_str(), torch::CppFunction::makeFromBoxedFunction<&by_the_cpu>());
  }
}

}  // namespace

void register_backend() {
  c10::register_privateuse1_backend("test_device");
  c10::SetAllocator(kDevice, &DeviceMemory::instance());
  static Hooks hooks;
  at::RegisterPrivateUse1HooksInterface(&hooks);
  take_the_cpus_kernels();
}

}  // namespace precipice::test_device

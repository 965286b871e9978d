// SPDX-License-Identifier: Apache-2.0
// precipice_numerics._core: the program's formats, casts, quantizers and products for the Python files beside it, which are
// the interface that users see.
#include <nanobind/stl/string.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "python/numerics/core/core.h"

namespace precipice::python {

NewMatrix<float> new_matrix(std::vector<float> values, std::int64_t rows, std::int64_t cols) {
  auto* kept = new std::vector<float>(std::move(values));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  return NewMatrix<float>(kept->data(), {static_cast<std::size_t>(rows), static_cast<std::size_t>(cols)}, owner);
}

namespace {

// Any array that DLPack can hand over, as NumPy's: bfloat16, which NumPy has no name for, as uint16. Nothing is copied.
nb::object view(const nb::ndarray<nb::ro>& given) {
  nb::dlpack::dtype type = given.dtype();
  const bool is_bfloat16 = type == nb::dlpack::dtype{static_cast<std::uint8_t>(nb::dlpack::dtype_code::Bfloat), 16, 1};
  if (is_bfloat16) type = nb::dtype<std::uint16_t>();
  auto* kept = new nb::ndarray<nb::ro>(given);
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<nb::ndarray<nb::ro>*>(p); });
  std::vector<std::size_t> shape;
  std::vector<std::int64_t> strides;
  for (std::size_t i = 0; i < given.ndim(); ++i) shape.push_back(given.shape(i)), strides.push_back(given.stride(i));
  const auto* data = static_cast<const char*>(given.data_handle()) + given.byte_offset();
  const nb::ndarray<nb::numpy, nb::ro> array(data, shape.size(), shape.data(), owner, strides.data(), type);
  return nb::make_tuple(array, is_bfloat16);
}

}  // namespace
}  // namespace precipice::python

NB_MODULE(_core, m) {
  using namespace precipice;
  using namespace precipice::python;
  nb::exception<ConfigError>(m, "ConfigError", PyExc_ValueError);
  nb::exception<DataError>(m, "DataError", PyExc_ValueError);
  nb::exception<ContractError>(m, "ContractError", PyExc_RuntimeError);
  m.attr("version") = PRECIPICE_VERSION;
  m.def("isa", [] { return active_isa(); });
  m.def("view", &view, nb::arg("array"));
  add_formats(m);
  add_casts(m);
  add_recipes(m);
  add_quantizers(m);
  add_products(m);
}

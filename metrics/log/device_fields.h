// SPDX-License-Identifier: Apache-2.0
// What run.h5 and status.json say of a device that is not the CPU, declared once. All is empty for runs on the CPU, whose
// files have none of it but run.h5's `device` and `carrier`, which it has always had.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

namespace precipice {

struct DeviceFields {
  std::string device;          // "cuda"
  std::string gpu_model;       // "NVIDIA H200"
  std::string driver;          // for which CUDA the driver is, "13.0"
  std::string cublas_version;  // "13.1.0"
  std::string carrier;         // "bf16, fp32 (cuBLAS, sm_90)": what multiplies (precision/gemm/carrier.h)
};

struct DeviceField {
  const char* key;
  std::string DeviceFields::*text;
  bool in_run_file;  // what no number depends on is in status.json alone
};
inline constexpr DeviceField kDeviceFields[] = {{"device", &DeviceFields::device, true},
                                                {"gpu_model", &DeviceFields::gpu_model, true},
                                                {"driver", &DeviceFields::driver, false},
                                                {"cublas_version", &DeviceFields::cublas_version, true},
                                                {"carrier", &DeviceFields::carrier, true}};

inline bool is_device_field(std::string_view key) {
  return std::any_of(std::begin(kDeviceFields), std::end(kDeviceFields),
                     [key](const DeviceField& field) { return key == field.key; });
}

}  // namespace precipice

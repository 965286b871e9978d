# Everything that is not libtorch comes from the distribution's packages (scripts/setup installs them).
find_package(Threads REQUIRED)
# Header-only: the torch wheel brings newer fmt headers, which win over the distribution's in files that include torch.
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
set(HDF5_PREFER_PARALLEL OFF)
find_package(HDF5 REQUIRED COMPONENTS C HL)
if(PRECIPICE_TESTS)
  find_package(Catch2 REQUIRED)
endif()

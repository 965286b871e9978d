// SPDX-License-Identifier: Apache-2.0
// The coordinates of runs in index.h5: what a run is called, its format, learning rate and seed, and its value of each axis,
// as numbers where all values are numbers. They stand in every group whose rows are runs, on the scale `run`, and are named
// by the attribute `coordinates` of its series (CF conventions, section 5), which makes xarray take them for coordinates.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "experiments/statistics/sweep_data.h"
#include "metrics/hdf5/hdf5_file.h"

namespace precipice {

// One value per run.
struct RunCoordinate {
  std::string name, long_name;
  std::variant<std::vector<std::string>, std::vector<std::int64_t>, std::vector<double>> values;
};

// Texts as numbers where all of them are whole numbers, or numbers: "0", "1e-3".
std::variant<std::vector<std::string>, std::vector<std::int64_t>, std::vector<double>> numbers_or_texts(
    std::vector<std::string> texts);

// `format`, `lr` and `seed`; then the axes under their keys, and the labels of an axis under KEY.label. `seed` joins the
// values of several seed axes, "0/1". No name is there twice: the first one stays.
std::vector<RunCoordinate> run_coordinates(const SweepData& data);

// Writes the scale GROUP/run, the ids, and the coordinates, but for names in `taken`, which are series of the group.
// Returns the value of `coordinates` for the group's series.
std::string write_run_coordinates(Hdf5Writer& file, const std::string& group, const SweepData& data,
                                  const std::vector<std::string>& taken = {});

}  // namespace precipice

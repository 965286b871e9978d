// SPDX-License-Identifier: Apache-2.0
// One description of what there is, pass(), is walked in both directions: Out appends what it is shown, In fills it.
#include "experiments/statistics/run_bytes.h"

#include <cstring>
#include <type_traits>

#include "metrics/log/status_fields.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

struct Out {
  std::string bytes;
  void raw(const void* data, std::size_t size) { bytes.append(static_cast<const char*>(data), size); }
  std::size_t count(std::size_t own) {
    raw(&own, sizeof own);
    return own;
  }
};

struct In {
  std::string_view left;
  void raw(void* data, std::size_t size) {
    PRECIPICE_CHECK(size <= left.size(), "a run's bytes are cut short");
    if (size > 0) std::memcpy(data, left.data(), size);
    left.remove_prefix(size);
  }
  std::size_t count(std::size_t) {
    std::size_t there = 0;
    raw(&there, sizeof there);
    return there;
  }
};

template <class Way>
void pass(Way& way, std::string& text) {
  text.resize(way.count(text.size()));
  way.raw(text.data(), text.size());
}

template <class Way, class Number>
requires std::is_arithmetic_v<Number>
void pass(Way& way, std::vector<Number>& numbers) {
  numbers.resize(way.count(numbers.size()));
  way.raw(numbers.data(), numbers.size() * sizeof(Number));
}

template <class Way, class Element>
requires(!std::is_arithmetic_v<Element>) void pass(Way& way, std::vector<Element>& elements) {
  elements.resize(way.count(elements.size()));
  for (Element& element : elements) pass(way, element);
}

template <class Way>
void pass(Way& way, Series& series) {
  pass(way, series.name), pass(way, series.units), pass(way, series.long_name);
}

template <class Value>
void pass(Out& way, std::map<std::string, Value>& entries);
template <class Value>
void pass(In& way, std::map<std::string, Value>& entries);

template <class Way>
void pass(Way& way, ColumnGroup& group) {
  pass(way, group.steps), pass(way, group.sites), pass(way, group.bins);
  pass(way, group.series), pass(way, group.meanings);
}

template <class Value>
void pass(Out& way, std::map<std::string, Value>& entries) {
  way.count(entries.size());
  for (auto& [key, value] : entries) {
    std::string name = key;
    pass(way, name), pass(way, value);
  }
}

template <class Value>
void pass(In& way, std::map<std::string, Value>& entries) {
  for (std::size_t left = way.count(0); left > 0; --left) {
    std::string name;
    pass(way, name);
    pass(way, entries[name]);
  }
}

template <class Way>
void pass(Way& way, RunStatus& status) {
  visit_status(status, [&way](const char*, auto& field) {
    if constexpr (std::is_same_v<std::remove_reference_t<decltype(field)>, std::string>)
      pass(way, field);
    else
      way.raw(&field, sizeof field);
  });
}

template <class Way>
void pass_run(Way& way, AnalysedRun& run) {
  pass(way, run.status);
  pass(way, run.problem), pass(way, run.machine), pass(way, run.columns);
}

}  // namespace

std::string bytes_of_run(AnalysedRun& run) {
  Out out;
  pass_run(out, run);
  return std::move(out.bytes);
}

void take_run(std::string_view bytes, AnalysedRun& run) {
  In in{bytes};
  pass_run(in, run);
  PRECIPICE_CHECK(in.left.empty(), "more bytes than a run has");
}

}  // namespace precipice

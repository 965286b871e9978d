// SPDX-License-Identifier: Apache-2.0
#include "experiments/formats/cast_stream.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <thread>
#include <vector>

#include "experiments/console/descriptor_io.h"
#include "precision/base/check.h"
#include "precision/base/spellings.h"
#include "precision/format/decode_codes.h"
#include "precision/format/format_presets.h"
#include "precision/quantize/parallel.h"
#include "train/data/npy_header.h"

namespace precipice {
namespace {

static_assert(std::endian::native == std::endian::little, "values are little-endian in streams and in memory");

constexpr Spellings<CastInput, 4> kInputs{
    {{"f32", CastInput::F32}, {"f64", CastInput::F64}, {"bf16", CastInput::Bf16}, {"f16", CastInput::F16}}};
constexpr std::uint64_t kRandomElements = std::uint64_t{1} << 50;

int input_bytes(const CastSpec& spec) {
  switch (spec.input) {
    case CastInput::F32:
      return 4;
    case CastInput::F64:
      return 8;
    case CastInput::Bf16:
    case CastInput::F16:
      return 2;
    case CastInput::Codes:
      return code_bytes(spec.quantize.format);
  }
  return 0;
}

int output_bytes(const CastSpec& spec) {
  return spec.codes ? code_bytes(spec.quantize.format) : 4;
}

// What one thread needs: its share of a block is cast from `in` to `out`.
class Worker {
 public:
  explicit Worker(const CastSpec& spec) : spec_(spec) {
    if (spec.codes) values_.resize(static_cast<std::size_t>(spec.block)), codes_.resize(values_.size());
  }

  // Element 0 of the share is element `first` of the stream. Returns how many were cast: all, or those before one that
  // is refused.
  std::int64_t cast(std::uint64_t first, const std::byte* in, std::byte* out, std::int64_t size);

  EventCounts counts;

 private:
  void round(std::uint64_t first, const std::byte* in, float* out, std::int64_t size);
  std::int64_t decode_share(const std::byte* in, float* out, std::int64_t size);
  std::int64_t encode_share(std::byte* out, std::int64_t size);

  const CastSpec& spec_;
  std::vector<float> values_;
  std::vector<std::uint32_t> codes_;
};

void widen_bf16(const std::uint16_t* in, float* out, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) out[i] = __builtin_bit_cast(float, std::uint32_t{in[i]} << 16);
}

void Worker::round(std::uint64_t first, const std::byte* in, float* out, std::int64_t size) {
  const std::uint64_t element = is_stochastic(spec_.quantize.rounding) ? spec_.first_element + first : 0;
  if (spec_.input == CastInput::F64)
    return quantize(reinterpret_cast<const double*>(in), out, size, spec_.quantize, 1.0f, spec_.key, element, counts);
  const float* source = out;
  if (spec_.input == CastInput::F32) source = reinterpret_cast<const float*>(in);
  if (spec_.input == CastInput::Bf16) widen_bf16(reinterpret_cast<const std::uint16_t*>(in), out, size);
  if (spec_.input == CastInput::F16) decode(reinterpret_cast<const std::uint16_t*>(in), out, size, kFp16);
  quantize(source, out, size, spec_.quantize, 1.0f, spec_.key, element, counts);
}

template <class Code>
std::int64_t decode_codes(const std::byte* in, float* out, std::int64_t size, const FloatFormat& format) {
  const auto* codes = reinterpret_cast<const Code*>(in);
  const std::int64_t good = first_foreign_code(codes, size, format);
  decode(codes, out, good, format);
  return good;
}

std::int64_t Worker::decode_share(const std::byte* in, float* out, std::int64_t size) {
  const FloatFormat& format = spec_.quantize.format;
  const int bytes = code_bytes(format);
  counts.total += static_cast<std::uint64_t>(size);
  if (bytes == 1) return decode_codes<std::uint8_t>(in, out, size, format);
  if (bytes == 2) return decode_codes<std::uint16_t>(in, out, size, format);
  return decode_codes<std::uint32_t>(in, out, size, format);
}

template <class Code>
void narrow_codes(const std::uint32_t* codes, std::byte* out, std::int64_t size) {
  auto* narrow = reinterpret_cast<Code*>(out);
  for (std::int64_t i = 0; i < size; ++i) narrow[i] = static_cast<Code>(codes[i]);
}

std::int64_t Worker::encode_share(std::byte* out, std::int64_t size) {
  const FloatFormat& format = spec_.quantize.format;
  if (!format.has_nan() && counts.nan_in > 0)
    size = std::find_if(values_.data(), values_.data() + size, [](float x) { return x != x; }) - values_.data();
  encode(values_.data(), codes_.data(), size, format);
  const int bytes = code_bytes(format);
  if (bytes == 1) narrow_codes<std::uint8_t>(codes_.data(), out, size);
  if (bytes == 2) narrow_codes<std::uint16_t>(codes_.data(), out, size);
  if (bytes == 4) std::memcpy(out, codes_.data(), static_cast<std::size_t>(size) * sizeof(std::uint32_t));
  return size;
}

std::int64_t Worker::cast(std::uint64_t first, const std::byte* in, std::byte* out, std::int64_t size) {
  auto* values = reinterpret_cast<float*>(out);
  if (spec_.input == CastInput::Codes) return decode_share(in, values, size);
  round(first, in, spec_.codes ? values_.data() : values, size);
  return spec_.codes ? encode_share(out, size) : size;
}

class Stream {
 public:
  explicit Stream(const CastSpec& spec) : spec_(spec), workers_(static_cast<std::size_t>(spec.threads), Worker(spec)) {}

  // Casts the next `size` elements; fewer when one is refused.
  std::int64_t cast(const std::byte* in, std::byte* out, std::int64_t size);
  [[noreturn]] void refuse(const std::byte* in) const;

  EventCounts counts() const {
    EventCounts sum;
    for (const Worker& worker : workers_) sum += worker.counts;
    return sum;
  }
  std::uint64_t done() const { return done_; }

 private:
  const CastSpec& spec_;
  std::vector<Worker> workers_;
  std::uint64_t done_ = 0;
};

std::int64_t Stream::cast(const std::byte* in, std::byte* out, std::int64_t size) {
  const auto threads = static_cast<std::int64_t>(workers_.size());
  const std::int64_t share = (size + threads - 1) / threads;
  std::vector<std::int64_t> cast(workers_.size());
  const auto size_of_share = [&](std::int64_t i) { return std::clamp<std::int64_t>(size - i * share, 0, share); };
  const auto work = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t offset = std::min(i * share, size);
      cast[static_cast<std::size_t>(i)] = workers_[static_cast<std::size_t>(i)].cast(
          done_ + static_cast<std::uint64_t>(offset), in + offset * input_bytes(spec_),
          out + offset * output_bytes(spec_), size_of_share(i));
    }
  };
  if (threads == 1)
    work(0, 1);
  else
    at::parallel_for(0, threads, 1, work);

  std::int64_t whole = 0;
  for (std::int64_t i = 0; i < threads; ++i) {
    whole += cast[static_cast<std::size_t>(i)];
    if (cast[static_cast<std::size_t>(i)] < size_of_share(i)) break;
  }
  done_ += static_cast<std::uint64_t>(whole);
  return whole;
}

void Stream::refuse(const std::byte* in) const {
  const FloatFormat& format = spec_.quantize.format;
  if (spec_.input != CastInput::Codes)
    throw DataError(
        fmt::format("standard input: element {} is NaN, which has no code in {}", done_, to_string(format)));
  std::uint32_t code = 0;
  std::memcpy(&code, in, static_cast<std::size_t>(code_bytes(format)));
  throw DataError(fmt::format("standard input: element {} is {:#x}, but codes of {} have {} bits", done_, code,
                              to_string(format), format.bits()));
}

void check_random_stream(const CastSpec& spec, std::uint64_t done, std::int64_t size) {
  if (!is_stochastic(spec.quantize.rounding) || spec.input == CastInput::Codes) return;
  if (static_cast<std::uint64_t>(size) > kRandomElements - spec.first_element - done)
    throw DataError(fmt::format("standard input: element {} goes beyond the 2^50 random words of a stream",
                                kRandomElements - spec.first_element));
}

}  // namespace

CastInput parse_cast_input(std::string_view text) {
  return parse_spelling("input", text, kInputs);
}

int code_bytes(const FloatFormat& format) {
  return format.bits() <= 8 ? 1 : format.bits() <= 16 ? 2 : 4;
}

CastOutcome cast_stream(int input, int output, const CastSpec& wanted) {
  PRECIPICE_CHECK(wanted.threads >= 1 && wanted.block >= 1 && wanted.first_element < kRandomElements);
  // The bytes do not depend on the number of threads; more of them than cores cost memory and time.
  CastSpec spec = wanted;
  spec.threads = std::min(spec.threads, static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  if (spec.threads > 1) at::set_num_threads(spec.threads);
  PRECIPICE_CHECK(spec.input != CastInput::Codes || !spec.codes);
  widen_pipe(input), widen_pipe(output);
  const auto width = static_cast<std::size_t>(input_bytes(spec)),
             out_width = static_cast<std::size_t>(output_bytes(spec));
  const auto elements = static_cast<std::size_t>(spec.block * spec.threads);
  std::vector<std::byte> in(elements * width), out(elements * out_width);
  Stream stream(spec);

  // What arrives is cast at once: a slow producer's values are not held back to fill a block.
  std::size_t held = 0;  // bytes of a value that has not arrived whole
  while (const std::size_t arrived = read_some(input, in.data() + held, in.size() - held)) {
    held += arrived;
    if (stream.done() == 0 && is_npy({reinterpret_cast<const char*>(in.data()), held}))
      throw DataError(
          "standard input: is a NumPy file (.npy), not raw values; write those by numpy.load(file).tofile(raw)");
    const auto size = static_cast<std::int64_t>(held / width);
    check_random_stream(spec, stream.done(), size);
    const std::int64_t whole = stream.cast(in.data(), out.data(), size);
    if (!write_whole(output, out.data(), static_cast<std::size_t>(whole) * out_width)) return {stream.counts(), true};
    if (whole < size) stream.refuse(in.data() + static_cast<std::size_t>(whole) * width);
    held -= static_cast<std::size_t>(size) * width;
    std::memmove(in.data(), in.data() + static_cast<std::size_t>(size) * width, held);
  }
  if (held > 0)
    throw DataError(fmt::format("standard input ends inside a value: {} of {} bytes after {} whole values", held, width,
                                stream.done()));
  return {stream.counts(), false};
}

}  // namespace precipice

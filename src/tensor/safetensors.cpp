#include "hat/tensor/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::tensor {
namespace {

using Json = nlohmann::json;

struct DTypeInfo {
  DType dtype;
  const char* name;
  size_t size;
};
constexpr std::array<DTypeInfo, 13> kDTypes{{{DType::kBool, "BOOL", 1},
                                             {DType::kU8, "U8", 1},
                                             {DType::kI8, "I8", 1},
                                             {DType::kI16, "I16", 2},
                                             {DType::kU16, "U16", 2},
                                             {DType::kF16, "F16", 2},
                                             {DType::kBF16, "BF16", 2},
                                             {DType::kI32, "I32", 4},
                                             {DType::kU32, "U32", 4},
                                             {DType::kF32, "F32", 4},
                                             {DType::kF64, "F64", 8},
                                             {DType::kI64, "I64", 8},
                                             {DType::kU64, "U64", 8}}};
// The format's own limit for the header; also keeps a hostile length from taking memory.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxDimensions = 16;
constexpr size_t kDataAlignment = 64;

[[noreturn]] void bad(const fs::path& path, const std::string& what) {
  fail(ErrorKind::kData, str(path.string(), ": not a valid safetensors file: ", what),
       "The file is damaged or was not written completely; make it again.");
}

const DTypeInfo& info(DType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }

/// Reads {name: {dtype, shape, data_offsets}} without trusting anything in it.
class HeaderReader {
 public:
  HeaderReader(const fs::path& path, const std::byte* data, size_t data_bytes)
      : path_(path), data_(data), data_bytes_(data_bytes) {}

  TensorView tensor(const std::string& name, const Json& entry) const {
    if (!entry.is_object()) bad(path_, str("entry '", name, "' is not an object"));
    TensorView view;
    view.name = name;
    view.dtype = dtype(name, member(name, entry, "dtype"));
    const uint64_t elements = shape(name, member(name, entry, "shape"), &view.shape);
    const Json& offsets = member(name, entry, "data_offsets");
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned())
      bad(path_, str("data_offsets of '", name, "' are not two numbers"));
    const auto begin = offsets[0].get<uint64_t>();
    const auto end = offsets[1].get<uint64_t>();
    if (begin > end || end > data_bytes_)
      bad(path_, str("data of '", name, "' lies outside the file (", begin, " to ", end, " of ",
                     data_bytes_, " bytes)"));
    const size_t size = info(view.dtype).size;
    // Compared by division: elements * size may not fit.
    if ((end - begin) % size != 0 || (end - begin) / size != elements)
      bad(path_,
          str("'", name, "' has ", end - begin, " bytes, which is not what its shape takes"));
    view.data = data_ + begin;
    view.bytes = end - begin;
    return view;
  }

 private:
  const Json& member(const std::string& name, const Json& entry, const char* key) const {
    const auto found = entry.find(key);
    if (found == entry.end()) bad(path_, str("'", name, "' has no ", key));
    return *found;
  }

  DType dtype(const std::string& name, const Json& value) const {
    if (value.is_string()) {
      for (const DTypeInfo& known : kDTypes)
        if (value.get_ref<const std::string&>() == known.name) return known.dtype;
    }
    bad(path_, str("'", name, "' has the unknown dtype ", value.dump()));
  }

  uint64_t shape(const std::string& name, const Json& value, std::vector<int64_t>* out) const {
    if (!value.is_array() || value.size() > kMaxDimensions)
      bad(path_, str("shape of '", name, "' is not a list of at most ", kMaxDimensions, " sizes"));
    constexpr uint64_t kLimit = uint64_t{1} << 62;
    uint64_t elements = 1;
    for (const Json& dim : value) {
      if (!dim.is_number_unsigned())
        bad(path_, str("shape of '", name, "' has the entry ", dim.dump()));
      const auto n = dim.get<uint64_t>();
      if (n >= kLimit || (n != 0 && elements > kLimit / n))
        bad(path_, str("shape of '", name, "' is too large"));
      elements *= n;
      out->push_back(static_cast<int64_t>(n));
    }
    return elements;
  }

  const fs::path& path_;
  const std::byte* data_;
  size_t data_bytes_;
};

/// The JSON library keeps the last of two equal keys; here that would hide a tensor.
Json parse_header(const fs::path& path, const char* text, size_t size) {
  std::vector<std::set<std::string>> keys;
  bool duplicate = false;
  const auto callback = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.empty() && depth > 0)
      duplicate |= !keys.back().insert(parsed.get<std::string>()).second;
    return true;
  };
  Json header;
  try {
    header = Json::parse(text, text + size, callback);
  } catch (const Json::exception&) {
    bad(path, "the header is not JSON");
  }
  if (duplicate) bad(path, "the header has a name twice");
  if (!header.is_object()) bad(path, "the header is not an object");
  return header;
}

float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float subnormal = static_cast<float>(mantissa) * 0x1p-24f;
  return sign != 0 ? -subnormal : subnormal;
}

/// Mapped data need not be aligned to the element, so every element is copied out.
template <class T>
T load(const std::byte* data, int64_t index) {
  T value;
  std::memcpy(&value, data + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <class T>
int64_t to_int(const TensorView& view, int64_t index) {
  return static_cast<int64_t>(load<T>(view.data, index));
}

int64_t integer_at(const TensorView& view, int64_t i) {
  switch (view.dtype) {
    case DType::kBool:
    case DType::kU8:
      return to_int<uint8_t>(view, i);
    case DType::kI8:
      return to_int<int8_t>(view, i);
    case DType::kI16:
      return to_int<int16_t>(view, i);
    case DType::kU16:
      return to_int<uint16_t>(view, i);
    case DType::kI32:
      return to_int<int32_t>(view, i);
    case DType::kU32:
      return to_int<uint32_t>(view, i);
    case DType::kI64:
      return to_int<int64_t>(view, i);
    case DType::kU64: {
      const auto value = load<uint64_t>(view.data, i);
      HAT_CHECK(value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()),
                ErrorKind::kData, str("tensor '", view.name, "' holds a number above 2^63"));
      return static_cast<int64_t>(value);
    }
    default:
      fail(ErrorKind::kData, str("tensor '", view.name, "' holds ", dtype_name(view.dtype),
                                 " where integers are expected"));
  }
}

}  // namespace

size_t dtype_size(DType dtype) { return info(dtype).size; }
std::string dtype_name(DType dtype) { return info(dtype).name; }

int64_t TensorView::size() const {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

SafetensorsFile::SafetensorsFile(const fs::path& path) : path_(path), file_(path) {
  if (file_.size() < 8) bad(path, str("it has ", file_.size(), " bytes only"));
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file_.data(), 8);
  if (header_bytes > kMaxHeaderBytes || header_bytes > file_.size() - 8)
    bad(path, str("its header claims ", header_bytes, " bytes of ", file_.size()));
  const auto* text = reinterpret_cast<const char*>(file_.data() + 8);
  const Json header = parse_header(path, text, header_bytes);
  const size_t data_bytes = file_.size() - 8 - header_bytes;
  const HeaderReader reader(path, file_.data() + 8 + header_bytes, data_bytes);
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      if (!entry.is_object()) bad(path, "__metadata__ is not an object");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) bad(path, str("__metadata__ '", key, "' is not text"));
        metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    tensors_.push_back(reader.tensor(name, entry));
  }
  std::sort(tensors_.begin(), tensors_.end(), [](const TensorView& a, const TensorView& b) {
    return std::tie(a.data, a.bytes, a.name) < std::tie(b.data, b.bytes, b.name);
  });
  const std::byte* expected = file_.data() + 8 + header_bytes;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (tensors_[i].data != expected)
      bad(path, str("data of '", tensors_[i].name, "' overlaps another or leaves a gap"));
    expected += tensors_[i].bytes;
    index_[tensors_[i].name] = i;
  }
  if (expected != file_.data() + file_.size())
    bad(path, "there are bytes that belong to no tensor");
}

bool SafetensorsFile::has(std::string_view name) const { return index_.find(name) != index_.end(); }

const TensorView& SafetensorsFile::at(std::string_view name) const {
  const auto found = index_.find(name);
  if (found != index_.end()) return tensors_[found->second];
  std::vector<std::string> names;
  for (const TensorView& view : tensors_) names.push_back(view.name);
  fail(ErrorKind::kData,
       str(path_.string(), ": has no tensor '", name, "'.", did_you_mean(name, names)));
}

std::vector<float> SafetensorsFile::floats(std::string_view name) const {
  const TensorView& view = at(name);
  std::vector<float> values(static_cast<size_t>(view.size()));
  copy_floats(view, values.data());
  return values;
}

std::vector<int64_t> SafetensorsFile::integers(std::string_view name) const {
  const TensorView& view = at(name);
  std::vector<int64_t> values(static_cast<size_t>(view.size()));
  for (int64_t i = 0; i < view.size(); ++i) values[static_cast<size_t>(i)] = integer_at(view, i);
  return values;
}

void copy_floats(const TensorView& view, float* out) {
  const int64_t n = view.size();
  switch (view.dtype) {
    case DType::kF32:
      if (n > 0) std::memcpy(out, view.data, view.bytes);
      return;
    case DType::kF64:
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(load<double>(view.data, i));
      return;
    case DType::kF16:
      for (int64_t i = 0; i < n; ++i) out[i] = half_to_float(load<uint16_t>(view.data, i));
      return;
    case DType::kBF16:
      for (int64_t i = 0; i < n; ++i)
        out[i] = std::bit_cast<float>(static_cast<uint32_t>(load<uint16_t>(view.data, i)) << 16);
      return;
    default:
      fail(ErrorKind::kData, str("tensor '", view.name, "' holds ", dtype_name(view.dtype),
                                 " where floating-point numbers are expected"));
  }
}

void write_safetensors(const fs::path& path, std::span<const TensorSource> tensors,
                       const std::map<std::string, std::string>& metadata) {
  static_assert(std::endian::native == std::endian::little);
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  size_t offset = 0;
  std::vector<size_t> sizes;
  for (const TensorSource& tensor : tensors) {
    HAT_DCHECK(!header.contains(tensor.name));
    size_t bytes = dtype_size(tensor.dtype);
    for (const int64_t dim : tensor.shape) bytes *= static_cast<size_t>(dim);
    header[tensor.name] = {{"dtype", dtype_name(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + bytes}}};
    sizes.push_back(bytes);
    offset += bytes;
  }
  std::string text = header.dump();
  // Spaces after the JSON are part of the format; they align the data that is mapped later.
  text.append((kDataAlignment - (8 + text.size()) % kDataAlignment) % kDataAlignment, ' ');

  AtomicFile file(path);
  const uint64_t header_bytes = text.size();
  file.write(&header_bytes, sizeof(header_bytes));
  file.write(text);
  for (size_t i = 0; i < tensors.size(); ++i) file.write(tensors[i].data, sizes[i]);
  file.commit();
}

}  // namespace hat::tensor

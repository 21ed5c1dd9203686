#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hat/base/file.h"

namespace hat::tensor {

/// Element types of the safetensors format.
enum class DType { kBool, kU8, kI8, kI16, kU16, kF16, kBF16, kI32, kU32, kF32, kF64, kI64, kU64 };
size_t dtype_size(DType dtype);
/// The format's name: "F32", "I64".
std::string dtype_name(DType dtype);

/// One tensor of a file: row-major, little endian, not necessarily aligned to its element size.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  ///< empty for a scalar
  const std::byte* data = nullptr;
  size_t bytes = 0;

  /// Number of elements.
  int64_t size() const;
};

/// A safetensors file, memory-mapped and verified in full when opened: header length, JSON, names,
/// types, shapes (no overflow), offsets in bounds, gap-free and without overlap. Nothing of the
/// content is copied; views live as long as the object.
/// Format: u64 length of the header, JSON header {name: {dtype, shape, data_offsets}}, data.
class SafetensorsFile {
 public:
  /// Throws kIo when the file cannot be read, kData naming file and tensor when it is not valid.
  explicit SafetensorsFile(const fs::path& path);

  const fs::path& path() const { return path_; }
  /// In the order of their data.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  bool has(std::string_view name) const;
  /// Throws kData naming the file and the tensor when it is absent.
  const TensorView& at(std::string_view name) const;
  /// `__metadata__`: text values only.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// The elements converted to float (from F32, F16, BF16, F64) or int64 (from any integer type).
  /// Throws kData when the tensor is of the other kind.
  std::vector<float> floats(std::string_view name) const;
  std::vector<int64_t> integers(std::string_view name) const;

 private:
  fs::path path_;
  MappedFile file_;
  std::vector<TensorView> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
  std::map<std::string, std::string> metadata_;
};

/// Copies float elements of any float type into `out` (view.size() elements). Throws kData for
/// integer tensors.
void copy_floats(const TensorView& view, float* out);

/// A tensor to write. The bytes are read when write_safetensors runs.
struct TensorSource {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  const void* data = nullptr;
};

/// Writes a file atomically. The same tensors and metadata give the same bytes: data lies in the
/// order given, aligned to 64 bytes at its start; metadata keys are sorted.
void write_safetensors(const fs::path& path, std::span<const TensorSource> tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace hat::tensor

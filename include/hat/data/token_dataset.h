#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "hat/base/file.h"

/// Binary corpora: sentence pairs, or labelled texts, as token ids that are mapped into memory.
///
/// PREFIX.idx (little endian): 8 bytes magic "HATIDX\0\0", u32 version (1), u32 kind (0 pairs, 1
/// labelled), u32 bytes a token (2 or 4), u32 source vocabulary, u32 target vocabulary (labels: the
/// number of classes), u32 reserved, u64 count, u64 tokens, u64 content hash, u64 hash of the bytes
/// that follow; then u64 offsets[count + 1] and u32 source_lengths[count]. PREFIX.bin: the tokens;
/// pair i takes elements offsets[i] to offsets[i + 1], its source first. Sentences end with eos;
/// the "target" of a labelled text is one number, its label.
namespace hat::data {

/// Ids of the special tokens, the same in every hat model.
inline constexpr int kBos = 0;
inline constexpr int kPad = 1;
inline constexpr int kEos = 2;
inline constexpr int kUnk = 3;
inline constexpr int kFirstPiece = 4;

enum class DatasetKind : uint32_t { kPairs = 0, kLabelled = 1 };

/// A read-only view of ids stored with 2 or 4 bytes each.
class TokenSpan {
 public:
  TokenSpan(const std::byte* data, size_t size, int width)
      : data_(data), size_(size), width_(width) {}
  size_t size() const { return size_; }
  int operator[](size_t i) const {
    if (width_ == 2) {
      uint16_t id;
      std::memcpy(&id, data_ + 2 * i, 2);
      return id;
    }
    uint32_t id;
    std::memcpy(&id, data_ + 4 * i, 4);
    return static_cast<int>(id);
  }
  std::vector<int> to_vector() const;

 private:
  const std::byte* data_;
  size_t size_;
  int width_;
};

/// A corpus on disk. Cheap to copy (the map is shared); reading is thread-safe.
class TokenDataset {
 public:
  /// Opens PREFIX.bin and PREFIX.idx and checks magic, version, hashes, sizes and offsets; throws
  /// kIo or kData naming the file.
  static TokenDataset open(const fs::path& prefix);

  size_t size() const { return count_; }
  DatasetKind kind() const { return kind_; }
  TokenSpan source(size_t i) const;
  TokenSpan target(size_t i) const;
  /// Lengths in tokens, the final eos included.
  int source_length(size_t i) const { return static_cast<int>(source_lengths_[i]); }
  int target_length(size_t i) const {
    return static_cast<int>(offsets_[i + 1] - offsets_[i] - source_lengths_[i]);
  }
  /// kLabelled only.
  int label(size_t i) const { return target(i)[0]; }

  int source_vocabulary() const { return source_vocabulary_; }
  /// Of a labelled set: the number of classes.
  int target_vocabulary() const { return target_vocabulary_; }
  uint64_t total_tokens() const { return tokens_; }
  /// Hash of the content: two corpora with the same one hold the same tokens in the same order.
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  std::shared_ptr<const MappedFile> tokens_file_;
  std::shared_ptr<const MappedFile> index_file_;
  const uint64_t* offsets_ = nullptr;
  const uint32_t* source_lengths_ = nullptr;
  size_t count_ = 0;
  DatasetKind kind_ = DatasetKind::kPairs;
  int width_ = 2;
  int source_vocabulary_ = 0;
  int target_vocabulary_ = 0;
  uint64_t tokens_ = 0;
  uint64_t fingerprint_ = 0;
};

/// Writes a corpus sentence by sentence: 12 bytes of memory a pair. Without finish() nothing is
/// left.
class TokenDatasetWriter {
 public:
  TokenDatasetWriter(const fs::path& prefix, DatasetKind kind, int source_vocabulary,
                     int target_vocabulary);
  /// Ids as they shall be stored: with the final eos. For labelled sets `target` is {label}.
  void add(const std::vector<int>& source, const std::vector<int>& target);
  size_t size() const { return source_lengths_.size(); }
  uint64_t fingerprint() const;
  void finish();

 private:
  void append(const std::vector<int>& ids, int vocabulary);
  fs::path prefix_;
  DatasetKind kind_;
  int source_vocabulary_;
  int target_vocabulary_;
  int width_;
  AtomicFile tokens_;
  std::vector<uint64_t> offsets_ = {0};
  std::vector<uint32_t> source_lengths_;
  uint64_t hash_;
};

}  // namespace hat::data

#include "hat/data/token_dataset.h"

#include <algorithm>
#include <array>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::data {
namespace {

constexpr char kMagic[8] = {'H', 'A', 'T', 'I', 'D', 'X', 0, 0};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kHashSeed = 0xcbf29ce484222325ULL;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t kind;
  uint32_t width;
  uint32_t source_vocabulary;
  uint32_t target_vocabulary;
  uint32_t reserved;
  uint64_t count;
  uint64_t tokens;
  uint64_t content_hash;
  uint64_t index_hash;
};
static_assert(sizeof(Header) == 64);

fs::path with_suffix(const fs::path& prefix, const char* suffix) {
  fs::path path = prefix;
  path += suffix;
  return path;
}

// One multiply a word: a check against damaged files, not against forgery.
uint64_t hash_words(uint64_t hash, const std::byte* data, size_t size) {
  size_t i = 0;
  for (; i + 4 <= size; i += 4) {
    uint32_t word;
    std::memcpy(&word, data + i, 4);
    hash = (hash ^ word) * 0x100000001b3ULL;
    hash ^= hash >> 29;
  }
  for (; i < size; ++i) hash = (hash ^ static_cast<uint8_t>(data[i])) * 0x100000001b3ULL;
  return hash;
}

uint64_t hash_index(const std::byte* offsets, size_t offset_bytes, const std::byte* lengths,
                    size_t length_bytes) {
  return hash_words(hash_words(kHashSeed, offsets, offset_bytes), lengths, length_bytes);
}

[[noreturn]] void damaged(const fs::path& path, const std::string& what) {
  fail(ErrorKind::kData, str(path.string(), ": ", what),
       "The file is damaged or was not written by hat; run hat prepare again.");
}

Header read_header(const fs::path& path, const MappedFile& file) {
  Header header;
  if (file.size() < sizeof(header)) damaged(path, "too short for a corpus index");
  std::memcpy(&header, file.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    damaged(path, "is not a corpus index");
  }
  HAT_CHECK(header.version == kVersion, ErrorKind::kData,
            str(path.string(), ": corpus index of version ", header.version, ", this hat reads ",
                kVersion),
            "Run hat prepare again with this version.");
  if (header.kind > 1) damaged(path, str("unknown kind ", header.kind));
  if (header.width != 2 && header.width != 4) {
    damaged(path, str("tokens of ", header.width, " bytes"));
  }
  constexpr uint64_t kMost = uint64_t{1} << 40;
  if (header.count > kMost / 16 || header.tokens > kMost) damaged(path, "impossible sizes");
  if (header.source_vocabulary > (1u << 30) || header.target_vocabulary > (1u << 30)) {
    damaged(path, "impossible vocabulary sizes");
  }
  return header;
}

}  // namespace

std::vector<int> TokenSpan::to_vector() const {
  std::vector<int> ids(size_);
  for (size_t i = 0; i < size_; ++i) ids[i] = (*this)[i];
  return ids;
}

TokenDataset TokenDataset::open(const fs::path& prefix) {
  const fs::path index_path = with_suffix(prefix, ".idx");
  const fs::path tokens_path = with_suffix(prefix, ".bin");
  HAT_CHECK(fs::exists(index_path), ErrorKind::kIo, str("no prepared corpus ", index_path.string()),
            "Run hat prepare first.");
  HAT_CHECK(fs::exists(tokens_path), ErrorKind::kIo,
            str("no prepared corpus ", tokens_path.string()), "Run hat prepare first.");
  TokenDataset d;
  d.index_file_ = std::make_shared<MappedFile>(index_path);
  d.tokens_file_ = std::make_shared<MappedFile>(tokens_path);
  const Header header = read_header(index_path, *d.index_file_);

  const size_t offset_bytes = (header.count + 1) * sizeof(uint64_t);
  const size_t length_bytes = header.count * sizeof(uint32_t);
  if (d.index_file_->size() != sizeof(Header) + offset_bytes + length_bytes) {
    damaged(index_path, str("has ", d.index_file_->size(), " bytes, ", header.count,
                            " sentences need ", sizeof(Header) + offset_bytes + length_bytes));
  }
  if (d.tokens_file_->size() != header.tokens * header.width) {
    damaged(tokens_path, str("has ", d.tokens_file_->size(), " bytes, the index says ",
                             header.tokens * header.width));
  }
  const std::byte* offsets = d.index_file_->data() + sizeof(Header);
  const std::byte* lengths = offsets + offset_bytes;
  if (hash_index(offsets, offset_bytes, lengths, length_bytes) != header.index_hash) {
    damaged(index_path, "checksum does not match");
  }
  d.offsets_ = reinterpret_cast<const uint64_t*>(offsets);
  d.source_lengths_ = reinterpret_cast<const uint32_t*>(lengths);
  d.count_ = header.count;
  d.kind_ = static_cast<DatasetKind>(header.kind);
  d.width_ = static_cast<int>(header.width);
  d.source_vocabulary_ = static_cast<int>(header.source_vocabulary);
  d.target_vocabulary_ = static_cast<int>(header.target_vocabulary);
  d.tokens_ = header.tokens;
  d.fingerprint_ = header.content_hash;
  // The checksum finds accidents; these find a file that was made to do harm.
  if (d.offsets_[0] != 0 || d.offsets_[d.count_] != header.tokens) {
    damaged(index_path, "offsets do not span the tokens");
  }
  for (size_t i = 0; i < d.count_; ++i) {
    if (d.offsets_[i + 1] < d.offsets_[i] ||
        d.offsets_[i + 1] - d.offsets_[i] < uint64_t{d.source_lengths_[i]} + 1 ||
        d.source_lengths_[i] == 0 || d.offsets_[i + 1] - d.offsets_[i] > (uint64_t{1} << 30)) {
      damaged(index_path, str("sentence ", i, " has impossible bounds"));
    }
  }
  return d;
}

TokenSpan TokenDataset::source(size_t i) const {
  HAT_DCHECK(i < count_);
  return {tokens_file_->data() + offsets_[i] * static_cast<size_t>(width_), source_lengths_[i],
          width_};
}

TokenSpan TokenDataset::target(size_t i) const {
  HAT_DCHECK(i < count_);
  const uint64_t begin = offsets_[i] + source_lengths_[i];
  return {tokens_file_->data() + begin * static_cast<size_t>(width_), offsets_[i + 1] - begin,
          width_};
}

TokenDatasetWriter::TokenDatasetWriter(const fs::path& prefix, DatasetKind kind,
                                       int source_vocabulary, int target_vocabulary)
    : prefix_(prefix),
      kind_(kind),
      source_vocabulary_(source_vocabulary),
      target_vocabulary_(target_vocabulary),
      width_(std::max(source_vocabulary, target_vocabulary) <= 65536 ? 2 : 4),
      tokens_(with_suffix(prefix, ".bin")),
      hash_(kHashSeed) {}

void TokenDatasetWriter::append(const std::vector<int>& ids, int vocabulary) {
  std::array<std::byte, 4> bytes;
  for (int id : ids) {
    HAT_DCHECK(id >= 0 && id < vocabulary);
    if (width_ == 2) {
      const uint16_t narrow = static_cast<uint16_t>(id);
      std::memcpy(bytes.data(), &narrow, 2);
    } else {
      const uint32_t wide = static_cast<uint32_t>(id);
      std::memcpy(bytes.data(), &wide, 4);
    }
    tokens_.write(bytes.data(), static_cast<size_t>(width_));
    hash_ = (hash_ ^ static_cast<uint64_t>(id)) * 0x100000001b3ULL;
    hash_ ^= hash_ >> 29;
  }
}

void TokenDatasetWriter::add(const std::vector<int>& source, const std::vector<int>& target) {
  HAT_DCHECK(!source.empty() && !target.empty());
  HAT_DCHECK(kind_ == DatasetKind::kPairs || target.size() == 1);
  append(source, source_vocabulary_);
  append(target, target_vocabulary_);
  offsets_.push_back(offsets_.back() + source.size() + target.size());
  source_lengths_.push_back(static_cast<uint32_t>(source.size()));
  // A boundary is content too: the same tokens cut elsewhere are another corpus.
  hash_ = (hash_ ^ (source.size() << 32 ^ target.size())) * 0x100000001b3ULL;
}

uint64_t TokenDatasetWriter::fingerprint() const { return hash_; }

void TokenDatasetWriter::finish() {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.kind = static_cast<uint32_t>(kind_);
  header.width = static_cast<uint32_t>(width_);
  header.source_vocabulary = static_cast<uint32_t>(source_vocabulary_);
  header.target_vocabulary = static_cast<uint32_t>(target_vocabulary_);
  header.count = source_lengths_.size();
  header.tokens = offsets_.back();
  header.content_hash = hash_;
  const size_t offset_bytes = offsets_.size() * sizeof(uint64_t);
  const size_t length_bytes = source_lengths_.size() * sizeof(uint32_t);
  header.index_hash =
      hash_index(reinterpret_cast<const std::byte*>(offsets_.data()), offset_bytes,
                 reinterpret_cast<const std::byte*>(source_lengths_.data()), length_bytes);
  AtomicFile index(with_suffix(prefix_, ".idx"));
  index.write(&header, sizeof(header));
  index.write(offsets_.data(), offset_bytes);
  index.write(source_lengths_.data(), length_bytes);
  tokens_.commit();
  index.commit();
}

}  // namespace hat::data

#include "text/normalizer.h"

#include <cstring>

#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/base/unicode.h"

namespace hat::text {
namespace {

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr size_t kMaxMatches = 32;  // as many rules as the library looks at

// The packing of darts-clone's units (Yata, 2008): label, offset and whether a value follows.
uint32_t unit_label(uint32_t unit) { return unit & ((uint32_t{1} << 31) | 0xFF); }
uint32_t unit_offset(uint32_t unit) { return (unit >> 10) << ((unit & (uint32_t{1} << 9)) >> 6); }
bool unit_has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t unit_value(uint32_t unit) { return unit & ((uint32_t{1} << 31) - 1); }

}  // namespace

Normalizer::Normalizer(const ModelProto& model, PieceTrie protected_pieces,
                       const std::string& origin)
    : protected_(std::move(protected_pieces)),
      add_dummy_prefix_(model.add_dummy_prefix),
      remove_extra_white_space_(model.remove_extra_white_space),
      escape_white_space_(model.escape_white_space) {
  if (!model.charsmap.empty()) load_table(model.charsmap, origin);
  for (size_t c = 0; c < plain_.size(); ++c) {
    const char byte = static_cast<char>(c);
    const size_t node = units_.empty() ? 0 : unit_offset(units_[0]) ^ c;
    const bool starts_rule =
        !units_.empty() && node < units_.size() && unit_label(units_[node]) == c;
    plain_[c] = !starts_rule && c != ' ' && !protected_.starts_with({&byte, 1});
  }
}

void Normalizer::load_table(std::string_view charsmap, const std::string& origin) {
  const auto check = [&](bool good) {
    HAT_CHECK(good, ErrorKind::kData,
              str(origin, ": the tokenizer's normalisation table is damaged"),
              "Run hat prepare again, or take the model file from its source again.");
  };
  uint32_t trie_bytes = 0;
  check(charsmap.size() > sizeof(trie_bytes));
  std::memcpy(&trie_bytes, charsmap.data(), sizeof(trie_bytes));
  charsmap.remove_prefix(sizeof(trie_bytes));
  check(trie_bytes >= sizeof(uint32_t) && trie_bytes % sizeof(uint32_t) == 0 &&
        trie_bytes < charsmap.size());
  units_.resize(trie_bytes / sizeof(uint32_t));
  std::memcpy(units_.data(), charsmap.data(), trie_bytes);
  replacements_.assign(charsmap.substr(trie_bytes));
  // Every replacement is read up to its zero byte.
  check(replacements_.back() == '\0');
}

Normalizer::Prefix Normalizer::normalize_prefix(std::string_view text) const {
  const uint8_t first = static_cast<uint8_t>(text.front());
  if (first < 0x80 && plain_[first]) return {text.substr(0, 1), 1};
  const size_t kept = protected_.longest_prefix(text);
  if (kept > 0) return {text.substr(0, kept), kept};

  size_t longest = 0;
  size_t value = 0;
  if (!units_.empty()) {
    size_t node = unit_offset(units_[0]);
    size_t matches = 0;
    for (size_t i = 0; i < text.size() && matches < kMaxMatches; ++i) {
      const uint8_t byte = static_cast<uint8_t>(text[i]);
      node ^= byte;
      if (node >= units_.size() || unit_label(units_[node]) != byte) break;
      const bool leaf = unit_has_leaf(units_[node]);
      node ^= unit_offset(units_[node]);
      if (leaf && node < units_.size()) {
        longest = i + 1;
        value = unit_value(units_[node]);
        ++matches;
      }
    }
  }
  // A value beyond the strings comes from a damaged table only; the text then stays as it is.
  if (longest > 0 && value < replacements_.size()) {
    return {std::string_view(replacements_.data() + value), longest};
  }
  size_t length = 0;
  const char32_t code = next_code_point(text, &length);
  if (code == 0xFFFD && length == 1) return {kReplacement, 1};
  return {text.substr(0, length), length};
}

std::string Normalizer::normalize(std::string_view text) const {
  if (remove_extra_white_space_) {
    while (!text.empty()) {
      const Prefix p = normalize_prefix(text);
      if (p.replacement != " ") break;
      text.remove_prefix(p.consumed);
    }
  }
  std::string out;
  if (text.empty()) return out;
  const std::string_view space = escape_white_space_ ? kSpaceSymbol : std::string_view(" ");
  out.reserve(text.size() + text.size() / 2 + 8);
  if (add_dummy_prefix_) out += space;
  bool after_space = remove_extra_white_space_;
  while (!text.empty()) {
    const Prefix p = normalize_prefix(text);
    std::string_view piece = p.replacement;
    while (after_space && !piece.empty() && piece.front() == ' ') piece.remove_prefix(1);
    if (!piece.empty()) {
      for (char c : piece) {
        if (c == ' ') {
          out += space;
        } else {
          out += c;
        }
      }
      after_space = piece.back() == ' ';
    }
    if (!remove_extra_white_space_) after_space = false;
    text.remove_prefix(p.consumed);
  }
  if (remove_extra_white_space_) {
    while (out.ends_with(space)) out.resize(out.size() - space.size());
  }
  return out;
}

}  // namespace hat::text

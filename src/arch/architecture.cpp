#include "hat/arch/architecture.h"

#include <algorithm>
#include <cstdio>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"

namespace hat::arch {
namespace {

constexpr int kMaxLayers = 64;
constexpr int kMaxWidth = 1 << 16;

void check_width(int value, const std::string& origin, const std::string& what) {
  HAT_CHECK(value >= 1 && value <= kMaxWidth, ErrorKind::kConfig,
            str(origin, ": ", what, " must be 1 to ", kMaxWidth, " (got ", value, ")"));
}

void check_attention(int heads, int qkv_dim, const std::string& origin, const std::string& what) {
  check_width(qkv_dim, origin, what + " qkv width");
  HAT_CHECK(heads >= 1 && qkv_dim % heads == 0, ErrorKind::kConfig,
            str(origin, ": ", what, ": ", heads, " heads do not divide the qkv width ", qkv_dim));
}

}  // namespace

std::string canonical_text(const Architecture& a) {
  std::string text =
      str(a.family == Family::kSeq2Seq ? "seq2seq" : "encoder", " e", a.encoder_embed_dim);
  for (const EncoderLayer& l : a.encoder) text += str("|", l.ffn_dim, ",", l.qkv_dim, "/", l.heads);
  if (a.family == Family::kEncoder) return text;
  text += str(" d", a.decoder_embed_dim);
  for (const DecoderLayer& l : a.decoder) {
    text += str("|", l.ffn_dim, ",", l.self_qkv_dim, "/", l.self_heads, ",", l.cross_qkv_dim, "/",
                l.cross_heads, "x", l.cross_span);
  }
  return text;
}

std::string architecture_id(const Architecture& architecture) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx",
                static_cast<unsigned long long>(hash64(canonical_text(architecture))));
  return digits;
}

void check(const Architecture& a, const std::string& origin) {
  check_width(a.encoder_embed_dim, origin, "encoder embed_dim");
  HAT_CHECK(
      !a.encoder.empty() && a.encoder.size() <= kMaxLayers, ErrorKind::kConfig,
      str(origin, ": an encoder has 1 to ", kMaxLayers, " layers (got ", a.encoder.size(), ")"));
  for (size_t i = 0; i < a.encoder.size(); ++i) {
    const std::string where = str("encoder layer ", i);
    check_width(a.encoder[i].ffn_dim, origin, where + " ffn_dim");
    check_attention(a.encoder[i].heads, a.encoder[i].qkv_dim, origin, where);
  }
  if (a.family == Family::kEncoder) {
    HAT_CHECK(a.decoder.empty() && a.decoder_embed_dim == 0, ErrorKind::kConfig,
              str(origin, ": an encoder-only network has no decoder"));
    return;
  }
  check_width(a.decoder_embed_dim, origin, "decoder embed_dim");
  HAT_CHECK(
      !a.decoder.empty() && a.decoder.size() <= kMaxLayers, ErrorKind::kConfig,
      str(origin, ": a decoder has 1 to ", kMaxLayers, " layers (got ", a.decoder.size(), ")"));
  for (size_t i = 0; i < a.decoder.size(); ++i) {
    const DecoderLayer& layer = a.decoder[i];
    const std::string where = str("decoder layer ", i);
    check_width(layer.ffn_dim, origin, where + " ffn_dim");
    check_attention(layer.self_heads, layer.self_qkv_dim, origin, where + " self-attention");
    check_attention(layer.cross_heads, layer.cross_qkv_dim, origin, where + " cross-attention");
    HAT_CHECK(layer.cross_span >= 1 && layer.cross_span <= 3, ErrorKind::kConfig,
              str(origin, ": ", where, " cross_span must be 1 to 3 (got ", layer.cross_span, ")"));
  }
}

std::string draw(const Architecture& a) {
  const auto bar = [](int value) {
    return std::string(static_cast<size_t>(std::clamp(value / 64, 1, 48)), '#');
  };
  const auto pad = [](const std::string& text, size_t width) {
    return text + std::string(text.size() < width ? width - text.size() : 1, ' ');
  };
  std::string out =
      str("encoder  width ", a.encoder_embed_dim, ", ", a.encoder.size(), " layers\n");
  for (size_t i = 0; i < a.encoder.size(); ++i) {
    const EncoderLayer& l = a.encoder[i];
    out += str("  ", pad(str(i), 3), pad(str("heads ", l.heads, " x ", l.qkv_dim / l.heads), 16),
               pad("", 34), "ffn ", pad(str(l.ffn_dim), 6), bar(l.ffn_dim), "\n");
  }
  if (a.family == Family::kEncoder) return out;
  out += str("decoder  width ", a.decoder_embed_dim, ", ", a.decoder.size(), " layers\n");
  for (size_t i = 0; i < a.decoder.size(); ++i) {
    const DecoderLayer& l = a.decoder[i];
    const std::string span =
        l.cross_span == 1 ? "last layer" : str("last ", l.cross_span, " layers");
    out += str(
        "  ", pad(str(i), 3),
        pad(str("heads ", l.self_heads, " x ", l.self_qkv_dim / l.self_heads), 16),
        pad(str("cross ", l.cross_heads, " x ", l.cross_qkv_dim / l.cross_heads, " over ", span),
            34),
        "ffn ", pad(str(l.ffn_dim), 6), bar(l.ffn_dim), "\n");
  }
  return out;
}

}  // namespace hat::arch

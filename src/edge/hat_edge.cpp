#include "hat/edge/hat_edge.h"

#include <exception>
#include <string>
#include <vector>

#include "hat/base/error.h"
#include "hat/edge/text_translator.h"

struct hat_edge_translator {
  hat_edge_translator(const char* path, int threads)
      : translator(hat::edge::Model::load(path), threads) {}
  hat::edge::TextTranslator translator;
  std::vector<hat::edge::TextResult> results;
};

namespace {

thread_local std::string last_error;

/// Runs `body`; `failure` and a text for hat_edge_last_error() when it throws.
template <class T, class F>
T guarded(T failure, F&& body) noexcept {
  try {
    return body();
  } catch (const hat::Error& error) {
    last_error = error.message();
    if (!error.hint().empty()) last_error += " (" + error.hint() + ")";
  } catch (const std::exception& error) {
    last_error = error.what();
  } catch (...) {
    last_error = "unknown error";
  }
  return failure;
}

const hat::edge::TextResult* result_at(const hat_edge_translator* translator, int index) {
  if (translator == nullptr || index < 0) return nullptr;
  const auto position = static_cast<size_t>(index);
  return position < translator->results.size() ? &translator->results[position] : nullptr;
}

}  // namespace

extern "C" {

int hat_edge_api_version(void) { return HAT_EDGE_API_VERSION; }

hat_edge_options hat_edge_default_options(void) {
  const hat::edge::TranslateOptions defaults;
  return {defaults.beam, defaults.n_best, defaults.length_penalty, defaults.max_length_b, 0, 1};
}

hat_edge_translator* hat_edge_open(const char* path, int threads) {
  return guarded<hat_edge_translator*>(nullptr, [&] {
    HAT_CHECK(path != nullptr, hat::ErrorKind::kUsage, "the path is NULL");
    return new hat_edge_translator(path, threads);
  });
}

int hat_edge_translate(hat_edge_translator* translator, const char* text,
                       const hat_edge_options* options) {
  return guarded(-1, [&] {
    HAT_CHECK(translator != nullptr && text != nullptr, hat::ErrorKind::kUsage,
              "translator or text is NULL");
    translator->results.clear();
    const hat_edge_options used = options != nullptr ? *options : hat_edge_default_options();
    hat::edge::TextOptions wanted;
    wanted.translate.beam = used.beam;
    wanted.translate.n_best = used.n_best;
    wanted.translate.length_penalty = used.length_penalty;
    wanted.translate.max_length_b = used.max_length;
    wanted.translate.alignment = used.alignment != 0;
    wanted.translate.shortlist = used.shortlist != 0;
    translator->results = translator->translator.translate({text}, wanted).front();
    return static_cast<int>(translator->results.size());
  });
}

const char* hat_edge_text(const hat_edge_translator* translator, int index) {
  const auto* result = result_at(translator, index);
  return result != nullptr ? result->text.c_str() : nullptr;
}

const char* hat_edge_alignment(const hat_edge_translator* translator, int index) {
  const auto* result = result_at(translator, index);
  return result != nullptr ? result->alignment.c_str() : nullptr;
}

float hat_edge_score(const hat_edge_translator* translator, int index) {
  const auto* result = result_at(translator, index);
  return result != nullptr ? result->score : 0.0f;
}

const char* hat_edge_model_id(const hat_edge_translator* translator) {
  return translator != nullptr ? translator->translator.model().id().c_str() : nullptr;
}

void hat_edge_close(hat_edge_translator* translator) { delete translator; }

const char* hat_edge_last_error(void) { return last_error.c_str(); }
}

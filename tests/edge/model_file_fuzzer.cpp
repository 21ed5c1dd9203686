// libFuzzer target for model files (needs clang; see docs/format.md):
//   cmake -B build-fuzz -DCMAKE_CXX_COMPILER=clang++ -DHAT_WITH_TORCH=OFF -DHAT_FUZZ=ON
//         -DHAT_SANITIZE=fuzzer-no-link,address,undefined
//   cmake --build build-fuzz --target hat_model_fuzzer && build-fuzz/bin/hat_model_fuzzer CORPUS
// A corpus: any small model.hat (hat-run bench --arch FILE --vocab 300 --save CORPUS/model.hat).
#include <cstddef>
#include <cstdint>
#include <span>

#include "hat/base/error.h"
#include "hat/edge/model.h"
#include "hat/edge/text_translator.h"
#include "hat/edge/translator.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hat::edge;
  try {
    const auto model =
        Model::from_bytes(aligned_copy({reinterpret_cast<const std::byte*>(data), size}), "fuzzed");
    TranslateOptions options;
    options.beam = 2;
    options.max_length_b = 3;
    options.alignment = true;
    Translator(model).translate({model->vocabulary().source - 1, 2}, options);
    TextOptions text;
    text.translate = options;
    TextTranslator(model, 1).translate({"fuzz", "", "\xff\xfe"}, text);
  } catch (const hat::Error&) {
    // Refused with a message: what a damaged file is owed.
  }
  return 0;
}

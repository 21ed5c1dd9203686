#include "hat/edge/model_file.h"

#include <gtest/gtest.h>

#include "edge/mutations.h"
#include "edge/small_models.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"
#include "hat/edge/bench.h"
#include "hat/edge/text_translator.h"
#include "hat/edge/translator.h"
#include "testing/temporary_folder.h"

namespace hat::edge {
namespace {

using testing::letter_tokenizer;
using testing::small_model;
using testing::small_spec;

/// A model that uses every part of the format.
ModelSpec full_spec(arch::Precision precision = arch::Precision::kInt8) {
  ModelSpec spec = small_spec(precision);
  spec.options.pre_norm = true;
  spec.source_tokenizer = letter_tokenizer();
  spec.shortlist.always = {0, 1, 2, 3, 7, 9};
  for (uint32_t source = 0; source <= 70; ++source) spec.shortlist.offsets.push_back(source / 2);
  for (int i = 0; i < 35; ++i) spec.shortlist.candidates.push_back(10 + i);
  spec.alignment_heads = {{1, 0}};
  spec.config_json = R"({"beam": 4})";
  spec.provenance_json = R"({"commit": "abc"})";
  return spec;
}

std::vector<std::byte> bytes_of(const ModelSpec& spec) {
  const ModelBytes model = build_model(spec, random_tensor_source(spec, 3));
  return {model.bytes().begin(), model.bytes().end()};
}

/// Opens a damaged file and, if it is accepted, uses it. True when it was accepted. Anything but
/// acceptance or an Error of kind kData fails the test (or the sanitizers do).
bool survive(std::span<const std::byte> bytes) {
  try {
    const auto model = Model::from_bytes(aligned_copy(bytes), "damaged");
    TranslateOptions options;
    options.beam = 2;
    options.max_length_b = 3;
    options.alignment = true;
    Translator translator(model);
    const int words = std::min(model->vocabulary().source, 60);
    translator.translate({words - 1, words / 2, 2}, options);
    TextTranslator text(model, 1);
    TextOptions text_options;
    text_options.translate = options;
    text.translate({"the thing.", ""}, text_options);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData) << error.message();
    EXPECT_FALSE(error.message().empty());
    return false;
  }
}

void survive_mutations(int count, uint64_t seed) {
  std::vector<std::vector<std::byte>> files;
  for (const auto precision :
       {arch::Precision::kInt8, arch::Precision::kFp32, arch::Precision::kInt4})
    files.push_back(bytes_of(full_spec(precision)));
  int accepted = 0;
  for (int i = 0; i < count; ++i) {
    const auto& file = files[static_cast<size_t>(i) % files.size()];
    accepted += survive(testing::mutate(file, mix_seed(seed, static_cast<uint64_t>(i))));
  }
  // Both happen: flips in weights are harmless, those in tables are not.
  EXPECT_GT(accepted, count / 20);
  EXPECT_LT(accepted, count * 19 / 20);
}

TEST(ModelFile, KeepsWhatWasPutIn) {
  const ModelSpec spec = full_spec();
  const auto model = small_model(spec);
  EXPECT_EQ(model->architecture(), spec.architecture);
  EXPECT_EQ(model->options(), spec.options);
  EXPECT_EQ(model->vocabulary(), spec.vocabulary);
  EXPECT_EQ(model->precision(), arch::Precision::kInt8);
  EXPECT_EQ(model->source_tokenizer(), spec.source_tokenizer);
  EXPECT_EQ(model->target_tokenizer(), spec.source_tokenizer);
  EXPECT_TRUE(model->has_shortlist());
  EXPECT_EQ(model->config_json(), spec.config_json);
  EXPECT_EQ(model->provenance_json(), spec.provenance_json);
  EXPECT_EQ(model->id().size(), 16U);
}

TEST(ModelFile, IdChangesWithTheNetwork) {
  auto spec = small_spec();
  const std::string id = small_model(spec)->id();
  EXPECT_EQ(small_model(spec)->id(), id);
  EXPECT_NE(small_model(spec, 6)->id(), id);
  spec.precision = arch::Precision::kFp32;
  EXPECT_NE(small_model(spec)->id(), id);
}

TEST(ModelFile, DescribesItself) {
  const auto path = fs::path(::testing::TempDir()) / "describe.hat";
  const ModelSpec spec = full_spec();
  build_model_file(spec, random_tensor_source(spec, 3), path);
  const auto text = config::Json::parse(describe_model_file(path));
  EXPECT_EQ(text["precision"], "int8");
  EXPECT_EQ(text["config"]["beam"], 4);
  EXPECT_EQ(text["provenance"]["commit"], "abc");
  EXPECT_EQ(text["file_bytes"], fs::file_size(path));
  EXPECT_EQ(arch::architecture_from_json(text["architecture"], "text"), spec.architecture);
  fs::remove(path);
}

TEST(ModelFile, SizesShrinkWithThePrecision) {
  auto spec = small_spec(arch::Precision::kFp32);
  spec.architecture.encoder_embed_dim = spec.architecture.decoder_embed_dim = 256;
  for (auto& layer : spec.architecture.encoder) layer = {1024, 4, 256};
  for (auto& layer : spec.architecture.decoder) layer = {1024, 4, 256, 4, 256, 1};
  spec.vocabulary = {8000, 8000};
  const auto size = [&](arch::Precision precision) {
    spec.precision = precision;
    return static_cast<double>(bytes_of(spec).size());
  };
  const double full = size(arch::Precision::kFp32);
  EXPECT_LE(size(arch::Precision::kInt8) / full, 0.27);
  EXPECT_LE(size(arch::Precision::kInt4) / full, 0.16);
}

TEST(ModelFile, RefusesTensorsOfAnotherNetwork) {
  const ModelSpec spec = small_spec();
  auto other = spec;
  other.architecture.encoder[1].ffn_dim = 34;
  EXPECT_THROW(build_model(spec, random_tensor_source(other, 1)), Error);
  const auto good = random_tensor_source(spec, 1);
  std::vector<float> broken;
  const TensorSource with_nan = [&](const std::string& name) {
    const auto view = good(name);
    broken.assign(view.values.begin(), view.values.end());
    broken.back() = std::numeric_limits<float>::quiet_NaN();
    return TensorView{broken, view.shape};
  };
  EXPECT_THROW(build_model(spec, with_nan), Error);
}

TEST(ModelFile, RefusesWhatIsNoModelFile) {
  const std::string text(200, 'x');
  EXPECT_FALSE(survive({reinterpret_cast<const std::byte*>(text.data()), text.size()}));
  EXPECT_FALSE(survive({}));
  EXPECT_THROW(Model::open("/nonexistent/model.hat"), Error);
}

TEST(ModelFile, LoadedAndMappedAreTheSame) {
  ModelSpec spec = small_spec();
  spec.vocabulary = {90'000, 90'000};  // large enough for huge pages
  const hat::testing::TemporaryFolder folder;
  build_model_file(spec, random_tensor_source(spec, 1), folder / "model.hat");
  const auto mapped = Model::open(folder / "model.hat");
  const auto loaded = Model::load(folder / "model.hat");
  ASSERT_GT(mapped->file_bytes(), size_t{4} << 20);
  EXPECT_EQ(loaded->id(), mapped->id());
  EXPECT_EQ(loaded->file_bytes(), mapped->file_bytes());
  TranslateOptions options;
  options.max_length_b = 10;
  const auto translate = [&](const std::shared_ptr<const Model>& model) {
    return Translator(model, 1).translate({7, 80'000, 9}, options).at(0).tokens;
  };
  EXPECT_EQ(translate(loaded), translate(mapped));
}

TEST(ModelFile, EveryTruncationIsRefused) {
  const auto file = bytes_of(full_spec());
  for (size_t size = 0; size < file.size(); size += 1 + size / 7)
    EXPECT_FALSE(survive({file.data(), size})) << size;
}

TEST(ModelFile, SurvivesDamage) { survive_mutations(400, 1); }
TEST(SlowModelFile, SurvivesTwentyThousandDamages) { survive_mutations(20'000, 2); }

}  // namespace
}  // namespace hat::edge

#include "hat/train/checkpoint.h"

#include <ATen/ATen.h>

#include <array>
#include <bit>
#include <cstring>
#include <map>

#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "hat/tensor/safetensors.h"

namespace hat::train {
namespace {

constexpr int kFormat = 2;

// Four multiply-rotate chains side by side over 8-byte words: fast enough for hundreds of megabytes
// at every checkpoint. Guards against damage, not against intent.
uint64_t content_hash(const void* data, size_t size, uint64_t seed) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  uint64_t lanes[4] = {seed, seed + 1, seed + 2, seed + 3};
  size_t at = 0;
  for (; at + 32 <= size; at += 32) {
    for (int lane = 0; lane < 4; ++lane) {
      uint64_t word;
      std::memcpy(&word, bytes + at + 8 * lane, 8);
      lanes[lane] = std::rotl((lanes[lane] ^ word) * 0x9E3779B97F4A7C15, 29);
    }
  }
  uint64_t hash = size;
  for (uint64_t lane : lanes) hash = mix_seed(hash, lane);
  for (; at < size; ++at) hash = mix_seed(hash, bytes[at]);
  return hash;
}

std::string hex(uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (int i = 15; i >= 0; --i, value >>= 4) text[i] = kDigits[value & 15];
  return text;
}

void restore(const tensor::SafetensorsFile& file, const std::string& name, float* out,
             size_t values) {
  const tensor::TensorView& view = file.at(name);
  HAT_CHECK(view.dtype == tensor::DType::kF32 && static_cast<size_t>(view.size()) == values,
            ErrorKind::kData,
            str(file.path().string(), ": tensor '", name, "' holds ", view.size(),
                " values where the network needs ", values),
            "The checkpoint belongs to another network; start anew with --restart.");
  tensor::copy_floats(view, out);
}

// The averages and the names of their tensors.
template <class Any>  // Averages, const or not
auto named(Any& averages) {
  return std::array{std::pair{"average", &averages.validated},
                    std::pair{"moving_average", &averages.moving}};
}

// Everything is read and checked before the caller's buffers change.
TrainState load_file(const fs::path& path, const config::OrderedJson& settings,
                     model::ParameterStore& parameters, Adam& adam, Averages& averages) {
  const tensor::SafetensorsFile file(path);
  const std::string origin = path.string();
  const auto text = [&](const std::string& key) {
    const auto found = file.metadata().find(key);
    HAT_CHECK(found != file.metadata().end(), ErrorKind::kData,
              str(origin, ": no '", key, "' in its metadata"));
    return found->second;
  };
  uint64_t hash = hash64(text("state") + text("settings"));
  for (const tensor::TensorView& view : file.tensors()) {
    hash = content_hash(view.data, view.bytes, hash);
  }
  HAT_CHECK(text("hash") == hex(hash), ErrorKind::kData,
            str(origin, ": the content does not match its hash"));
  const TrainState state = TrainState::from_json(config::parse_json(text("state"), origin), origin);
  const std::string changed = difference(config::Json::parse(settings.dump()),
                                         config::parse_json(text("settings"), origin));
  HAT_CHECK(changed.empty(), ErrorKind::kConfig,
            str(origin, ": the checkpoint was made with other settings: ", changed),
            "Set it back to go on with that run, or start anew with --restart.");

  const size_t values = static_cast<size_t>(parameters.values().numel());
  at::Tensor host = at::empty({static_cast<int64_t>(values)}, at::kFloat);
  restore(file, "parameters", host.data_ptr<float>(), values);
  restore(file, "adam.first", adam.first_moments().data(), values);
  restore(file, "adam.second", adam.second_moments().data(), values);
  const std::vector<int64_t> steps = file.integers("adam.steps");
  HAT_CHECK(steps.size() == adam.steps().size(), ErrorKind::kData,
            str(origin, ": step counts of ", steps.size(), " tensors where the network has ",
                adam.steps().size()));
  adam.steps() = steps;
  for (const auto& [name, average] : named(averages)) {
    average->clear();
    if (!file.has(name)) continue;
    average->resize(values);
    restore(file, name, average->data(), values);
  }
  parameters.values().copy_(host);
  parameters.values_changed();
  return state;
}

}  // namespace

config::OrderedJson TrainState::to_json() const {
  config::OrderedJson json;
  json["format"] = kFormat;
  json["update"] = update;
  json["cursor"] = cursor;
  json["total_updates"] = total_updates;
  json["warmup_updates"] = warmup_updates;
  json["learning_rate"] = learning_rate;
  json["schedule_is_final"] = schedule_is_final;
  json["limit_minutes"] = limit_minutes;
  json["precision"] = precision;
  json["split"] = split;
  json["elapsed_ms"] = elapsed_ms;
  json["target_tokens"] = target_tokens;
  json["next_validation"] = next_validation;
  if (best_loss) json["best_loss"] = *best_loss;
  if (patience_loss) json["patience_loss"] = *patience_loss;
  json["best_update"] = best_update;
  json["bad_validations"] = bad_validations;
  json["averaged"] = averaged;
  json["reordered"] = reordered;
  json["finished"] = finished;
  return json;
}

TrainState TrainState::from_json(const config::Json& json, const std::string& origin) {
  const int64_t format = config::get_int(json, "format", origin);
  HAT_CHECK(format == kFormat, ErrorKind::kData,
            str(origin, ": checkpoint format ", format, ", this program reads ", kFormat),
            "It was written by another version of hat; start anew with --restart.");
  const auto flag = [&](const char* key) {
    const config::Json& value = config::get_member(json, key, origin);
    HAT_CHECK(value.is_boolean(), ErrorKind::kData, str(origin, ": '", key, "' is no boolean"));
    return value.get<bool>();
  };
  TrainState state;
  state.update = config::get_int(json, "update", origin);
  state.cursor = config::get_string(json, "cursor", origin);
  state.total_updates = config::get_int(json, "total_updates", origin);
  state.warmup_updates = config::get_int(json, "warmup_updates", origin);
  state.learning_rate = config::get_double(json, "learning_rate", origin);
  state.schedule_is_final = flag("schedule_is_final");
  state.limit_minutes = config::get_double(json, "limit_minutes", origin);
  state.precision = config::get_string(json, "precision", origin);
  state.split = static_cast<int>(config::get_int(json, "split", origin));
  state.elapsed_ms = config::get_double(json, "elapsed_ms", origin);
  state.target_tokens = config::get_int(json, "target_tokens", origin);
  state.next_validation = config::get_int(json, "next_validation", origin);
  if (json.contains("best_loss")) state.best_loss = config::get_double(json, "best_loss", origin);
  if (json.contains("patience_loss"))
    state.patience_loss = config::get_double(json, "patience_loss", origin);
  state.best_update = config::get_int(json, "best_update", origin);
  state.bad_validations = static_cast<int>(config::get_int(json, "bad_validations", origin));
  state.averaged = static_cast<int>(config::get_int(json, "averaged", origin));
  state.reordered = flag("reordered");
  state.finished = flag("finished");
  return state;
}

std::string difference(const config::Json& now, const config::Json& then) {
  for (const auto& [key, value] : now.items()) {
    if (!then.contains(key)) return str(key, " is ", value.dump(), ", the checkpoint has none");
    if (then[key] != value) {
      return str(key, " is ", value.dump(), ", the checkpoint has ", then[key].dump());
    }
  }
  for (const auto& [key, value] : then.items()) {
    if (!now.contains(key)) return str(key, " is unset, the checkpoint has ", value.dump());
  }
  return "";
}

CheckpointStore::CheckpointStore(fs::path directory) : directory_(std::move(directory)) {}

bool CheckpointStore::exists() const { return fs::exists(latest()) || fs::exists(previous()); }

void CheckpointStore::save(const TrainState& state, const config::OrderedJson& settings,
                           const model::ParameterStore& parameters, Adam& adam,
                           const Averages& averages) const {
  ensure_directory(directory_);
  const at::Tensor host = parameters.values().cpu();
  const int64_t values = host.numel();
  std::vector<tensor::TensorSource> tensors = {
      {"parameters", tensor::DType::kF32, {values}, host.data_ptr<float>()},
      {"adam.first", tensor::DType::kF32, {values}, adam.first_moments().data()},
      {"adam.second", tensor::DType::kF32, {values}, adam.second_moments().data()},
      {"adam.steps",
       tensor::DType::kI64,
       {static_cast<int64_t>(adam.steps().size())},
       adam.steps().data()}};
  for (const auto& [name, average] : named(averages)) {
    if (!average->empty())
      tensors.push_back({name, tensor::DType::kF32, {values}, average->data()});
  }
  std::map<std::string, std::string> metadata = {{"state", state.to_json().dump()},
                                                 {"settings", settings.dump()}};
  uint64_t hash = hash64(metadata["state"] + metadata["settings"]);
  for (const tensor::TensorSource& source : tensors) {
    size_t bytes = tensor::dtype_size(source.dtype);
    for (int64_t extent : source.shape) bytes *= static_cast<size_t>(extent);
    hash = content_hash(source.data, bytes, hash);
  }
  metadata["hash"] = hex(hash);

  // The latest gets a second name before it is replaced, so that at every moment at least one good
  // checkpoint is there under the name of the latest.
  if (fs::exists(latest())) {
    const fs::path link = directory_ / "previous.new";
    std::error_code error;
    fs::remove(link, error);
    fs::create_hard_link(latest(), link, error);
    if (!error) fs::rename(link, previous(), error);
    if (error) log_debug("train", str("no second checkpoint: ", error.message()));
  }
  tensor::write_safetensors(latest(), tensors, metadata);
}

std::optional<TrainState> CheckpointStore::load(const config::OrderedJson& settings,
                                                model::ParameterStore& parameters, Adam& adam,
                                                Averages& averages) const {
  if (!exists()) return std::nullopt;
  try {
    return load_file(latest(), settings, parameters, adam, averages);
  } catch (const Error& damage) {
    if (damage.kind() == ErrorKind::kConfig) throw;
    TrainState state;
    try {
      state = load_file(previous(), settings, parameters, adam, averages);
    } catch (const Error&) {
      fail(ErrorKind::kData, damage.message(),
           str("Neither the latest nor the previous checkpoint in ", directory_.string(),
               " can be read. Start anew with --restart."));
    }
    log_warning("train", str(damage.message(), "; going on from the previous checkpoint (update ",
                             state.update, ")"));
    return state;
  }
}

void CheckpointStore::clear() const {
  std::error_code error;
  fs::remove(latest(), error);
  fs::remove(previous(), error);
}

}  // namespace hat::train

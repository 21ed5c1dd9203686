#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "latency/gp_model.h"
#include "latency/mlp_model.h"
#include "latency/model.h"

namespace hat::latency {

std::unique_ptr<Model> model_from_json(const config::Json& json, const std::string& origin) {
  const std::string kind = config::get_string(json, "kind", origin);
  if (kind == "linear") {
    return make_linear_model(linear_from_json(config::get_member(json, "linear", origin), origin));
  }
  if (kind == "gp") return gp_from_json(json, origin);
  if (kind == "mlp") return mlp_from_json(json, origin);
  fail(ErrorKind::kData, str(origin, ": unknown kind of model '", kind, "'"),
       "make the predictor again with 'hat train-predictor'");
}

}  // namespace hat::latency

// SPDX-License-Identifier: MIT
// A model from its checkpoint directory: configuration first, then weights by name.
#pragma once
#include <filesystem>

#include <modelgrow/checkpoint/model_io.hpp>

namespace modelgrow::inline v0 {

/// A model whose configuration can be read from config.json (`read_config` is found beside its Config).
template <class M>
concept Loadable = requires(typename M::Config c) {
  M(c);
  read_config(c, std::string_view(), std::string());
};

/// Builds M from config.json (or the metadata entry "config") and loads its weights strictly.
/// Throws io_error, format_error (missing, unexpected or misshapen tensors), shape_error.
template <Loadable M>
M load_model(const Checkpoint& in) {
  if (in.config().empty())
    throw format_error(in.path().string() + ": there is no config.json, so the number of heads is unknown; put one " +
                       "beside the weights (the constructor arguments of the model)");
  typename M::Config config;
  read_config(config, in.config(), (in.path() / "config.json").string());
  M model(config);
  load(model, in);
  return model;
}
template <Loadable M>
M load_model(const std::filesystem::path& path) {
  return load_model<M>(Checkpoint::open(path));
}

}  // namespace modelgrow::inline v0

// SPDX-License-Identifier: MIT
// Checkpoint directories of the tiny model in a temporary place.
#pragma once
#include <filesystem>
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/grow/write.hpp>

#include "adamw.hpp"
#include "tests/support/scratch.hpp"

namespace tiny {

namespace fs = std::filesystem;
using modelgrow::testing::Scratch;

inline void write_dict(const fs::path& path, const StateDict& d, const Metadata& metadata = {},
                       std::uint64_t shard_bytes = UINT64_MAX) {
  std::vector<NamedShape> declared;
  for (const auto& [n, t] : d) declared.push_back(NamedShape{.name = n, .dtype = t.dtype, .shape = t.shape});
  CheckpointWriter w(path, declared, metadata, WriteOptions{.shard_bytes = shard_bytes});
  for (const auto& [n, t] : d) w.write(n, t.bytes);
  w.commit();
}
inline StateDict read_dict(const Checkpoint& c) {
  StateDict d;
  for (const auto& t : c.tensors())
    d[t.name] = HostTensor{.dtype = t.dtype, .shape = t.shape, .bytes = {t.data, t.data + t.bytes}};
  return d;
}
inline HostTensor raw(DType dtype, Shape shape, std::size_t bytes) {
  HostTensor t{.dtype = dtype, .shape = std::move(shape), .bytes = {}};
  for (std::size_t i = 0; i < bytes; ++i) t.bytes.push_back(std::byte(37 * i + 11));
  return t;
}

/// The schema with config.json keys, as a family would give it.
inline Schema disk_schema(const Config& c) {
  Schema s = schema(c);
  s.config_patch = [](const Schema& grown) {
    const Config g = config_of(grown);
    return ConfigPatch{{"hidden_size", std::to_string(g.hidden)},
                       {"num_heads", std::to_string(g.heads)},
                       {"depth", std::to_string(g.depth)},
                       {"ffn_dim", std::to_string(g.ffn)}};
  };
  return s;
}

inline constexpr const char* config_json =
    "{\n  \"_class_name\": \"Tiny\",\n  \"hidden_size\": 6,\n  \"num_heads\": 2,\n  \"dropout\": 0.1,\n  \"depth\": "
    "2,\n  \"ffn_dim\": 5,\n  \"list\": [1, 2]\n}\n";

template <Element T>
StateDict random_weights(std::uint64_t seed, const Config& c = {}) {
  const Schema s = schema(c);
  return to_dict<T>(s, random_state(s, seed));
}
/// A folder as diffusers writes it.
inline void write_model(const fs::path& folder, std::uint64_t seed, const Config& c = {}) {
  fs::create_directories(folder);
  write_dict(folder / "diffusion_pytorch_model.safetensors", random_weights<float>(seed, c));
  modelgrow::detail::write_file(folder / "config.json", config_json);
}

/// Weights of type T, AdamW after three steps, averages in double, config.json and tensors nobody knows.
template <Element T>
void make_directory(const fs::path& path, const Config& c) {
  const Schema s = schema(c);
  auto w = random_state(s);
  AdamW adam(s);
  for (int i = 0; i < 3; ++i) adam.step(w, gradient(c, w, i));
  fs::create_directory(path);
  auto d = to_dict<T>(s, w);
  d["blocks.1.ticks"] = raw(DType::i64, Shape{3}, 24);
  d["calibration"] = raw(DType::f8_e4m3, Shape{2, 5}, 10);
  write_dict(path / "model.safetensors", d, {{"note", "kept"}});
  auto state = adam.save(s);
  state["scheduler"] = raw(DType::i64, Shape{}, 8);
  write_dict(path / "optimizer.safetensors", state);
  write_dict(path / "ema.safetensors", to_dict<double>(s, random_state(s, 2)));
  modelgrow::detail::write_file(path / "config.json", config_json);
}

}  // namespace tiny

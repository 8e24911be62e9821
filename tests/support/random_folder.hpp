// SPDX-License-Identifier: MIT
// A folder with random weights of the names and shapes of a release.
#pragma once
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/detail/atomic_file.hpp>

#include "tests/support/releases.hpp"

namespace modelgrow::testing {

inline void random_folder(const std::filesystem::path& folder, const Release& r, DType type) {
  std::filesystem::create_directories(folder);
  detail::write_file(folder / "config.json", r.config);
  std::vector<NamedShape> entries = r.tensors;
  for (auto& e : entries) e.dtype = type;
  CheckpointWriter writer(folder / "diffusion_pytorch_model.safetensors", entries, {}, WriteOptions{});
  for (const auto& e : writer.tensors()) {
    const Rng rng(1, hash_name(e.name));
    const auto fill = [&]<class T>(T) {
      std::vector<T> values;
      for (std::int64_t i = 0; i < numel(e.shape); ++i) values.push_back(T(float(rng.normal(std::uint64_t(i)))));
      writer.write(e.name, std::as_bytes(std::span(values)));
    };
    if (type == DType::f32)
      fill(float{});
    else
      fill(bf16{});
  }
  writer.commit();
}

}  // namespace modelgrow::testing

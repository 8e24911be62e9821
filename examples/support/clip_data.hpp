// SPDX-License-Identifier: MIT
// Captioned clips as the trainer wants them: resized, in [-1, 1], split by key, gathered into batches.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/tensor.hpp>
#include <modelgrow/data/batches.hpp>
#include <modelgrow/data/split.hpp>
#include <modelgrow/data/webdataset.hpp>

namespace example {
namespace mg = modelgrow;

/// The clips that come with the examples.
inline std::vector<std::filesystem::path> emoji_clips(const std::filesystem::path& root = ".") {
  return {root / "examples/data/clips/fluent-emoji-64-base.tar",
          root / "examples/data/clips/fluent-emoji-64-tones.tar"};
}

/// One side of a data set in memory.
struct ClipSet {
  mg::ClipSize size;
  std::vector<std::string> captions;
  std::vector<std::vector<std::string>> keywords;
  std::vector<float> pixels;  // [clip, 3, frames, height, width]

  std::size_t count() const { return captions.size(); }
  std::size_t clip_size() const { return std::size_t(3) * size.frames * size.height * size.width; }
  std::span<const float> clip(std::size_t i) const { return std::span(pixels).subspan(i * clip_size(), clip_size()); }

  /// Clips [n, 3, T, H, W] of some samples.
  mg::Tensor<float, mg::Cpu> gather(std::span<const std::size_t> indices) const {
    mg::Tensor<float, mg::Cpu> batch({std::int64_t(indices.size()), 3, size.frames, size.height, size.width});
    for (std::size_t i = 0; i < indices.size(); ++i)
      std::ranges::copy(clip(indices[i]), batch.data() + i * clip_size());
    return batch;
  }
  std::vector<std::string> gather_captions(std::span<const std::size_t> indices) const {
    std::vector<std::string> texts;
    for (auto i : indices) texts.push_back(captions[i]);
    return texts;
  }
};

/// Training and validation clips of some archives.
struct ClipData {
  ClipSet train, validation;

  ClipData(std::span<const std::filesystem::path> archives, mg::ClipSize size) {
    train.size = validation.size = size;
    for (const auto& path : archives) {
      mg::WebDataset reader(path);
      while (auto sample = reader.next()) {
        ClipSet& side = mg::split_of(sample->key) == mg::Split::train ? train : validation;
        const mg::Clip clip = mg::resize(mg::to_rgb(sample->clip), size);
        side.captions.push_back(sample->caption);
        side.keywords.push_back(sample->keywords);
        side.pixels.resize(side.pixels.size() + clip.size());
        mg::to_float(clip, std::span(side.pixels).last(clip.size()));
      }
    }
  }
};

}  // namespace example

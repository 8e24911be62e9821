// SPDX-License-Identifier: MIT
// Pipeline folders and pictures of runs.
#include "pipeline.hpp"

#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/media/contact_sheet.hpp>
#include <modelgrow/models/byte_encoder_json.hpp>
#include <modelgrow/models/stdit_json.hpp>
#include <modelgrow/nn/initialise.hpp>

namespace example {

namespace {
mg::StditConfig video_config(const std::filesystem::path& pipeline) {
  mg::StditConfig video;
  const auto path = pipeline / "transformer";
  mg::read_config(video, mg::Checkpoint::open(path).config(), path.string());
  return video;
}
}  // namespace

Model model_of(const std::filesystem::path& pipeline) {
  const mg::StditConfig video = video_config(pipeline);
  if (!mg::first_prompt(video.grafts).empty()) return Model(video);
  mg::ByteEncoderConfig text;
  const auto text_path = pipeline / "text_encoder";
  mg::read_config(text, mg::Checkpoint::open(text_path).config(), text_path.string());
  return Model(video, text);
}

Model load_pipeline(const std::filesystem::path& pipeline, Weights which) {
  Model model = model_of(pipeline);
  const auto read = [&](auto& part, const char* name) {
    const auto in = mg::Checkpoint::open(pipeline / name);
    mg::load(part, which == Weights::averaged && in.has_ema() ? in.ema() : in);
  };
  read(model.transformer, "transformer");
  if (model.text_encoder) read(*model.text_encoder, "text_encoder");
  return model;
}

void copy_text_encoder(const std::filesystem::path& pipeline, const std::filesystem::path& to) {
  if (mg::first_prompt(video_config(to).grafts).empty())
    std::filesystem::copy(pipeline / "text_encoder", to / "text_encoder", std::filesystem::copy_options::recursive);
}

Model fresh_model(Model model, std::uint64_t seed) {
  mg::initialise(model, seed);
  return model;
}

mg::ClipSize clip_size(const mg::StditConfig& video) {
  const auto& s = video.input_size;
  return {.frames = int(s[0]), .height = int(s[1]), .width = int(s[2])};
}

ClipData clips_for(const mg::StditConfig& video, const ClipSource& source) {
  ClipData data(source, clip_size(video));
  if (data.train.channels != video.in_channels)
    throw mg::shape_error("the clips have " + std::to_string(data.train.channels) + " channel(s), the model takes " +
                          std::to_string(video.in_channels) +
                          ": moving digits (--digits) are grey, archives (--clips) and moving shapes (--shapes) have " +
                          "three; choose what the model was trained on");
  return data;
}

mg::Series series(const std::string& name, const RunResult& r) {
  mg::Series line{.name = name};
  for (const auto& p : r.curve) {
    line.x.push_back(p.tflop);
    line.y.push_back(p.validation_loss);
  }
  return line;
}

mg::Clip loss_picture(std::span<const mg::Series> trained, std::span<const mg::Series> fresh) {
  mg::PlotOptions options{.title = "Validation loss at equal compute",
                          .x_label = "TFLOP after growth",
                          .y_label = "validation loss",
                          .height = 460};
  const mg::Clip close = mg::plot(trained, options);
  if (fresh.empty()) return close;
  std::vector<mg::Series> all(trained.begin(), trained.end());
  all.insert(all.end(), fresh.begin(), fresh.end());
  options.title = "The same beside a fresh model of the grown size";
  options.y_scale = mg::Scale::log;
  return mg::clip_grid(std::vector<mg::Clip>{close, mg::plot(all, options)}, 1);
}

mg::Clip clip_of(const mg::Tensor<float, mg::Cpu>& clips, std::int64_t i) {
  const auto n = std::size_t(clips.size() / clips.dim(0));
  const std::span<const float> values(clips.data() + std::size_t(i) * n, n);
  return mg::to_rgb(mg::from_float(values, int(clips.dim(2)), int(clips.dim(3)), int(clips.dim(4)), int(clips.dim(1))));
}

}  // namespace example

// SPDX-License-Identifier: MIT
// A text-to-video pipeline folder (transformer/, text_encoder/) as a model, and runs that spend a given compute.
#pragma once
#include <algorithm>

#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/media/contact_sheet.hpp>
#include <modelgrow/media/plot.hpp>
#include <modelgrow/models/byte_encoder_json.hpp>
#include <modelgrow/models/stdit_json.hpp>

#include "run.hpp"

namespace example {

using Model = mg::TextToVideo<float, mg::Cpu>;

/// Configurations of a pipeline folder; the weights come with the run that starts from it.
inline Model model_of(const std::filesystem::path& pipeline) {
  mg::StditConfig video;
  mg::ByteEncoderConfig text;
  const auto video_path = pipeline / "transformer", text_path = pipeline / "text_encoder";
  mg::read_config(video, mg::Checkpoint::open(video_path).config(), video_path.string());
  mg::read_config(text, mg::Checkpoint::open(text_path).config(), text_path.string());
  return Model(video, text);
}

enum class Weights { last, averaged };
inline Model load_pipeline(const std::filesystem::path& pipeline, Weights which) {
  Model model = model_of(pipeline);
  const auto read = [&](auto& part, const char* name) {
    const auto in = mg::Checkpoint::open(pipeline / name);
    mg::load(part, which == Weights::averaged && in.has_ema() ? in.ema() : in);
  };
  read(model.transformer, "transformer");
  read(model.text_encoder, "text_encoder");
  return model;
}

/// Clips of the size that a video model takes. Throws shape_error when they have other channels.
inline ClipData clips_for(const mg::StditConfig& video, const ClipSource& source) {
  ClipData data(source, {int(video.input_size[0]), int(video.input_size[1]), int(video.input_size[2])});
  if (data.train.channels != video.in_channels)
    throw mg::shape_error("the clips have " + std::to_string(data.train.channels) + " channel(s), the model takes " +
                          std::to_string(video.in_channels) +
                          ": moving digits (--digits) are grey, archives (--clips) have three; choose what the model " +
                          "was trained on");
  return data;
}

/// `o` with as many steps as `tflop` of compute buy for this model, and the evaluations to go with them.
inline RunOptions spending(const Model& model, double tflop, std::int64_t evaluations, RunOptions o) {
  const double flops = step_flops(model.transformer.config, model.text_encoder.config, o.batch);
  o.steps = std::max<std::int64_t>(1, std::int64_t(tflop * 1e12 / flops));
  o.warmup = std::min<std::int64_t>(50, o.steps / 10);
  o.evaluate_every = (o.steps + evaluations - 1) / evaluations;
  return o;
}

/// The validation loss of a run over the compute spent.
inline mg::Series series(const std::string& name, const RunResult& r) {
  mg::Series line{.name = name};
  for (const auto& p : r.curve) {
    line.x.push_back(p.tflop);
    line.y.push_back(p.validation_loss);
  }
  return line;
}

/// Validation losses over compute: above the runs that begin with a trained model, below all of them, because the curve
/// of a fresh model would flatten the others.
inline mg::Clip loss_picture(std::span<const mg::Series> trained, std::span<const mg::Series> fresh) {
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

}  // namespace example

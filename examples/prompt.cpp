// SPDX-License-Identifier: MIT
// Samples clips for any text: prompt "a red heart" "a cat, waving". Models that read a language model are fed as their
// configuration says, and refuse another one.
#include <modelgrow/media/contact_sheet.hpp>
#include <modelgrow/media/gif.hpp>
#include <modelgrow/media/png.hpp>

#include <CLI/CLI.hpp>
#include <iostream>

#include "support/pipeline.hpp"
#include "support/text_source.hpp"

namespace fs = std::filesystem;
using namespace example;

namespace {

struct Settings {
  std::vector<std::string> texts;
  fs::path model = "examples/data/base", llm, out = "out/prompt";
  std::optional<double> guidance, noise_shift;  // as the model was trained
  std::int64_t sample_steps = 32;
  std::uint64_t seed = 1;
};

/// Whether its words are those of moving shapes.
bool draws_shapes(const Model& model) {
  return model.text_encoder && model.text_encoder->config.words == mg::shape_vocabulary();
}

int run(const Settings& s) {
  Model model = load_pipeline(s.model, Weights::averaged);
  const auto& video = model.transformer.config;
  if (video.pred_sigma || (video.in_channels != 1 && video.in_channels != 3))
    throw mg::shape_error(s.model.string() + ": the model makes " + std::to_string(video.in_channels) +
                          " channels; this program draws models of pixels, with 1 or 3");
  PromptReader prompts;
  const bool shapes = draws_shapes(model);
  prompts.noise_shift = s.noise_shift.value_or(shapes ? noise_shift_of_shapes : usual_noise_shift);
  const auto source = [&](const std::string& manifest) {
    const auto how = mg::parse_prompt_manifest(manifest, (s.model / "transformer/config.json").string());
    if (s.llm.empty())
      throw mg::error(s.model.string() + ": the model reads prompts with the language model '" + how.language_model +
                      "': give its path with --llm (scripts/get-llm prints that of SmolLM2)");
    return text_source(s.llm, how);
  };
  const auto second = mg::second_text(video.grafts);
  if (!model.text_encoder) prompts.first_text = source(mg::first_prompt(video.grafts));
  if (second) prompts.second_text = source(second->prompt);
  if (model.text_encoder && !second && !s.llm.empty())
    throw mg::error(s.model.string() + ": the model reads no language model; leave --llm away, or graft one first");
  Tape tape(Tape::Mode::infer);
  const auto made = prompts.sample(tape, model, s.texts, s.guidance.value_or(shapes ? 1 : 3), s.sample_steps, s.seed);
  std::vector<mg::ContactRow> rows;
  std::vector<mg::Clip> clips;
  for (std::size_t i = 0; i < s.texts.size(); ++i) {
    clips.push_back(clip_of(made, std::int64_t(i)));
    rows.push_back({.caption = s.texts[i], .strips = {{.label = "", .clip = clips.back()}}});
  }
  fs::path gif = s.out, png = s.out;
  gif += ".gif";
  png += ".png";
  if (s.out.has_parent_path()) fs::create_directories(s.out.parent_path());
  mg::write_gif(gif, mg::clip_grid(clips, std::min<int>(8, int(clips.size()))), {.scale = 4});
  mg::write_png(png, mg::contact_sheet(rows, {.title = s.model.string()}));
  std::cout << "Written to " << gif.string() << " and " << png.string() << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Samples a clip for each text: prompt \"a red heart\" \"a cat, waving\"."};
  Settings s;
  app.add_option("text", s.texts, "what the clips should show")->required();
  app.add_option("--model", s.model, "pipeline folder (transformer/, text_encoder/), such as out/demo/graft/clips/with")
      ->capture_default_str();
  app.add_option("--llm", s.llm, "language model (.gguf or directory) of a model that reads one");
  app.add_option("--out", s.out, "file name without ending: a .gif and a .png are written")->capture_default_str();
  app.add_option("--guidance", s.guidance,
                 "classifier-free guidance, 1: none (default: 3, 1 for models of moving shapes)");
  app.add_option("--steps", s.sample_steps, "Euler steps")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option(
         "--noise-shift", s.noise_shift,
         "how much noise levels lean towards noise, as in training (default: 5, 30 for models of moving shapes)")
      ->check(CLI::PositiveNumber);
  app.add_option("--seed", s.seed, "seed of the noise")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    for (auto& text : s.texts) text = mg::caption_text(text, "the text '" + text + "'");  // as captions are read
    return run(s);
  } catch (const std::exception& e) {
    std::cerr << "prompt: " << e.what() << std::endl;
    return 1;
  }
}

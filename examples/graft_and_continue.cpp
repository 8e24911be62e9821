// SPDX-License-Identifier: MIT
// The second half of the main job: graft a language model onto a pretrained text-to-video model without changing its
// function, train on with and without it, and compare on captions, on words never trained on, and on moving digits.
#include <chrono>
#include <iostream>

#include <modelgrow/grow/plan_print.hpp>
#include <modelgrow/media/contact_sheet.hpp>
#include <modelgrow/media/png.hpp>

#include "support/digit_score.hpp"
#include "support/encoding_progress.hpp"
#include "support/graft.hpp"
#include "support/options.hpp"
#include "support/side_by_side.hpp"

namespace fs = std::filesystem;
using namespace example;

namespace {

struct Settings {
  fs::path llm, out = "out/demo/graft";
  fs::path base = "examples/data/base", base_digits = "examples/data/base-bouncing";
  fs::path digit_images = "examples/data/digits";
  GraftTraining clips{.steps = 300, .evaluations = 3, .augmentation = {.mirror = 0.5, .shift = 1}};
  GraftTraining digits{.steps = 400, .evaluations = 2, .lr = 2e-4};
  std::size_t digit_clips = 512, judged = 48, prompts = 6;
  double guidance = 3;
  std::int64_t sample_steps = 24;
  std::uint64_t seed = 1;
};

/// Both models after training, and what they were before.
struct Pair {
  std::int64_t parameters_base = 0, parameters_with = 0;
  double file_residual = 0, output_change = 0;
  RunResult without, with;
  std::optional<Model> model_without, model_with;
  bool stopped() const { return without.stopped || with.stopped; }
};

/// Grafts, proves, and trains on with and without.
Pair graft_and_train(const fs::path& base, const ClipData& data, const mg::EmbeddingCache& states,
                     const GraftTraining& how, const Settings& s, const std::string& name, Together& together) {
  Pair pair;
  const mg::Plan plan = graft_plan(base, "CrossText", states, s.seed);
  std::cout << "\n" << name << ": the plan (dry run)\n" << plan << std::endl;
  const fs::path with = s.out / name / "with", without = s.out / name / "without";
  const mg::Report written = write_pipeline(plan, base, with, together.ranks());
  write_pipeline(graft_plan(base, {}, states, s.seed), base, without, together.ranks());
  pair.file_residual = written.max_residual;
  pair.parameters_base = written.parameters_before;
  pair.parameters_with = written.parameters_after;

  Model old = load_pipeline(base, Weights::averaged);
  pair.model_with = load_pipeline(with, Weights::averaged);
  pair.model_without = load_pipeline(without, Weights::averaged);
  FlowTask task(data, 8, s.seed);
  task.second_text = text_source(states);
  const mg::ForwardCheck check = task.compare(plan, old, *pair.model_with);
  std::cout << check << "\n" << std::endl;
  check.require();
  pair.output_change = check.output.max_abs;

  using enum RunOptions::OnTerminal;
  const auto train_on = [&](Model& model, const char* run, const fs::path& from, RunOptions::OnTerminal on_terminal) {
    RunOptions options = graft_run(how, model, states, name + ", " + run, from, s.seed + 100);
    options.directory = from;  // the trained pipeline takes the place of the grown one
    options.on_terminal = on_terminal;
    options.together = &together;
    return train(model, data, options);
  };
  in_turn_or_side_by_side(
      together.ranks(), [&] { pair.without = train_on(*pair.model_without, "without", without, nothing); },
      [&] { pair.with = train_on(*pair.model_with, "with", with, progress); });
  return pair;
}

/// Words never trained on, from all over the held-out clips.
std::vector<std::string> unseen_prompts(const ClipData& data, const Settings& s) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < s.prompts; ++i) indices.push_back(i * data.validation.count() / s.prompts);
  return data.validation.gather_keywords(indices);
}

/// Samples without and with the language model, as a picture.
void draw(Pair& pair, const ClipData& data, const std::vector<std::string>& prompts, const mg::EmbeddingCache& states,
          const Settings& s, const std::string& file, const std::string& title) {
  FlowTask task(data, 8, s.seed);
  task.second_text = text_source(states);
  Tape tape(Tape::Mode::infer);
  const auto a = task.sample(tape, *pair.model_without, prompts, s.guidance, s.sample_steps, s.seed),
             b = task.sample(tape, *pair.model_with, prompts, s.guidance, s.sample_steps, s.seed);
  std::vector<mg::ContactRow> rows;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    rows.push_back({.caption = prompts[i],
                    .strips = {{.label = "without", .clip = clip_of(a, std::int64_t(i))},
                               {.label = "with", .clip = clip_of(b, std::int64_t(i))}}});
  mg::write_png(s.out / file, mg::contact_sheet(rows, {.title = title}));
}

struct DigitScores {
  DigitTest::Score one, two;
};
/// The half of the job on moving digits.
struct DigitResults {
  Pair pair;
  DigitScores without, with;
};

std::string percent(double share) {
  char text[16];
  std::snprintf(text, sizeof text, "%.0f %%", 100 * share);
  return text;
}
std::string row(const std::string& what, double without, double with) {
  char text[160];
  std::snprintf(text, sizeof text, "| %s | %.5f | %.5f |\n", what.c_str(), without, with);
  return text;
}

std::string markdown(const Pair& clips, const std::optional<DigitResults>& digits, const mg::EmbeddingCache& states) {
  const auto &a = clips.without.curve.back(), &b = clips.with.curve.back();
  char text[512];
  std::snprintf(text, sizeof text,
                "# Grafting a language model\n\nLanguage model: %s. At step 0 the output differs by %g; file check: "
                "largest residual %g. Then %lld steps on captions, with and without it.\n\n",
                states.manifest().language_model.c_str(), clips.output_change, clips.file_residual,
                static_cast<long long>(b.step));
  std::string all = text;
  all += "| validation loss | without | with |\n|---|---|---|\n";
  all += row("captions, clips never trained on", a.validation_loss, b.validation_loss);
  all += row("keywords, words never trained on", a.keywords, b.keywords);
  if (digits) {
    const auto &c = digits->pair.without.curve.back(), &d = digits->pair.with.curve.back();
    all += row("moving digits, captions", c.validation_loss, d.validation_loss);
    all += row("moving digits, keywords", c.keywords, d.keywords);
    all += "\n| sampled and judged | without | with |\n|---|---|---|\n";
    const auto score = [&](const char* what, double x, double y) {
      all += std::string("| ") + what + " | " + percent(x) + " | " + percent(y) + " |\n";
    };
    score("one digit: the right one", digits->without.one.label, digits->with.one.label);
    score("one digit: the right way", digits->without.one.direction, digits->with.one.direction);
    score("two digits: the right ones", digits->without.two.label, digits->with.two.label);
    score("two digits: the right ways", digits->without.two.direction, digits->with.two.direction);
    all +=
        "\nWho guesses is right in 10 % of digits and 12 % of ways, and more often for two, where the pairing that "
        "fits best counts.\n";
  }
  return all + "\n![samples](samples.png)\n" + (digits ? "\n![moving digits](digits.png)\n" : "");
}

mg::detail::json report(const Pair& pair) {
  const auto losses = [](const CurvePoint& p) -> mg::detail::json {
    return {{"captions", p.validation_loss}, {"keywords", p.keywords}, {"other_captions", p.other_captions}};
  };
  return {{"parameters", {{"base", pair.parameters_base}, {"with", pair.parameters_with}}},
          {"output_change", pair.output_change},
          {"file_check", {{"max_residual", pair.file_residual}}},
          {"start", losses(pair.with.curve.front())},
          {"without", losses(pair.without.curve.back())},
          {"with", losses(pair.with.curve.back())}};
}

int run(const Settings& s, Together& together) {
  const Interrupt interrupt;
  fs::create_directories(s.out);
  const ClipSource emoji{.archives = {emoji_clips().front()}},
      moving{.digits = s.digit_clips, .edge = mg::Edge::bounce, .digit_images = s.digit_images};
  const ClipData clips = clips_for(model_of(s.base).transformer.config, emoji);
  const auto digit_video = model_of(s.base_digits).transformer.config;
  const ClipData digits = clips_for(digit_video, moving);
  const DigitTest one(moving, digit_video, 1, s.judged), two(moving, digit_video, 2, s.judged);

  const std::vector<std::string> clip_texts = texts_of(clips, Reworded::held_out);
  std::vector<std::string> digit_texts = texts_of(digits, Reworded::held_out);
  for (const auto* test : {&one, &two})
    digit_texts.insert(digit_texts.end(), test->prompts().begin(), test->prompts().end());
  std::vector<std::string> texts = clip_texts;
  texts.insert(texts.end(), digit_texts.begin(), digit_texts.end());
  const auto begin = std::chrono::steady_clock::now();
  const mg::EmbeddingCache states = states_of(s.llm, texts, s.out, prompt_of_examples(), together.ranks());
  require_states(states, clip_texts);
  std::cout << states.count() << " texts read by " << states.manifest().language_model << ", " << states.tokens()
            << " states, " << std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() << " s"
            << std::endl;

  Pair pair = graft_and_train(s.base, clips, states, s.clips, s, "clips", together);
  if (pair.stopped() || Interrupt::requested()) return Interrupt::exit_code;
  const bool first = together.ranks().first();  // which alone draws, judges and reports
  if (first) draw(pair, clips, unseen_prompts(clips, s), states, s, "samples.png", "Words never trained on");
  std::optional<DigitResults> results;
  if (std::ranges::all_of(digit_texts, [&](const auto& text) { return states.contains(text); })) {
    results.emplace(
        DigitResults{graft_and_train(s.base_digits, digits, states, s.digits, s, "digits", together), {}, {}});
    if (results->pair.stopped() || Interrupt::requested()) return Interrupt::exit_code;
    if (!first) return 0;
    FlowTask task(digits, 8, s.seed);
    task.second_text = text_source(states);
    const auto judge = [&](Model& model) {
      return DigitScores{one(task, model, s.guidance, s.sample_steps), two(task, model, s.guidance, s.sample_steps)};
    };
    std::vector<std::string> shown;
    for (const auto* test : {&one, &two})
      for (std::size_t i = 0; i < std::min(s.prompts, test->prompts().size()); i += 2)
        shown.push_back(test->prompts()[i]);
    draw(results->pair, digits, shown, states, s, "digits.png", "Moving digits");
    side_by_side([&] { results->without = judge(*results->pair.model_without); },
                 [&] { results->with = judge(*results->pair.model_with); });
  } else {
    std::cout << s.llm.string() << " has no states of captions of moving digits: that part is left out; a language "
              << "model (scripts/get-llm) encodes them" << std::endl;
    if (!first) return 0;
  }

  const std::string text = markdown(pair, results, states);
  const auto scores = [](const DigitScores& d) -> mg::detail::json {
    return {{"one_digit", {{"label", d.one.label}, {"direction", d.one.direction}}},
            {"two_digits", {{"label", d.two.label}, {"direction", d.two.direction}}}};
  };
  mg::detail::json all{{"language_model", states.manifest().language_model}, {"clips", report(pair)}};
  if (results) {
    all["digits"] = report(results->pair);
    all["judged"] = {{"without", scores(results->without)}, {"with", scores(results->with)}};
  }
  mg::detail::write_file(s.out / "report.json", all.dump(2) + "\n");
  mg::detail::write_file(s.out / "report.md", text);
  std::cout << "\n" << text << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Together together;
  CLI::App app{
      "Grafts a language model onto a pretrained text-to-video model, proves that nothing changed, and trains "
      "on with and without it."};
  Settings s;
  app.add_option("--llm", s.llm, "language model (.gguf or directory), or a cache of its states (.safetensors)")
      ->required();
  app.add_option("--base", s.base, "pipeline folder of the pretrained model")->capture_default_str();
  app.add_option("--base-digits", s.base_digits, "pipeline folder of the model of digits that turn back at the edges")
      ->capture_default_str();
  app.add_option("--out", s.out, "where the models, report and pictures go")->capture_default_str();
  app.add_option("--steps", s.clips.steps, "steps of each run on clips")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--digit-steps", s.digits.steps, "steps of each run on moving digits")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--digits", s.digit_clips, "clips of moving digits to train on")
      ->check(CLI::Range(8, 1'000'000))
      ->capture_default_str();
  app.add_option("--judged", s.judged, "sampled clips of moving digits, of one digit and of two")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--guidance", s.guidance, "classifier-free guidance of the samples")->capture_default_str();
  app.add_option("--sample-steps", s.sample_steps, "Euler steps of the samples")->capture_default_str();
  app.add_option("--prompts", s.prompts, "samples of words never trained on")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seed", s.seed, "seed of everything random")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return run(s, together);
  } catch (const Stopped&) {
    return Interrupt::exit_code;
  } catch (const std::exception& e) {
    return together.fail("graft_and_continue", e);
  }
}

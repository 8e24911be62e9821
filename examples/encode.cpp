// SPDX-License-Identifier: MIT
// Encodes captions with a language model, once, into a file that training reads instead of running the model.
#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <functional>
#include <iostream>
#include <optional>
#include <sstream>

#include <modelgrow/text.hpp>

#include "support/captions.hpp"
#include "support/encoding_progress.hpp"

namespace fs = std::filesystem;
using namespace example;

namespace {

constexpr const char* introduction =
    R"(Encodes captions with a language model into a cache (.safetensors) that training reads instead of the model.

The cache remembers how captions were read and refuses to be mixed with states that were made in another way. If it
exists, captions that it lacks are added, read as those before; nothing is encoded twice. The null prompt, which
guidance needs, is always in it.

  encode --model SmolLM2-135M-Instruct.Q4_1.gguf --clips clips.tar --out clips.safetensors
  encode --model t5-v1_1-xxl/ --captions captions.txt --max-length 120 --out captions.safetensors
  encode --model llm.gguf --captions captions.txt --template '<|im_start|>user {}<|im_end|>' --crop-start caption \
         --layers -1,-8 --normalise --out captions.safetensors
)";

struct Arguments {
  fs::path model, out;
  std::vector<fs::path> captions, clips;
  std::vector<std::function<void(mg::PromptManifest&)>> settings;  // what the options change
  std::optional<mg::DType> dtype;
  Keywords keywords = Keywords::skip;
  bool dry_run = false;

  /// How captions are read: as in the cache, if it exists, and as the options say.
  mg::PromptManifest manifest() const {
    mg::PromptManifest m;
    if (fs::exists(out)) m = mg::EmbeddingCache::open(out).manifest();
    for (const auto& set : settings) set(m);
    return m;
  }
};

/// A whole number from `least`; throws format_error that names the option.
std::int64_t number(const std::string& text, const char* option, std::int64_t least, const char* otherwise) {
  std::int64_t n = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (failed != std::errc() || end != text.data() + text.size() || n < least || n > INT32_MAX)
    throw mg::format_error(std::string(option) + " '" + text + "': expected " + otherwise);
  return n;
}

std::vector<int> layers_of(const std::string& text) {
  std::vector<int> layers;
  if (text == "all") return layers;
  std::istringstream words(text + ',');
  for (std::string word; std::getline(words, word, ',');)
    layers.push_back(int(number(word, "--layers", INT32_MIN, "numbers such as -1,-8, or the word all")));
  return layers;
}

void add_settings(CLI::App& app, Arguments& a) {
  using M = mg::PromptManifest;
  const std::string group = "How captions are read (as in the cache; a new one has [the defaults])";
  const auto option = [&](const char* name, const char* what, auto set) {
    return app
        .add_option_function<std::string>(
            name, [&a, set](const std::string& text) { a.settings.push_back([set, text](M& m) { set(m, text); }); },
            what)
        ->group(group);
  };
  const auto flag = [&](const char* name, const char* what, auto set) {
    app.add_flag_callback(
           name, [&a, set] { a.settings.push_back(set); }, what)
        ->group(group);
  };
  option("--template", "words around the caption, which goes where {} is [{}]",
         [](M& m, const std::string& text) { m.prompt_template = text; });
  option("--crop-start", "tokens cut off the front, or caption: begin with the caption [0]",
         [](M& m, const std::string& text) {
           m.crop_start = text == "caption"
                              ? M::at_caption
                              : number(text, "--crop-start", 0, "a number of tokens, or the word caption");
         });
  option("--max-length", "most tokens kept of a caption [256]", [](M& m, const std::string& text) {
    m.max_length = number(text, "--max-length", 1, "a number of tokens from 1");
  });
  option("--too-long", "what is done with longer captions [crop]", [](M& m, const std::string& text) {
    m.too_long = text == "crop" ? M::TooLong::crop : M::TooLong::refuse;
  })->check(CLI::IsMember({"crop", "refuse"}));
  option("--layers", "hidden states, side by side in width: 0 is the embedding, -1 the last; or all [-1]",
         [](M& m, const std::string& text) { m.layers.indices = layers_of(text); });
  flag("--mean", "the mean of those layers instead, each normalised first",
       [](M& m) { m.layers.combine = mg::HiddenLayers::Combine::normalised_mean; });
  flag("--normalise", "every token of every layer to mean 0 and variance 1",
       [](M& m) { m.normalisation = M::Normalisation::layer_norm; });
  option(
      "--padding", "behind a caption the video model sees nothing, or zeros up to --max-length [masked]",
      [](M& m, const std::string& text) { m.padding = text == "masked" ? M::Padding::masked : M::Padding::attended; })
      ->check(CLI::IsMember({"masked", "attended"}));
  option("--null-prompt", "caption of classifier-free guidance [empty]",
         [](M& m, const std::string& text) { m.null_prompt = text; });
}

void add_options(CLI::App& app, Arguments& a) {
  app.add_option("--model", a.model, "language model: a .gguf file, or a directory with config.json and safetensors")
      ->required();
  app.add_option("--captions", a.captions, "text files, one caption a line");
  CLI::Option* clips = app.add_option("--clips", a.clips, "WebDataset archives whose captions are encoded");
  app.add_flag_callback(
         "--keywords", [&a] { a.keywords = Keywords::add; },
         "the keywords of every clip as well, as one prompt \"ocean, water, wave\"")
      ->needs(clips);
  app.add_option("--out", a.out, "the cache, new or to be added to")->required();
  app.add_option_function<std::string>(
         "--dtype", [&a](const std::string& word) { a.dtype = mg::parse_dtype(word); },
         "type of the states [as in the cache; BF16 for a new one]")
      ->check(CLI::IsMember({"BF16", "F16", "F32"}));
  app.add_flag("--dry-run", a.dry_run, "count captions, tokens and bytes, and write nothing");
  add_settings(app, a);
}

std::vector<std::string> captions_of(const Arguments& a) {
  std::vector<std::string> captions;
  for (const auto& path : a.captions) read_lines(path, captions);
  for (const auto& path : a.clips) read_clips(path, a.keywords, captions);
  if (captions.empty())
    throw mg::io_error("there is nothing to encode: give --captions FILE (one a line) or --clips ARCHIVE");
  return captions;
}

/// "1.50 MB"
std::string megabytes(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f MB", double(bytes) * 1e-6);
  return text;
}

void encode(const Arguments& a) {
  const auto encoder = mg::CaptionEncoder<mg::Cpu>::open(a.model, a.manifest());
  const auto captions = captions_of(a);
  const mg::EmbeddingCacheUpdate update(encoder, captions, a.out, a.dtype);
  const std::string work =
      std::to_string(update.missing().size()) + " captions of " + std::to_string(update.missing_tokens()) + " tokens";
  const std::string result = a.out.string() + ": " + std::to_string(update.count()) + " captions, " +
                             std::to_string(update.tokens()) + " tokens of width " + std::to_string(encoder.width()) +
                             ", " + megabytes(update.state_bytes()) + " in " + std::string(mg::name(update.dtype())) +
                             ", manifest " + mg::hex_digits(mg::hash(encoder.manifest()));
  if (a.dry_run) {
    std::cout << "would encode " << work << "\nwould be " << result << std::endl;
    return;
  }
  const auto begin = std::chrono::steady_clock::now();
  update.write(encoding_progress(), 4096);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::cout << "encoded " << work << " in " << seconds << " s\n" << result << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{introduction, "encode"};
  app.footer("docs/how-to/language-models.md explains the prompt manifest and the cache.");
  Arguments arguments;
  add_options(app, arguments);
  CLI11_PARSE(app, argc, argv);
  try {
    const Interrupt interrupt;
    encode(arguments);
    return 0;
  } catch (const Stopped&) {
    std::cerr << "encode: stopped; " << arguments.out << " is as it was" << std::endl;
    return Interrupt::exit_code;
  } catch (const std::exception& e) {
    std::cerr << "encode: " << e.what() << std::endl;
    return 1;
  }
}

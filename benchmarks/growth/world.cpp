// SPDX-License-Identifier: MIT
// The worlds that can be chosen by name.
#include "world.hpp"

#include <modelgrow/data/shape_words.hpp>

#include "worlds.hpp"

namespace growth {

namespace {

/// What can be chosen, and how.
struct Kind {
  std::string name, summary;
  std::int64_t channels;
  std::vector<mg::Field> fields;
  WorldChoice (*choose)(const Json& options, const std::filesystem::path& root, const std::string& context);
  std::unique_ptr<World> (*make)(const WorldChoice& choice, mg::ClipSize size, std::uint64_t seed);
  std::string vocabulary = {};
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {"digits", "one or two moving digits that come in again on the other side", 1, mg::fields_of<DigitsOptions>(),
       &choose_digits, &make_digits<mg::Edge::wrap>},
      {"bouncing", "the same, turning back at the edges", 1, mg::fields_of<DigitsOptions>(), &choose_digits,
       &make_digits<mg::Edge::bounce>},
      {"shapes", "one to three moving shapes; the caption says everything about them", 3,
       mg::fields_of<ShapesOptions>(), &choose_shapes, &make_shapes, mg::shape_vocabulary()},
      {"clips",
       "captioned clips of your own, in WebDataset archives; nothing is judged",
       3,
       {},
       &choose_clips,
       &make_clips}};
  return all;
}

const Kind& kind_of(const Json& world, const std::string& context) {
  std::vector<std::string> names;
  const Json* const found = mg::detail::member(world, "name");
  if (!found || !found->is_string())
    throw mg::option_error(context + ": a world has a 'name', as {\"name\": \"shapes\"}");
  const auto name = found->get<std::string>();
  for (const auto& k : kinds()) {
    if (k.name == name) return k;
    names.push_back(k.name);
  }
  throw mg::option_error(context + ": there is no world '" + name + "'" + mg::nearest_names(name, names));
}

ClipBatch empty_batch(const mg::Clip& like, std::size_t count) {
  return {mg::Tensor<float, mg::Cpu>({std::int64_t(count), like.channels, like.frames, like.height, like.width}), {}};
}

}  // namespace

WorldChoice choose_world(const Json& options, const std::filesystem::path& root, const std::string& context) {
  const Kind& kind = kind_of(options, context);
  Json rest = options;
  rest.erase("name");
  WorldChoice chosen = kind.choose(rest, root, context + ": world '" + kind.name + "'");
  Json is{{"name", kind.name}};
  is.update(chosen.is);
  return {std::move(is), std::move(chosen.where)};
}

std::vector<std::pair<std::string, std::string>> known_worlds() {
  std::vector<std::pair<std::string, std::string>> list;
  for (const auto& k : kinds()) {
    std::string text = k.summary;
    for (const auto& f : k.fields) text += "\n" + f.key + ": " + f.help + " [" + f.value + "]";
    list.emplace_back(k.name, text);
  }
  return list;
}

std::int64_t channels_of(const WorldChoice& choice) { return kind_of(choice.is, "the world").channels; }

std::string vocabulary_of(const WorldChoice& choice) { return kind_of(choice.is, "the world").vocabulary; }

std::unique_ptr<World> make_world(const WorldChoice& choice, mg::ClipSize size, std::uint64_t seed) {
  return kind_of(choice.is, "the world").make(choice, size, seed);
}

void ClipBatch::put(std::size_t place, const mg::Sample& sample) {
  mg::to_float(sample.clip, clips.span().subspan(place * sample.clip.size(), sample.clip.size()));
  captions.push_back(sample.caption);
}

ClipBatch training_batch(const World& world, std::uint64_t first, std::size_t count) {
  ClipBatch batch;
  for (std::size_t i = 0; i < count; ++i) {
    const mg::Sample sample = world.sample(first + i);
    if (i == 0) batch = empty_batch(sample.clip, count);
    batch.put(i, sample);
  }
  return batch;
}

ClipBatch validation_batch(const World& world, std::size_t first, std::size_t count) {
  const auto& all = world.validation();
  ClipBatch batch = empty_batch(all[first].clip, count);
  for (std::size_t i = 0; i < count; ++i) batch.put(i, all[first + i]);
  return batch;
}

}  // namespace growth

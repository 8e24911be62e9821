// SPDX-License-Identifier: MIT
// Captions of moving shapes and what they describe, in both directions: five classes of words say everything about an
// object. Each word has another for the same thing that no caption for training holds.
#pragma once
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

/// What is said of an object, in the order of a caption.
enum class WordClass { size, colour, shape, place, direction };
inline constexpr std::array word_classes{WordClass::size, WordClass::colour, WordClass::shape, WordClass::place,
                                         WordClass::direction};

constexpr std::string_view name_of(WordClass c) {
  constexpr std::array<std::string_view, word_classes.size()> names{"size", "colour", "shape", "place", "direction"};
  return names[std::size_t(c)];
}

/// A word of captions and another for the same thing, never trained on.
struct ShapeWord {
  std::string_view trained, reworded;
};

namespace detail {
inline constexpr ShapeWord size_words[]{{"small", "tiny"}, {"large", "huge"}};
inline constexpr ShapeWord colour_words[]{{"red", "crimson"},   {"green", "emerald"}, {"blue", "azure"},
                                          {"yellow", "golden"}, {"purple", "violet"}, {"cyan", "turquoise"},
                                          {"white", "ivory"},   {"black", "ebony"}};
inline constexpr ShapeWord shape_words[]{
    {"circle", "disc"}, {"square", "box"}, {"triangle", "pyramid"}, {"cross", "plus"}, {"ring", "hoop"}};
inline constexpr ShapeWord place_words[]{
    {"northwest", "top-left"},    {"north", "top"},     {"northeast", "top-right"},
    {"west", "middle-left"},      {"centre", "middle"}, {"east", "middle-right"},
    {"southwest", "bottom-left"}, {"south", "bottom"},  {"southeast", "bottom-right"}};
inline constexpr ShapeWord direction_words[]{{"moving up", "rising"},
                                             {"moving right", "drifting rightwards"},
                                             {"moving down", "falling"},
                                             {"moving left", "drifting leftwards"},
                                             {"standing still", "resting"}};
}  // namespace detail

/// The words of a class; an object's value is the index of its word.
constexpr std::span<const ShapeWord> words_of(WordClass c) {
  switch (c) {
    case WordClass::size:
      return detail::size_words;
    case WordClass::colour:
      return detail::colour_words;
    case WordClass::shape:
      return detail::shape_words;
    case WordClass::place:
      return detail::place_words;
    case WordClass::direction:
      return detail::direction_words;
  }
  return {};
}

/// One object: a value of each class.
struct ShapeObject {
  std::array<int, word_classes.size()> values{};

  int& operator[](WordClass c) { return values[std::size_t(c)]; }
  int operator[](WordClass c) const { return values[std::size_t(c)]; }
  bool operator==(const ShapeObject&) const = default;
};

/// The truth behind one clip: objects that differ in colour.
struct ShapeScene {
  std::vector<ShapeObject> objects;
  bool operator==(const ShapeScene&) const = default;
};

enum class Wording { trained, reworded };

/// "a small red circle in the northwest moving up and a large blue ring in the south standing still"; reworded "a tiny
/// crimson disc in the top-left rising ..".
inline std::string caption_of(const ShapeScene& scene, Wording wording = Wording::trained) {
  std::string text;
  for (const ShapeObject& o : scene.objects) {
    text += text.empty() ? "a" : " and a";
    for (const WordClass c : word_classes) {
      const ShapeWord& word = words_of(c)[std::size_t(o[c])];
      text += (c == WordClass::place ? " in the " : " ");
      text += wording == Wording::trained ? word.trained : word.reworded;
    }
  }
  return text;
}

namespace detail {
/// Takes `word` from the front of a text, if it stands there as a whole.
inline bool take_word(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word) || (text.size() > word.size() && text[word.size()] != ' ')) return false;
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return true;
}
inline int take_value(std::string_view& text, WordClass c) {
  const auto words = words_of(c);
  for (std::size_t i = 0; i < words.size(); ++i)
    if (take_word(text, words[i].trained) || take_word(text, words[i].reworded)) return int(i);
  return -1;
}
}  // namespace detail

/// The scene that a caption describes, in either wording. Throws format_error that says where it stops making sense.
inline ShapeScene scene_of(std::string_view caption) {
  std::string_view rest = caption;
  const auto expect = [&](bool met, std::string_view what) {
    if (!met)
      throw format_error("the caption '" + std::string(caption) + "': expected " + std::string(what) + " at '" +
                         std::string(rest) + "'; say 'a small red circle in the northwest moving up and a ..'");
  };
  ShapeScene scene;
  do {
    expect(detail::take_word(rest, "a"), "'a'");
    ShapeObject o;
    for (const WordClass c : word_classes) {
      if (c == WordClass::place) expect(detail::take_word(rest, "in") && detail::take_word(rest, "the"), "'in the'");
      o[c] = detail::take_value(rest, c);
      expect(o[c] >= 0, "a " + std::string(name_of(c)));
    }
    scene.objects.push_back(o);
  } while (detail::take_word(rest, "and"));
  expect(rest.empty(), "'and' or the end");
  return scene;
}

/// The scene with another value of one class for every object: opposite directions, colours that still differ.
inline ShapeScene exchanged(ShapeScene scene, WordClass c) {
  const int count = int(words_of(c).size());
  for (ShapeObject& o : scene.objects) o[c] = (o[c] + count / 2) % count;
  return scene;
}

/// The words of captions for training, each once, separated by spaces: the vocabulary of an encoder of words.
inline std::string shape_vocabulary() {
  std::string all = "a and in the";
  for (const WordClass c : word_classes)
    for (const ShapeWord& word : words_of(c)) {
      std::string_view rest = word.trained;
      while (!rest.empty()) {
        const std::string_view one = rest.substr(0, rest.find(' '));
        if ((" " + all + " ").find(" " + std::string(one) + " ") == std::string::npos) all += " " + std::string(one);
        detail::take_word(rest, one);
      }
    }
  return all;
}

}  // namespace modelgrow::inline v0

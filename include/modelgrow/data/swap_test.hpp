// SPDX-License-Identifier: MIT
// Whether a model reads its captions, class by class: the loss with one class of words exchanged, beside the loss with
// true captions. Captions of other clips, the usual check, differ in everything, and one class that is read hides all
// others that are not.
#pragma once
#include <array>
#include <concepts>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <modelgrow/data/shape_words.hpp>

namespace modelgrow::inline v0 {

/// The loss with true captions, and for each class how much higher it is, relatively, when the words are exchanged.
struct SwapResult {
  double loss = 0;
  std::array<double, word_classes.size()> rise{};

  double operator[](WordClass c) const { return rise[std::size_t(c)]; }
};

/// `loss_of(captions)` is the mean loss of one model over the clips of `scenes` shown with these captions, at fixed
/// noise; it is called once for the true captions and once for every class.
template <class LossOf>
requires std::convertible_to < std::invoke_result_t < LossOf&, const std::vector<std::string>
& >, double > SwapResult swap_test(std::span<const ShapeScene> scenes, LossOf&& loss_of) {
  std::vector<std::string> captions;
  for (const ShapeScene& scene : scenes) captions.push_back(caption_of(scene));
  SwapResult result{.loss = loss_of(captions)};
  for (const WordClass c : word_classes) {
    for (std::size_t i = 0; i < scenes.size(); ++i) captions[i] = caption_of(exchanged(scenes[i], c));
    result.rise[std::size_t(c)] = loss_of(captions) / result.loss - 1;
  }
  return result;
}

}  // namespace modelgrow::inline v0

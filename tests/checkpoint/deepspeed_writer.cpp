// SPDX-License-Identifier: MIT
// Folders of DeepSpeed written again: with the tensors that were read, every file has the values, places and numbers
// that the package gave it.
#include <modelgrow/checkpoint/deepspeed.hpp>
#include <modelgrow/checkpoint/deepspeed_cut.hpp>
#include <modelgrow/checkpoint/deepspeed_writer.hpp>
#include <modelgrow/checkpoint/pickle_access.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/checkpoint/torch_rewriter.hpp>
#include <tests/support/training_values.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(folder));
  std::ranges::sort(files);
  return files;
}

/// A tree in words, numbers of tensors included.
void tell(const TorchFile& file, const PickleValue& value, std::string& text) {
  const auto all = [&](const std::vector<PickleValue>& values) {
    text += "(";
    for (const auto& v : values) {
      tell(file, v, text);
      text += ", ";
    }
    text += ")";
  };
  if (const auto tensor = tensor_of(value)) {
    const auto bytes = file.copy(*tensor);
    text += std::string(name(tensor->dtype)) + to_string(tensor->shape) + " ";
    for (const auto b : bytes) text += std::to_string(int(b)) + " ";
  } else if (const auto* dict = value.get<PickleDict>()) {
    text += dict->ordered ? "ordered {" : "{";
    for (const auto& item : dict->items) {
      tell(file, item.key, text);
      text += ": ";
      tell(file, item.value, text);
      text += "\n";
    }
    tell(file, dict->attributes, text);
    text += "}";
  } else if (const auto* object = value.get<PickleObject>()) {
    text += object->type.text() + (object->allocated ? " new " : " ");
    all(object->arguments.values);
    tell(file, object->state, text);
  } else if (const auto* values = detail::sequence(&value)) {
    all(*values);
  } else if (const auto* word = value.get<std::string>()) {
    text += "'" + *word + "'";
  } else if (const auto* number = value.get<std::int64_t>()) {
    text += std::to_string(*number);
  } else if (const auto* real = value.get<double>()) {
    text += std::to_string(*real) + "f";
  } else if (const auto* flag = value.get<bool>()) {
    text += *flag ? "True" : "False";
  } else {
    text += value.kind();
  }
}
std::string told(const std::filesystem::path& path) {
  const auto file = TorchFile::open(path);
  std::string text;
  tell(file, file.root(), text);
  return text;
}

std::vector<DeepSpeedWeight> weights_of(const DeepSpeedState& state) {
  std::vector<DeepSpeedWeight> weights;
  for (const auto& w : state.weights) weights.push_back({.tensor = w, .source = w.name()});
  return weights;
}

}  // namespace

TEST_CASE("what was read is written as the package wrote it") {
  for (const int stage : {1, 2, 3}) {
    const auto from = training_state / ("deepspeed_ds" + std::to_string(stage));
    INFO(from.string());
    const auto state = read_deepspeed(from);
    const Scratch scratch;
    const auto written = write_deepspeed(from, scratch.path(), weights_of(state), state.optimizer);
    CHECK(written.size() == files_of(from).size());
    REQUIRE(files_of(scratch.path()) == files_of(from));
    CHECK(get(scratch / "latest") == get(from / "latest"));
    for (const auto& file : files_of(from)) {
      INFO(file.string());
      if (file.extension() != ".pt") continue;
      auto expected = told(from / file);
      constexpr std::string_view padding = "165 190 81 0 ";  // behind f.weight: what was in memory
      if (const auto at = expected.find(padding); at != expected.npos)
        expected.replace(at, padding.size(), "165 190 0 0 ");
      CHECK(told(scratch / file.string()) == expected);
    }
  }
}

TEST_CASE("every number goes to one place, for any stage, ranks and sizes") {
  for (const int stage : {1, 3})
    for (const std::int64_t ranks : {1, 2, 3, 8})
      for (const std::int64_t row : {1, 20, 1000}) {
        const std::vector<std::int64_t> elements{7, 1, 30, 0, 12, 5};
        const std::vector<std::vector<std::size_t>> groups{{0, 1, 3, 2}, {4}, {5}};
        const detail::ZeroCut cut{.stage = stage, .ranks = ranks, .row = row};
        std::vector<std::vector<int>> seen;
        for (const auto n : elements) seen.emplace_back(std::size_t(n));
        for (std::int64_t r = 0; r < ranks; ++r) {
          const auto flats = cut.of(r, groups, elements), first = cut.of(0, groups, elements);
          REQUIRE(flats.size() == first.size());
          for (std::size_t f = 0; f < flats.size(); ++f) {
            CHECK(flats[f].size() == first[f].size());
            CHECK(flats[f].group == first[f].group);
            CHECK((stage == 3 || flats[f].size() % 2 == 0));
            for (const auto& s : flats[f].slices)
              for (std::int64_t i = 0; i < s.size; ++i) ++seen[s.parameter][std::size_t(s.begin + i)];
          }
        }
        for (const auto& parameter : seen) CHECK(std::ranges::count(parameter, 1) == std::int64_t(parameter.size()));
        if (stage == 3 && row == 1)
          CHECK(cut.of(0, groups, elements).size() >= 5);  // a row for each, but for the empty
        if (row == 1000) CHECK(cut.of(0, groups, elements).size() == groups.size());
      }
}

TEST_CASE("folders that are not written") {
  const Scratch scratch;
  for (const char* name : {"deepspeed_pipeline", "deepspeed_universal"}) {
    const auto state = read_deepspeed(training_state / name);
    const auto text = message_of<format_error>(
        [&] { write_deepspeed(training_state / name, scratch.path(), weights_of(state), state.optimizer); });
    CHECK(says(text, std::string(name) == "deepspeed_pipeline" ? "pipeline" : "universal", "modelgrow convert"));
  }
  const auto from = training_state / "deepspeed_ds1";
  auto state = read_deepspeed(from);
  auto weights = weights_of(state);
  weights.erase(weights.begin());
  CHECK(says(message_of<format_error>([&] { write_deepspeed(from, scratch.path(), weights, state.optimizer); }),
             "'w.weight' is not among the weights"));
  weights = weights_of(state);
  weights[1].source = "x.weight";
  CHECK(says(message_of<format_error>([&] { write_deepspeed(from, scratch.path(), weights, state.optimizer); }),
             "is made of 'x.weight'"));
  state.optimizer.parameters[1].entries.pop_back();
  CHECK(
      says(message_of<format_error>([&] { write_deepspeed(from, scratch.path(), weights_of(state), state.optimizer); }),
           "'v.weight' has no 'exp_avg_sq'"));
}

TEST_CASE("a file of torch with one tensor changed, and all else as it was") {
  const Scratch scratch;
  const auto from = training_state / "deepspeed_ds1/step2/mp_rank_00_model_states.pt";
  TorchRewriter file(from);
  file.write(scratch / "same.pt");
  CHECK(told(scratch / "same.pt") == told(from));
  auto* module = file.root().edit<PickleDict>()->find("module")->share<PickleDict>().get();
  module->set("buf", file.add(JoinedTensor("", 2.5)));
  file.write(scratch / "other.pt");
  const auto other = TorchFile::open(scratch / "other.pt");
  const auto changed = tensor_of(*detail::value_behind(other.root(), {"module", "buf"}));
  REQUIRE(changed);
  CHECK(changed->dtype == DType::f64);
  double value = 0;
  std::memcpy(&value, other.copy(*changed).data(), sizeof value);
  CHECK(value == 2.5);
  CHECK(told(scratch / "other.pt") != told(from));
}

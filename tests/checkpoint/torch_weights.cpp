// SPDX-License-Identifier: MIT
// The dictionary that holds the weights is found, named, or refused; nobody guesses.
#include <modelgrow/checkpoint/torch_weights.hpp>
#include <tests/support/pickle_bytes.hpp>
#include <tests/support/raw_files.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

PickleDict dict(std::vector<std::pair<std::string, PickleValue>> items) {
  PickleDict d;
  for (auto& [key, value] : items) d.set(key, std::move(value));
  return d;
}
const PickleValue tensor = torch_tensor("0", DType::f32, {2});
const PickleValue weights = dict({{"w", tensor}, {"b", tensor}});
const PickleValue optimizer = [] {
  PickleDict state;
  state.set(0, dict({{"exp_avg", tensor}}));
  return dict({{"state", state}, {"param_groups", PickleList{}}});
}();

TorchWeights find(const PickleValue& root, const std::string& choice = {}) {
  return find_torch_weights(root, choice, "x.pt");
}
std::string refusal(const PickleValue& root, const std::string& choice = {}) {
  const auto said = message_of<format_error>([&] { find(root, choice); });
  if (!said.empty()) CHECK(said.starts_with("x.pt: "));
  return said;
}

}  // namespace

TEST_CASE("weights stand alone, or under the names of trainers") {
  CHECK(find(weights).at.empty());
  CHECK(find(weights).tensors.size() == 2);
  CHECK(find(weights).tensors[0].first == "w");
  for (const char* key : {"state_dict", "model", "module", "ema", "model_state_dict", "network"}) {
    const auto found = find(dict({{"epoch", 3}, {key, weights}, {"optimizer", optimizer}}));
    CHECK(found.at == key);
    CHECK(found.tensors.size() == 2);
    CHECK(found.others == std::vector<std::string>{"epoch", "optimizer"});
  }
  CHECK(find(dict({{"model", dict({{"module", weights}})}})).at == "model/module");
  CHECK(find(dict({{"module", weights}, {"frozen_param_fragments", weights}})).at == "module");
  CHECK(find(dict({{"model", weights}, {"step", tensor}})).at == "model");
}

TEST_CASE("what is no tensor of the dictionary is named as left out") {
  const auto found = find(dict({{"w", tensor}, {"steps", 5}, {"extra", dict({{"x", tensor}})}}));
  CHECK(found.at.empty());
  CHECK(found.tensors.size() == 1);
  CHECK(found.others == std::vector<std::string>{"steps", "extra"});
}

TEST_CASE("two that could be meant are refused with the choices, and one is taken when it is named") {
  const PickleValue both = dict({{"model", weights}, {"ema", dict({{"module", dict({{"a", tensor}})}})}});
  CHECK(refusal(both) ==
        "x.pt: several of its dictionaries hold tensors, 'model', 'ema'; name one "
        "(CheckpointOptions::state_dict, --state-dict)");
  CHECK(find(both, "model").tensors.size() == 2);
  CHECK(find(both, "ema").at == "ema/module");
  CHECK(find(both, "ema/module").tensors[0].first == "a");
  CHECK(says(refusal(dict({{"run", both}})), "'run/model', 'run/ema'"));
  CHECK(says(refusal(dict({{"first", weights}, {"second", weights}})), "'first', 'second'"));
  PickleDict many;
  for (int i = 0; i < 12; ++i) many.set("part" + std::to_string(i), weights);
  CHECK(says(refusal(many), "'part0', 'part1'", "'part7' and 4 more; name one"));
  CHECK(says(refusal(both, "modle"), "there is no dictionary 'modle' in it; the nearest names are 'model'"));
  CHECK(says(refusal(both, "model/w"), "there is no dictionary 'w' in it, but a tensor"));
}

TEST_CASE("files without weights say what they have") {
  CHECK(says(refusal({}), "what was saved is None; expected a dictionary of tensors"));
  CHECK(says(refusal(optimizer), "no tensors under names; it has 'state', 'param_groups'"));
  CHECK(says(refusal(dict({{"optimizer", optimizer}})), "no tensors under names; it has 'optimizer'"));
  CHECK(says(refusal(PickleDict{}), "no tensors under names; give"));
}

TEST_CASE("parts of tensors, tensors without numbers, and calls that make none") {
  const PickleValue rebuild = PickleGlobal{"torch._utils", "_rebuild_wrapper_subclass"};
  const auto typed = [](std::vector<PickleValue> arguments) {
    return PickleObject{.type = {"torch._tensor", "_rebuild_from_type_v2"}, .arguments = {std::move(arguments)}};
  };
  const PickleValue part = typed({rebuild, PickleGlobal{"torch.distributed.tensor", "DTensor"}, PickleTuple{},
                                  PickleTuple{{{}, dict({{"_local_tensor", tensor}})}}});
  CHECK(says(refusal(dict({{"w", part}})), "tensor 'w' is the part of one rank", "save it whole"));
  const PickleValue meta = PickleObject{.type = {"torch._utils", "_rebuild_meta_tensor_no_storage"}};
  CHECK(says(refusal(dict({{"v", tensor}, {"w", meta}})), "tensor 'w' is on the meta device"));
  CHECK(says(refusal(dict({{"w", typed({})}})), "argument 0 is not there; expected a function"));
}

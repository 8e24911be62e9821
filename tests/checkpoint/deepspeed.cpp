// SPDX-License-Identifier: MIT
// Folders of DeepSpeed: stages 1 to 3, pipelines and the universal form give the weights that its own scripts join, and
// the moments of the same places; files of different saves are refused.
#include <modelgrow/checkpoint/deepspeed.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <tests/support/training_values.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

std::vector<double> numbers(const std::vector<JoinedTensor>& tensors, const std::string& name) {
  return numbers_of(named(tensors, name));
}

/// A copy of a folder in which files can be changed.
void copy_to(const Scratch& scratch, const char* from) {
  std::filesystem::copy(training_state / from, scratch.path(), std::filesystem::copy_options::recursive);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(scratch.path()))
    std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_write, std::filesystem::perm_options::add);
}

template <class E>
std::string refusal(const Scratch& scratch) {
  const auto text = message_of<E>([&] { read_deepspeed(scratch.path()); });
  CHECK(says(text, scratch.path().string()));
  return text;
}

const std::string rank_0 = "step2/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt",
                  rank_1 = "step2/bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt";

/// Replaces one float of a file, the only one with these bytes.
void alter(const std::filesystem::path& path, float from, float to, int count) {
  auto bytes = get(path);
  const std::string_view old(reinterpret_cast<const char*>(&from), 4), now(reinterpret_cast<const char*>(&to), 4);
  for (std::size_t at = bytes.find(old); at != bytes.npos && count > 0; at = bytes.find(old, at + 4))
    if (at % 64 == 0) {  // the begin of a record
      bytes.replace(at, 4, now);
      --count;
    }
  REQUIRE(count == 0);
  put(path, bytes);
}

}  // namespace

TEST_CASE("ZeRO 1, 2 and 3: the weights that its script joins, and the moments of the same places") {
  for (const int stage : {1, 2, 3}) {
    const auto name = "deepspeed_ds" + std::to_string(stage);
    INFO(name);
    const auto state = read_deepspeed(training_state / name);
    CHECK(state.stage == stage);
    CHECK(state.ranks == 2);
    const auto values = training_values(name + "/weights");
    for (const auto& [tensor, expected] : values.items()) check_values(named(state.weights, tensor), expected);
    CHECK(state.weights.size() == 5);
    CHECK(named(state.weights, "f.weight").dtype() == DType::bf16);  // frozen; the script leaves it out in stage 1
    CHECK(state.tied == std::vector<std::pair<std::string, std::string>>{{"tied.weight", "v.weight"}});
    const auto& optimizer = state.optimizer;
    REQUIRE(optimizer.is.kind);
    CHECK(optimizer.is.kind->word == "adamw");
    REQUIRE(optimizer.groups.size() == 2);
    CHECK(*optimizer.groups[0].options.find("weight_decay")->get<double>() == 0.1);
    CHECK(*optimizer.groups[1].options.find("weight_decay")->get<double>() == 0.0);
    CHECK(optimizer.parameters[2].name == "w.bias");
    const auto tensors = optimizer.tensors();
    CHECK(tensors.size() == 9);
    CHECK(named(tensors, "adamw.m.w.weight").shape() == Shape{5, 3});
    CHECK(numbers(tensors, "adamw.step.v.weight") == std::vector<double>{2});
  }
}

TEST_CASE("the moments of stage 1 are those that the files have in the places of the parameters") {
  const auto state = read_deepspeed(training_state / "deepspeed_ds1");
  const auto tensors = state.optimizer.tensors();
  const auto values = training_values("deepspeed_ds1/" + rank_0), other = training_values("deepspeed_ds1/" + rank_1);
  const auto first = [](const detail::json& v, const std::string& key) {
    return v["optimizer_state_dict/base_optimizer_state/state/" + key]["first"].get<std::vector<double>>();
  };
  const auto m = numbers(tensors, "adamw.m.w.weight"), v = numbers(tensors, "adamw.v.v.weight");
  const auto begin = first(values, "0/exp_avg"), behind = first(other, "0/exp_avg"),
             squares = first(other, "0/exp_avg_sq");
  CHECK(std::equal(begin.begin(), begin.end(), m.begin()));
  CHECK(m[14] == behind[0]);  // the last number of w.weight is the first of rank 1
  CHECK(numbers(tensors, "adamw.m.v.weight")[0] == behind[1]);
  CHECK(v[0] == squares[1]);
  CHECK(v[2] == squares[3]);
  CHECK(numbers(tensors, "adamw.m.w.bias")[4] == first(other, "1/exp_avg")[0]);
}

TEST_CASE("stages 1 and 3 and the universal form hold one state") {
  const auto one = read_deepspeed(training_state / "deepspeed_ds1"),
             three = read_deepspeed(training_state / "deepspeed_ds3"),
             universal = read_deepspeed(training_state / "deepspeed_universal");
  const auto of_three = three.optimizer.tensors(), of_universal = universal.optimizer.tensors();
  CHECK(of_universal.size() == of_three.size());
  for (const auto& t : of_three) CHECK(numbers_of(t) == numbers(of_universal, t.name()));
  for (const auto& w : three.weights) CHECK(numbers_of(w) == numbers(universal.weights, w.name()));
  for (const auto& t : one.optimizer.tensors()) {
    const auto here = numbers_of(t), there = numbers(of_three, t.name());  // sums in another order
    for (std::size_t i = 0; i < here.size(); ++i) CHECK(std::abs(here[i] - there[i]) <= 1e-6 * std::abs(here[i]));
  }
  for (const char* name : {"w.weight", "v.weight", "w.bias"}) {
    const auto path = std::string("deepspeed_universal/zero/") + name + "/exp_avg.pt";
    const auto first = training_values(path)[""]["first"].get<std::vector<double>>();
    const auto m = numbers(of_universal, std::string("adamw.m.") + name);
    CHECK(std::equal(first.begin(), first.end(), m.begin()));
  }
  CHECK(universal.ranks == 0);
  CHECK(*universal.optimizer.groups[0].options.find("lr")->get<double>() == 0.01);
}

TEST_CASE("a pipeline: the number of the file is the layer") {
  const auto state = read_deepspeed(training_state / "deepspeed_pipeline");
  CHECK(state.stage == 0);
  CHECK(state.ranks == 1);
  CHECK(state.weights.size() == 6);
  const auto values = training_values("deepspeed_pipeline/s2/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt");
  const auto flat = values["optimizer_state_dict/single_partition_of_fp32_groups/0"];
  const auto first = flat["first"].get<std::vector<double>>(), last = flat["last"].get<std::vector<double>>();
  const auto weight = numbers(state.weights, "0.weight"), bias = numbers(state.weights, "2.bias");
  CHECK(std::equal(first.begin(), first.end(), weight.begin()));
  CHECK(std::equal(last.begin(), last.end(), bias.end() - 2));
  CHECK(named(state.weights, "1.weight").dtype() == DType::f32);  // not the bf16 of the layer's file
  CHECK(state.optimizer.tensors().size() == 18);
}

TEST_CASE("a missing rank, and one of another step") {
  for (const char* name : {"deepspeed_ds1", "deepspeed_ds3"}) {
    const Scratch scratch;
    copy_to(scratch, name);
    CHECK(message_of<error>([&] { read_deepspeed(scratch.path()); }).empty());
    const auto rank_2 = scratch / "step2/bf16_zero_pp_rank_2_mp_rank_00_optim_states.pt";
    put(rank_2, get(scratch / rank_1));
    CHECK(says(refusal<format_error>(scratch), "files of 3 ranks", "one of 2"));
    std::filesystem::remove(rank_2);
    alter(scratch / rank_1, 2.0f, 3.0f, 2);
    CHECK(says(refusal<format_error>(scratch), rank_1, "'step' of group 0", "different steps"));
    std::filesystem::remove(scratch / rank_1);
    CHECK(says(refusal<io_error>(scratch), "optimizer of rank 1 of 2 is missing"));
  }
  const Scratch scratch;
  copy_to(scratch, "deepspeed_ds3");
  put(scratch / rank_1, get(training_state / "deepspeed_ds1" / rank_1));
  CHECK(says(refusal<format_error>(scratch), rank_1, "of stage 1", "of stage 3"));
  put(scratch / rank_1, get(training_state / "deepspeed_ds3" / rank_1));
  const auto model = get(scratch / "step2/zero_pp_rank_1_mp_rank_00_model_states.pt");
  std::filesystem::remove(scratch / "step2/zero_pp_rank_1_mp_rank_00_model_states.pt");
  CHECK(says(refusal<io_error>(scratch), "model of rank 1 of 2 is missing"));
  put(scratch / "step2/zero_pp_rank_1_mp_rank_00_model_states.pt", model.substr(0, 3000));
  CHECK(says(refusal<format_error>(scratch), "zero_pp_rank_1_mp_rank_00_model_states.pt"));
}

TEST_CASE("folders that are none, or of another model") {
  const Scratch scratch;
  CHECK(says(refusal<format_error>(scratch), "no optimizer of DeepSpeed"));
  put(scratch / "latest", "step9\n");
  CHECK(says(refusal<io_error>(scratch), "names the step 'step9'"));
  put(scratch / "latest", "../step9");
  CHECK(says(refusal<io_error>(scratch), "names the step '../step9'"));
  std::filesystem::remove(scratch / "latest");
  copy_to(scratch, "deepspeed_ds1");
  put(scratch / "step2/mp_rank_00_model_states.pt",
      get(training_state / "deepspeed_pipeline/s2/mp_rank_00_model_states.pt"));
  CHECK(says(refusal<format_error>(scratch), rank_0, "'w.weight' is in no file of a layer"));
  put(scratch / "step2/mp_rank_01_model_states.pt", "x");
  CHECK(says(refusal<format_error>(scratch), "tensor-parallel"));
  std::filesystem::remove(scratch / "step2/mp_rank_01_model_states.pt");
  std::filesystem::remove(scratch / "step2/mp_rank_00_model_states.pt");
  CHECK(says(refusal<format_error>(scratch), "no model of DeepSpeed"));
  put(scratch / rank_0, get(training_state / "adamw_state_dict.pt"));
  CHECK(says(refusal<format_error>(scratch), rank_0, "no 'optimizer_state_dict'"));
}

TEST_CASE("the universal form with a parameter of another shape, or none") {
  const Scratch scratch;
  copy_to(scratch, "deepspeed_universal");
  put(scratch / "zero/v.weight/exp_avg.pt", get(scratch / "zero/w.bias/exp_avg.pt"));
  CHECK(says(refusal<format_error>(scratch), "v.weight/exp_avg.pt", "of shape [5]", "[2, 5]"));
  std::filesystem::remove(scratch / "zero/w.bias/fp32.pt");
  std::filesystem::remove(scratch / "zero/v.weight/exp_avg.pt");
  CHECK(says(refusal<io_error>(scratch), "zero/w.bias/fp32.pt"));
}

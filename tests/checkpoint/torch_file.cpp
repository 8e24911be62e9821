// SPDX-License-Identifier: MIT
// Files of torch.save in both forms: every number as torch has it, and what is written again has the bytes that torch
// wrote.
#include <cstdlib>
#include <cstring>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/checkpoint/torch_weights.hpp>
#include <modelgrow/checkpoint/torch_writer.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/detail/mmap.hpp>
#include <tests/support/pickle_bytes.hpp>
#include <tests/support/raw_files.hpp>
#include <tests/support/torch_numbers.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;
using namespace modelgrow::testing::pickled;

namespace {

const std::filesystem::path golden = std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden/torch";

TorchFile opened(const std::string& bytes) {
  const Scratch scratch;
  return TorchFile::open(put(scratch / "x.pt", bytes));  // a mapping outlives the name of its file
}
std::string refusal(const std::string& bytes) {
  const Scratch scratch;
  const auto path = put(scratch / "x.pt", bytes);
  const std::string text = message_of<format_error>([&] { TorchFile::open(path); });
  if (!text.empty()) CHECK(text.starts_with(path.string() + ": "));
  return text;
}

/// Tensors by the names of expected.json: keys that lead to them, joined by '/'.
void collect(const PickleValue& value, const std::string& at, std::vector<TorchFile::Named>& found) {
  if (auto tensor = tensor_of(value)) found.emplace_back(at, *tensor);
  const auto* dict = value.get<PickleDict>();
  if (!dict) return;
  for (const auto& [key, held] : dict->items) {
    const auto* text = key.get<std::string>();
    const auto* number = key.get<std::int64_t>();
    if (text || number) collect(held, (at.empty() ? "" : at + "/") + (text ? *text : std::to_string(*number)), found);
  }
}
std::vector<TorchFile::Named> tensors_in(const PickleValue& root) {
  std::vector<TorchFile::Named> found;
  collect(root, "", found);
  return found;
}

const PickleValue& at(const PickleValue& dict, std::string_view key) { return *dict.get<PickleDict>()->find(key); }

const std::string four_floats = std::string("\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40", 16);  // 1 to 4

}  // namespace

TEST_CASE("every tensor of files that torch wrote has the numbers that torch reads") {
  const auto expected = detail::parse_json(get(golden / "expected.json"), "expected.json");
  REQUIRE(expected.size() == 6);
  for (const auto& [name, tensors] : expected.items()) {
    INFO(name);
    const auto file = TorchFile::open(golden / name);
    auto named = tensors_in(name == "adamw.pt" ? at(file.root(), "state") : file.root());
    if (name == "run.ckpt") std::erase_if(named, [](const auto& n) { return n.first.starts_with("optimizer/"); });
    const auto read = file.tensors(named);
    REQUIRE(read.tensors().size() == tensors.size());
    for (const auto& t : read.tensors()) {
      INFO(t.name);
      const auto& e = tensors[t.name];
      CHECK(torch_name(t.dtype) == e["dtype"].get<std::string>());
      CHECK(to_string(t.shape) ==
            to_string(Shape(std::span<const std::int64_t>(e["shape"].get<std::vector<std::int64_t>>()))));
      CHECK(numbers_of(t) == e["values"].get<std::vector<double>>());
    }
  }
}

TEST_CASE("what was read is written with the bytes that torch gave it") {
  const Scratch scratch;
  for (const char* name : {"every_type.pt", "views.pt", "run.ckpt", "adamw.pt", "adamw_dtensor_rank0.pt",
                           "random_states_0.pkl", "zero3_optim_states.pt"}) {
    INFO(name);
    const auto file = TorchFile::open(golden / name);
    const std::string before = get(golden / name);
    const auto slash = before.find('/');
    const std::string stem =
        before.substr(30, slash - 30);  // the folder in the archive, by the name that torch saved as
    TorchWriter writer(scratch / (stem + ".pt"), file.root());
    for (const auto& s : writer.storages()) writer.write(file.bytes(*s));
    writer.commit();
    const std::string after = get(scratch / (stem + ".pt"));
    const auto end = before.find("/.data/serialization_id") - stem.size() - 30;  // a hash that torch adds for itself
    CHECK(after.substr(0, end) == before.substr(0, end));
    CHECK(write_pickle(TorchFile::open(scratch / (stem + ".pt")).root()).bytes == write_pickle(file.root()).bytes);
  }
}

TEST_CASE("the old form has the numbers of the new one, and is written as the new one") {
  const Scratch scratch;
  const auto file = TorchFile::open(golden / "views_old.pth");
  TorchWriter writer(scratch / "new.pt", file.root());
  for (const auto& s : writer.storages()) writer.write(file.bytes(*s));
  writer.commit();
  const auto now = TorchFile::open(scratch / "new.pt");
  const auto before = tensors_in(file.root()), after = tensors_in(now.root());
  REQUIRE(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(file.copy(before[i].second) == now.copy(after[i].second));
}

TEST_CASE("views of one storage share its bytes, others are gathered") {
  const auto file = TorchFile::open(golden / "views.pt");
  const auto read = file.tensors(tensors_in(file.root()));
  CHECK(read.find("tied.a")->data == read.find("tied.b")->data);
  CHECK(read.find("rows")->data + 19 * sizeof(float) == read.find("one")->data);
  CHECK(read.memory().size() == 2);
  for (const auto& t : read.tensors()) {
    read.prepare(t.span());
    const auto before = numbers_of(t);
    read.release(t.span());
    CHECK(numbers_of(t) == before);
    CHECK(file.copy(*tensor_of(at(file.root(), t.name))) == std::vector<std::byte>(t.span().begin(), t.span().end()));
  }
  const auto plain = TorchFile::open(golden / "every_type.pt");
  CHECK(plain.tensors(tensors_in(plain.root())).memory().size() == 1);
}

TEST_CASE("large tensors are gathered piece by piece") {
  std::string numbers;
  for (int i = 0; i < 700 * 900; ++i) numbers += u32(std::uint32_t(i));
  const auto file = opened(
      torch_zip(pickled::file(tensor(storage("0", 700 * 900, "IntStorage"), 0, {900, 700}, {1, 900})), {numbers}));
  const auto read = file.tensors({{"turned", *tensor_of(file.root())}});
  std::vector<std::int32_t> values(700 * 900);
  std::memcpy(values.data(), read.tensors()[0].data, read.tensors()[0].bytes);
  for (int i = 0; i < 900; ++i)
    for (int j = 0; j < 700; ++j)
      if (values[std::size_t(i * 700 + j)] != j * 900 + i) FAIL(i << " " << j);
}

TEST_CASE("state of an optimizer, of random numbers, of one rank, and of a distributed save") {
  const auto adamw = TorchFile::open(golden / "adamw.pt");
  const auto& group = at(adamw.root(), "param_groups").get<PickleList>()->values[0];
  CHECK(*at(group, "lr").get<double>() == 1e-3);
  CHECK(at(group, "betas").get<PickleTuple>()->values.size() == 2);
  CHECK(at(group, "params").get<PickleList>()->values.size() == 4);
  CHECK(at(group, "fused").is_none());
  CHECK(at(adamw.root(), "state").get<PickleDict>()->find(3));

  const auto sharded = TorchFile::open(golden / "adamw_dtensor_rank0.pt");
  const auto& state = *at(sharded.root(), "state").get<PickleDict>()->find(1);
  CHECK_FALSE(tensor_of(at(state, "exp_avg")));
  const auto local = local_tensor_of(at(state, "exp_avg"));
  REQUIRE(local);
  CHECK(local->shape == Shape{3, 3});
  float first = 0;
  std::memcpy(&first, sharded.copy(*local).data(), sizeof first);
  CHECK(first == -0.001764792250469327f);

  const auto random = TorchFile::open(golden / "random_states_0.pkl");
  CHECK(at(random.root(), "numpy_random_seed").get<PickleTuple>()->values.size() == 5);
  CHECK(at(random.root(), "random_state").get<PickleTuple>()->values.size() == 3);

  const auto zero = TorchFile::open(golden / "zero3_optim_states.pt");
  const auto& optimizer = at(zero.root(), "optimizer_state_dict");
  CHECK(at(optimizer, "loss_scaler").get<PickleObject>()->type.name == "LossScaler");
  CHECK(tensor_of(at(optimizer, "fp32_flat_groups").get<PickleList>()->values[0])->shape == Shape{13});

  const auto metadata = TorchFile::open(golden / "dcp.metadata");  // a pickle alone, of protocol 4
  const auto* about = metadata.root().get<PickleObject>();
  REQUIRE(about);
  CHECK(about->type.name == "Metadata");
  CHECK(about->state.get<PickleDict>()->find("state_dict_metadata")->get<PickleDict>()->find("model.a.weight"));
}

TEST_CASE("archives are read out of larger files") {
  const Scratch scratch;
  const std::string first = torch_zip(pickled::file(tensor(storage("0", 4), 0, {4}, {1})), {four_floats}),
                    second = torch_zip(pickled::file("N"), {});
  const auto path = put(scratch / "x.distcp", first + second);
  const auto mapping = std::make_shared<detail::Mapping>(path);
  const auto a = TorchFile::open(path, mapping, 0, first.size());
  CHECK(a.copy(*tensor_of(a.root())).size() == 16);
  CHECK(TorchFile::open(path, mapping, first.size(), second.size()).root().is_none());
  CHECK(says(message_of<format_error>([&] { TorchFile::open(path, mapping, first.size(), second.size() + 1); }),
             path.string() + ": it has ", "of another save"));
  const std::string bad = torch_zip(pickled::file("I"), {});
  const auto other = put(scratch / "y.distcp", first + bad);
  const auto where = message_of<format_error>(
      [&] { TorchFile::open(other, std::make_shared<detail::Mapping>(other), first.size(), bad.size()); });
  CHECK(says(where, "at byte " + std::to_string(first.size() + bad.find("\x80\x02I") + 2) + ","));
}

TEST_CASE("files that are no files of torch, or not whole") {
  CHECK(says(refusal(""), "no file of torch.save", "cut, altered"));
  CHECK(says(refusal("GGUF...."), "it is a GGUF file"));
  CHECK(says(refusal("version https://git-lfs.github.com"), "git lfs pull"));
  CHECK(says(refusal(u64(2) + "{}  "), "it looks like safetensors"));
  CHECK(says(refusal(std::string(257, 'x') + "ustar"), "a tar archive"));
  CHECK(says(refusal(zip({})), "no file of torch.save"));
  const std::string pickle = pickled::file(tensor(storage("0", 4), 0, {4}, {1}));
  const auto with = [&](std::vector<ZipPart> parts) { return refusal(zip(parts)); };
  CHECK(says(with({{.name = "m/version", .bytes = "3"}}), "the archive has no 'm/data.pkl'"));
  CHECK(says(with({{.name = "m/data.pkl", .bytes = pickle}, {.name = "m/constants.pkl", .bytes = "x"}}),
             "a program of TorchScript"));
  CHECK(says(with({{.name = "m/data.pkl", .bytes = pickle}}), "the record of storage '0' is missing"));
  CHECK(says(with({{.name = "m/data.pkl", .bytes = pickle}, {.name = "m/byteorder", .bytes = "big"}}),
             "its numbers are big-endian"));
  CHECK(says(refusal(torch_zip(pickle, {four_floats.substr(1)})),
             "storage '0' has 15 bytes; its 4 elements need 4 each"));
  CHECK(says(refusal(torch_zip(pickle, {four_floats + "abcd"})), "storage '0' has 20 bytes"));
  CHECK(says(refusal(torch_zip(pickle + "more", {four_floats})), "behind its pickle are 4 bytes"));
  CHECK(says(refusal(pickle), "a pickle alone has no storages"));
  CHECK(says(refusal(pickled::file("N") + "more"), "behind its pickle are 4 bytes"));
  CHECK(says(message_of<io_error>([] { TorchFile::open("/nowhere/x.pt"); }), "/nowhere/x.pt"));
}

TEST_CASE("the old form, cut or altered") {
  const std::string magic = std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  const std::string protocol = pickled::file("M\xe9\x03"),
                    little = pickled::file(pickled::dict({{text("little_endian"), "\x88"}})),
                    big = pickled::file(pickled::dict({{text("little_endian"), "\x89"}})),
                    saved = pickled::file(tensor(storage("a", 4), 0, {4}, {1})),
                    keys = pickled::file("]" + text("a") + "a");
  const std::string whole = magic + protocol + little + saved + keys + u64(4) + four_floats;
  CHECK(refusal(whole).empty());
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(refusal(whole.substr(0, n)).empty());
  CHECK(says(refusal(std::string(whole).replace(5, 1, "x")), "no magic number"));
  CHECK(says(refusal(magic + pickled::file("M\xea\x03") + little + saved), "its protocol is not 1001"));
  CHECK(says(refusal(magic + protocol + big + saved), "not said to be little-endian"));
  CHECK(says(refusal(magic + protocol + pickled::file("N") + saved), "not said to be little-endian"));
  CHECK(says(refusal(magic + protocol + little + saved + pickled::file("N")), "its list of storages is None"));
  CHECK(says(refusal(magic + protocol + little + saved + pickled::file("]" + text("b") + "a")),
             "a key that no tensor uses"));
  CHECK(says(refusal(magic + protocol + little + saved + pickled::file("]")), "storage 'a' is missing"));
  CHECK(says(refusal(magic + protocol + little + saved + keys + u64(3) + four_floats), "storage 'a' is not whole"));
  CHECK(says(refusal(whole + "x"), "behind its pickle are 1 bytes"));
  const std::string twice = pickled::file("](" + text("a") + text("a") + "e");
  CHECK(says(refusal(magic + protocol + little + saved + twice + u64(4) + four_floats + u64(4) + four_floats),
             "storage 'a' is there twice"));
}

TEST_CASE("views that leave their storage, or stand for more than a file can mean") {
  const auto view = [](std::int32_t offset, const std::vector<std::int32_t>& sizes,
                       const std::vector<std::int32_t>& strides) {
    const auto file = opened(torch_zip(pickled::file(tensor(storage("0", 4), offset, sizes, strides)), {four_floats}));
    const auto t = *tensor_of(file.root());
    const auto said = message_of<format_error>([&] { file.tensors({{"w", t}}); });
    const auto copied = message_of<format_error>([&] { file.copy(t); });
    CHECK(copied.empty() == said.empty());
    CHECK(says(copied, "leaves") == says(said, "leaves"));
    CHECK(says(copied, "contiguous") == says(said, "contiguous"));
    return said;
  };
  CHECK(view(0, {4}, {1}).empty());
  CHECK(view(3, {}, {}).empty());
  CHECK(view(1, {2, 2}, {2, 0}).empty());
  CHECK(view(100, {0, 5}, {5, 1}).empty());
  CHECK(says(view(1, {4}, {1}),
             "tensor 'w' of shape [4], strides [1] and offset 1 leaves its storage '0' of 4 elements"));
  CHECK(says(view(4, {}, {}), "leaves its storage"));
  CHECK(says(view(0, {2, 2}, {3, 1}), "leaves its storage"));
  const auto most = INT32_MAX;
  CHECK(says(view(0, {most, most, most}, {0, 0, 0}), "leaves its storage"));
  CHECK(says(view(0, {most, most}, {most, most}), "leaves its storage"));
  CHECK(says(view(0, {most, most, 2}, {0, 0, 0}), "leaves its storage"));
  CHECK(says(view(0, {4 << 20, 2}, {0, 0}), "need more than 16777216 bytes", ".contiguous()"));
  CHECK(says(view(0, {most, most >> 4}, {0, 0}), "need more than 16777216 bytes"));
}

TEST_CASE("what is gathered has no name: a process that is killed leaves nothing") {
  const Scratch scratch;
  const char* before = std::getenv("TMPDIR");
  const std::string old = before ? before : "";
  ::setenv("TMPDIR", scratch.path().c_str(), 1);
  const auto file = TorchFile::open(golden / "views.pt");
  const auto read = file.tensors(tensors_in(file.root()));
  before ? ::setenv("TMPDIR", old.c_str(), 1) : ::unsetenv("TMPDIR");
  REQUIRE(read.memory().size() == 2);  // the file, and what was gathered
  CHECK(std::filesystem::is_empty(scratch.path()));
}

TEST_CASE("a storage of another file is not taken for one's own") {
  const auto file = opened(torch_zip(pickled::file(tensor(storage("0", 4), 0, {4}, {1})), {four_floats}));
  CHECK(says(message_of<format_error>([&] { file.bytes(*torch_tensor("7", DType::f32, {4}).storage); }),
             "it has no storage '7'"));
}

TEST_CASE("files of torch are known by their endings, or by what they begin with") {
  const Scratch scratch;
  for (const char* name : {"x.pt", "x.PTH", "x.bin", "x.ckpt", "x.pkl"}) CHECK(is_torch_file(scratch / name));
  CHECK(is_torch_file(put(scratch / "no ending", torch_zip(pickled::file("N"), {}))));
  CHECK(is_torch_file(put(scratch / "old", "\x80\x02\x8a\x0a")));
  CHECK_FALSE(is_torch_file(put(scratch / "x.safetensors", torch_zip(pickled::file("N"), {}))));
  CHECK_FALSE(is_torch_file(put(scratch / "x.gguf", "GGUF")));
  CHECK_FALSE(is_torch_file(put(scratch / "short", "P")));
  CHECK_FALSE(is_torch_file(scratch / "absent"));
  CHECK_FALSE(is_torch_file(scratch.path()));
}

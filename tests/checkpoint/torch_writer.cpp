// SPDX-License-Identifier: MIT
// Torch files that are made here: trees of every kind of value, tensors of every type, and what is refused.
#include <algorithm>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/checkpoint/torch_writer.hpp>
#include <tests/support/raw_files.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

PickleValue again(const PickleValue& value) {
  const std::string bytes = write_pickle(value).bytes;
  return read_pickle(std::as_bytes(std::span(bytes)), "written").value;
}
std::string refusal(const PickleValue& value) {
  const auto said = message_of<format_error>([&] { write_pickle(value); });
  if (!said.empty()) CHECK(said.starts_with("a pickle cannot be written: "));
  return said;
}
std::span<const std::byte> bytes_of(const std::vector<float>& values) { return std::as_bytes(std::span(values)); }

}  // namespace

TEST_CASE("numbers of every size come back") {
  for (const std::int64_t n :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{255}, std::int64_t{256}, std::int64_t{65535},
        std::int64_t{65536}, std::int64_t{INT32_MAX}, std::int64_t{INT32_MIN}, std::int64_t{INT32_MAX} + 1,
        std::int64_t{INT32_MIN} - 1, std::int64_t{0xFFFFFFFF}, std::int64_t{1} << 39, -(std::int64_t{1} << 39),
        INT64_MAX, INT64_MIN}) {
    INFO(n);
    CHECK(*again(n).get<std::int64_t>() == n);
  }
  CHECK(write_pickle(std::int64_t{0x80000000}).bytes ==
        std::string("\x80\x02\x8a\x05\x00\x00\x00\x80\x00.", 10));  // as Python
  CHECK(write_pickle(std::int64_t{-0x80000001ll}).bytes == "\x80\x02\x8a\x05\xff\xff\xff\x7f\xff.");
  for (const double x : {0.0, -0.0, 0.1, -1e300, 5e-324}) CHECK(*again(x).get<double>() == x);
  CHECK(*again(true).get<bool>());
  CHECK(again({}).is_none());
  CHECK(again(PickleLong{"123456789"}).get<PickleLong>()->bytes == "123456789");
}

TEST_CASE("containers, names and objects come back, and what they share is shared again") {
  const PickleValue shared = PickleList{{1, "two", 3.0}};
  PickleDict dict{.ordered = true};
  dict.set("a", shared);
  dict.set(7, PickleTuple{{shared, PickleTuple{}, PickleTuple{{1, 2, 3, 4}}}});
  dict.attributes = PickleDict{.items = {{.key = "_metadata", .value = true}}};
  const auto held = again(dict);
  const auto& back = *held.get<PickleDict>();
  CHECK(back.ordered);
  CHECK(*back.attributes.get<PickleDict>()->find("_metadata")->get<bool>());
  CHECK(back.find("a")->identity() == back.find(7)->get<PickleTuple>()->values[0].identity());
  CHECK(back.find(7)->get<PickleTuple>()->values[2].get<PickleTuple>()->values.size() == 4);

  const PickleValue global = PickleGlobal{"torch", "float32"};
  const auto names = again(PickleTuple{{global, global}});
  CHECK(names.get<PickleTuple>()->values[1].get<PickleGlobal>()->text() == "torch.float32");
  const auto object = again(PickleObject{.type = {"torch", "Size"}, .arguments = {{PickleTuple{{2}}}}});
  CHECK(object.get<PickleObject>()->arguments.values.size() == 1);
  const auto allocated = again(
      PickleObject{.type = {"torch.distributed.device_mesh", "DeviceMesh"}, .allocated = true, .state = PickleDict{}});
  CHECK(allocated.get<PickleObject>()->allocated);
  CHECK(allocated.get<PickleObject>()->state.get<PickleDict>());
}

TEST_CASE("lists and dictionaries of more than a thousand items, and memos of more than 256") {
  for (const int n : {1, 2, 999, 1000, 1001, 2001}) {
    PickleList list;
    PickleDict dict;
    for (int i = 0; i < n; ++i) {
      list.values.emplace_back(std::to_string(i));
      dict.items.push_back({.key = i, .value = list.values.back()});
    }
    const auto back = again(PickleTuple{{list, dict}});
    const auto& values = back.get<PickleTuple>()->values;
    REQUIRE(values[0].get<PickleList>()->values.size() == std::size_t(n));
    REQUIRE(values[1].get<PickleDict>()->items.size() == std::size_t(n));
    for (int i = 0; i < n; ++i) {
      const auto& item = values[1].get<PickleDict>()->items[std::size_t(i)];
      if (item.value.identity() != values[0].get<PickleList>()->values[std::size_t(i)].identity()) FAIL(i);
      if (*item.key.get<std::int64_t>() != i || *item.value.get<std::string>() != std::to_string(i)) FAIL(i);
    }
  }
}

TEST_CASE("what readers would refuse is not written") {
  CHECK(says(refusal(PickleGlobal{"os", "system"}), "the name 'os.system' is not on the list"));
  CHECK(says(refusal("\xFF"), "is not UTF-8"));
  CHECK(says(refusal(PickleLong{std::string(256, 'x')}), "an integer of 256 bytes"));
  PickleValue deep;
  for (int i = 0; i < 64; ++i) deep = PickleTuple{{deep}};
  CHECK(refusal(deep).empty());
  CHECK(says(refusal(PickleTuple{{deep}}), "nested deeper than 64 levels"));
  const PickleValue a = torch_tensor("0", DType::f32, {2}), b = torch_tensor("0", DType::f32, {2});
  CHECK(says(refusal(PickleTuple{{a, b}}), "two storages have the key '0'"));
}

TEST_CASE("a state dictionary of every type is written and read") {
  const Scratch scratch;
  std::vector<NamedShape> declared;
  for (const auto type : {DType::f32, DType::bf16, DType::f16, DType::f64, DType::i64, DType::i32, DType::i16,
                          DType::i8, DType::u8, DType::boolean, DType::c64, DType::u16, DType::u32, DType::u64,
                          DType::f8_e4m3, DType::f8_e5m2, DType::f8_e8m0, DType::f8_e4m3fnuz, DType::f8_e5m2fnuz})
    declared.push_back({.name = std::string(name(type)), .dtype = type, .shape = {3, 2}});
  declared.push_back({.name = "scalar", .shape = {}});
  declared.push_back({.name = "none", .shape = {0, 4}});
  declared.push_back({.name = "last", .shape = {5}});
  std::vector<std::byte> bytes;
  for (const auto& d : declared)
    for (auto n = numel(d.shape) * bits(d.dtype) / 8; n > 0; --n) bytes.push_back(std::byte(bytes.size() % 251));
  TorchWriter writer(scratch / "model.pt", torch_state_dict(declared));
  CHECK(writer.storages().size() == declared.size());
  writer.write(std::span(bytes).first(7));
  writer.write(std::span(bytes).subspan(7));
  CHECK_FALSE(std::filesystem::exists(scratch / "model.pt"));
  writer.finish();
  writer.commit();

  const auto file = TorchFile::open(scratch / "model.pt");
  const auto& dict = *file.root().get<PickleDict>();
  REQUIRE(dict.items.size() == declared.size());
  const std::byte* at = bytes.data();
  for (std::size_t i = 0; i < declared.size(); ++i) {
    INFO(declared[i].name);
    CHECK(*dict.items[i].key.get<std::string>() == declared[i].name);
    const auto& t = *dict.items[i].value.get<PickleTensor>();
    CHECK(t.dtype == declared[i].dtype);
    CHECK(t.shape == declared[i].shape);
    const auto copied = file.copy(t);
    CHECK(std::equal(copied.begin(), copied.end(), at));
    at += copied.size();
  }
  CHECK(at == bytes.data() + bytes.size());
  CHECK_THROWS_AS(torch_state_dict({{.name = "w", .dtype = DType::f4, .shape = {2}}}), format_error);
}

TEST_CASE("storages get the bytes that they need, no more and no less") {
  const Scratch scratch;
  const auto dict = torch_state_dict({{.name = "a", .shape = {2}}, {.name = "b", .shape = {1}}});
  const std::vector<float> three{1, 2, 3};
  TorchWriter more(scratch / "more.pt", dict);
  more.write(bytes_of(three));
  CHECK(says(message_of<format_error>([&] { more.write(bytes_of(three)); }), "was given 12 bytes more"));
  TorchWriter part(scratch / "part.pt", dict);
  part.write(bytes_of(three).first(5));
  CHECK(says(message_of<format_error>([&] { part.commit(); }), "part.pt: storage '0' lacks 3 bytes"));
  TorchWriter none(scratch / "none.pt", dict);
  none.write(bytes_of(three).first(8));
  CHECK(says(message_of<format_error>([&] { none.finish(); }), "storage '1' was not written"));
  CHECK_THROWS_AS(none.commit(), format_error);
  CHECK_FALSE(std::filesystem::exists(scratch / "none.pt"));
  put(scratch / "there.pt", "x");
  CHECK_THROWS_AS(TorchWriter(scratch / "there.pt", dict, Existing::refuse), io_error);
}

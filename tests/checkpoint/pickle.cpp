// SPDX-License-Identifier: MIT
// What pickles say, and every way in which one is refused: nothing of it is run.
#include <cstring>
#include <modelgrow/checkpoint/pickle.hpp>
#include <modelgrow/checkpoint/torch_tensor.hpp>
#include <tests/support/pickle_bytes.hpp>
#include <tests/support/raw_files.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;
using namespace modelgrow::testing::pickled;

namespace {

Pickle read(const std::string& bytes) { return read_pickle(std::as_bytes(std::span(bytes)), "x.pt"); }
PickleValue value(const std::string& body) { return read(pickled::file(body)).value; }

std::string refusal(const std::string& bytes) {
  const std::string text = message_of<format_error>([&] { read(bytes); });
  if (!text.empty()) CHECK(text.starts_with("x.pt: at byte "));
  return text;
}
/// Of the instructions of a pickle.
std::string refused(const std::string& body) { return refusal(pickled::file(body)); }

}  // namespace

TEST_CASE("values of every kind") {
  CHECK(value("N").is_none());
  CHECK(*value("\x88").get<bool>());
  CHECK_FALSE(*value("\x89").get<bool>());
  CHECK(*value("K\xC8").get<std::int64_t>() == 200);
  CHECK(*value("M\xE8\x03").get<std::int64_t>() == 1000);
  CHECK(*value(number(-70000)).get<std::int64_t>() == -70000);
  CHECK(*value(std::string("\x8a\x00", 2)).get<std::int64_t>() == 0);
  CHECK(*value("\x8a\x01\xFE").get<std::int64_t>() == -2);
  CHECK(*value(std::string("\x8a\x05\x00\x00\x00\x80\x00", 7)).get<std::int64_t>() == 0x80000000);
  CHECK(*value("\x8a\x08" + u64(std::uint64_t(INT64_MIN))).get<std::int64_t>() == INT64_MIN);
  CHECK(value(std::string("\x8a\x09", 2) + u64(0) + "\x01").get<PickleLong>()->bytes == u64(0) + "\x01");
  CHECK(*value(std::string("G\x3f\xb9\x99\x99\x99\x99\x99\x9a", 9)).get<double>() == 0.1);
  CHECK(*value(text("grün")).get<std::string>() == "grün");
  CHECK(*value("\x8c\x02ok").get<std::string>() == "ok");
  CHECK(value(global("torch", "float32")).get<PickleGlobal>()->is("torch", "float32"));
  CHECK(value(text("torch") + text("Size") + "\x93").get<PickleGlobal>()->text() == "torch.Size");
  CHECK(value(")").get<PickleTuple>()->values.empty());
  CHECK(value("K\x01K\x02\x86").get<PickleTuple>()->values.size() == 2);
  CHECK(*value("K\x01K\x02K\x03\x87").get<PickleTuple>()->values[2].get<std::int64_t>() == 3);
  CHECK(value("](K\x01NeK\x03"
              "a")
            .get<PickleList>()
            ->values.size() == 3);
  CHECK(value("N\x85").kind() == "a tuple");
  CHECK(value("\x8a\x01\xFE").kind() == "an int");
  CHECK(value(global("torch", "Size") + "N\x85R").kind() == "an object of torch.Size");
  CHECK(value(global("torch", "Size")).kind() == "the name torch.Size");
}

TEST_CASE("dictionaries keep their order, and find what is in them") {
  const auto held =
      value(pickled::dict({{text("b"), "K\x01"}, {text("a"), "K\x02"}, {"K\x07", "K\x03"}}) + text("c") + "K\x04s");
  const auto& dict = *held.get<PickleDict>();
  REQUIRE(dict.items.size() == 4);
  CHECK(*dict.items[0].key.get<std::string>() == "b");
  CHECK(*dict.find("a")->get<std::int64_t>() == 2);
  CHECK(*dict.find(7)->get<std::int64_t>() == 3);
  CHECK(*dict.find("c")->get<std::int64_t>() == 4);
  CHECK(dict.find("d") == nullptr);
  CHECK(dict.find(8) == nullptr);
  CHECK_FALSE(dict.ordered);

  PickleDict changed = dict;
  changed.set("a", 0.5);
  changed.set(7, "seven");
  changed.set(9, true);
  CHECK(*changed.find("a")->get<double>() == 0.5);
  CHECK(*changed.find(7)->get<std::string>() == "seven");
  CHECK(*changed.items.back().value.get<bool>());
  CHECK(changed.items.size() == 5);
}

TEST_CASE("what a module's state carries is its attribute") {
  const auto held = value(no_hooks + text("w") + "K\x01s" + pickled::dict({{text("_metadata"), "}"}}) + "b");
  const auto& dict = *held.get<PickleDict>();
  CHECK(dict.ordered);
  CHECK(dict.items.size() == 1);
  CHECK(dict.attributes.get<PickleDict>()->find("_metadata"));
}

TEST_CASE("the memo gives back the same object") {
  const auto held = value("(]q\x01h\x01Nt");
  const auto& values = held.get<PickleTuple>()->values;
  CHECK(values[0].identity() == values[1].identity());
  CHECK(values[0].identity() != nullptr);
  CHECK(values[2].identity() == nullptr);
  CHECK(value("(]r" + u32(70000) + "j" + u32(70000) + "t").get<PickleTuple>()->values[1].get<PickleList>());
  CHECK(value(text("a") + "\x94h" + std::string(1, '\0') + "\x86").get<PickleTuple>()->values[1].get<std::string>());
}

TEST_CASE("objects are type, arguments and state") {
  const auto size = value(global("torch", "Size") + "K\x02K\x03\x86\x85R");
  CHECK(size.get<PickleObject>()->type.text() == "torch.Size");
  CHECK(size.get<PickleObject>()->arguments.values[0].get<PickleTuple>()->values.size() == 2);
  CHECK_FALSE(size.get<PickleObject>()->allocated);
  const auto shard = value(global("torch.distributed.tensor.placement_types", "Shard") + ")\x81" +
                           pickled::dict({{text("dim"), "K\x01"}}) + "b");
  CHECK(shard.get<PickleObject>()->allocated);
  CHECK(*shard.get<PickleObject>()->state.get<PickleDict>()->find("dim")->get<std::int64_t>() == 1);
}

TEST_CASE("tensors are views of storages, which come in the order of their first use") {
  const auto bytes =
      pickled::file("(" + tensor(storage("b", 6), 2, {2, 2}, {2, 1}) +
                    tensor(storage("a", 3, "BFloat16Storage"), 0, {3}, {1}) + tensor(storage("b", 6), 0, {}, {}) + "t");
  const auto p = read(bytes);
  REQUIRE(p.storages.size() == 2);
  CHECK(p.storages[0]->name() == "b");
  CHECK(p.storages[1]->name() == "a");
  CHECK(p.bytes == bytes.size());
  const auto& values = p.value.get<PickleTuple>()->values;
  const auto& first = *values[0].get<PickleTensor>();
  CHECK(first.dtype == DType::f32);
  CHECK(first.offset == 2);
  CHECK(first.shape == Shape{2, 2});
  CHECK(first.strides == Shape{2, 1});
  CHECK_FALSE(first.requires_grad);
  CHECK(values[1].get<PickleTensor>()->dtype == DType::bf16);
  CHECK(values[2].get<PickleTensor>()->storage == first.storage);
}

TEST_CASE("element types without a storage class are named beside an untyped storage") {
  const std::string untyped =
      tuple(text("storage") + global("torch.storage", "UntypedStorage") + text("0") + text("cpu") + number(6)) + "Q";
  const auto third = [&](const std::string& rest) {
    return global("torch._utils", "_rebuild_tensor_v3") +
           tuple(untyped + number(0) + numbers({2, 3}) + numbers({3, 1}) + "\x89" + no_hooks + rest) + "R";
  };
  CHECK(value(third(global("torch", "float8_e4m3fn"))).get<PickleTensor>()->dtype == DType::f8_e4m3);
  CHECK(value(third(global("torch", "float8_e8m0fnu") + "N")).get<PickleTensor>()->dtype == DType::f8_e8m0);
  CHECK(says(refused(third(global("torch", "Size"))), "the name torch.Size is no element type"));
  CHECK(says(refused(third("")), "argument 6 is not there; expected a dtype"));
  CHECK(says(refused(third(global("torch", "uint16") + "NN")), "more arguments"));
  CHECK(says(refused(tensor(untyped, 0, {6}, {1})), "its storage is torch.storage.UntypedStorage"));
}

TEST_CASE("names that are not on the list are refused, by name and place, and not looked up") {
  CHECK(
      refused(global("os", "system") + text("true") + "\x85R") ==
      "x.pt: at byte 2, in its pickle: it asks for 'os.system', which is not on the list of what is read (a pickle "
      "can name any program); nothing was run. If the file is a whole model or has objects of a trainer, load it where "
      "you trust it and save model.state_dict()");
  CHECK(says(refused(text("builtins") + text("eval") + "\x93"),
             "at byte 24, in its pickle: it asks for 'builtins.eval'"));
  CHECK(says(refused(global("galore_torch.galore_projector", "GaLoreProjector")),
             "'galore_torch.galore_projector.GaLoreProjector'"));
  CHECK(says(refused(global("torch", "")), "it asks for 'torch.'"));
  CHECK(says(refused(global("collections", "")), "it asks for 'collections.'"));
  CHECK(says(read_pickle(std::as_bytes(std::span(std::string_view("\x80\x02N."))), "x", 7).value.kind(), "None"));
  CHECK(says(message_of<format_error>(
                 [] { read_pickle(std::as_bytes(std::span(std::string_view("\x80\x02I1\n."))), "x", 1000); }),
             "x: at byte 1002, "));
}

TEST_CASE("instructions that files of training do not need are refused by name") {
  for (const auto& [code, name] : std::vector<std::pair<std::string, std::string>>{{"0", "POP"},
                                                                                   {"1", "POP_MARK"},
                                                                                   {"2", "DUP"},
                                                                                   {"F", "FLOAT"},
                                                                                   {"I", "INT"},
                                                                                   {"L", "LONG"},
                                                                                   {"P", "PERSID"},
                                                                                   {"S", "STRING"},
                                                                                   {"T", "BINSTRING"},
                                                                                   {"U", "SHORT_BINSTRING"},
                                                                                   {"V", "UNICODE"},
                                                                                   {"B", "BINBYTES"},
                                                                                   {"C", "SHORT_BINBYTES"},
                                                                                   {"d", "DICT"},
                                                                                   {"g", "GET"},
                                                                                   {"i", "INST"},
                                                                                   {"l", "LIST"},
                                                                                   {"o", "OBJ"},
                                                                                   {"p", "PUT"},
                                                                                   {"\x82", "EXT1"},
                                                                                   {"\x83", "EXT2"},
                                                                                   {"\x84", "EXT4"},
                                                                                   {"\x8b", "LONG4"},
                                                                                   {"\x8d", "BINUNICODE8"},
                                                                                   {"\x8e", "BINBYTES8"},
                                                                                   {"\x8f", "EMPTY_SET"},
                                                                                   {"\x90", "ADDITEMS"},
                                                                                   {"\x91", "FROZENSET"},
                                                                                   {"\x92", "NEWOBJ_EX"},
                                                                                   {"\x96", "BYTEARRAY8"},
                                                                                   {"\x97", "NEXT_BUFFER"},
                                                                                   {"\x98", "READONLY_BUFFER"}})
    CHECK(says(refused("N" + code), "at byte 3, in its pickle: instruction " + name + ","));
  CHECK(says(refused("\xFF"), "byte 255 is no instruction"));
}

TEST_CASE("pickles that are cut, altered or do not add up") {
  const std::string whole = pickled::file(pickled::dict({{text("w"), tensor(storage("0", 4), 0, {2, 2}, {2, 1})}}));
  CHECK(refusal(whole).empty());
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(refusal(whole.substr(0, n)).empty());
  CHECK(says(refusal("\x80\x02X" + u32(100) + "short"), "it ends too early"));
  CHECK(says(refusal("\x80\x02"
                     "ctorch"),
             "it ends too early"));
  CHECK(says(refusal("\x80\x01N."), "protocol 1; expected 2 to 5"));
  CHECK(says(refusal("\x80\x06N."), "protocol 6"));
  CHECK(refusal("\x80\x04\x95" + u64(2) + "N.").empty());
  CHECK(says(refusal("\x80\x04\x95" + u64(99) + "N."), "a frame that ends behind the file"));
  CHECK(says(refused(""), "STOP with 0 values"));
  CHECK(says(refused("NN"), "STOP with 2 values"));
  CHECK(says(refused("N("), "STOP with 1 values"));
  CHECK(says(refused(text("\xFF")), "a text that is not UTF-8"));
  CHECK(says(refused("\x85"), "a value is missing"));
  CHECK(says(refused("N(\x85"), "a value is missing"));
  CHECK(says(refused("q\x01"), "a value is missing"));
  CHECK(says(refused("Nt"), "a mark is missing"));
  CHECK(says(refused("h\x05"), "it takes value 5, which it has not kept"));
  CHECK(says(refused("NNR"), "it has None where it needs arguments"));
  CHECK(says(refused("N)R"), "it has None where it needs a function"));
  CHECK(says(refused("N)\x81"), "it has None where it needs a class"));
  CHECK(says(refused("N" + text("x") + "\x93"), "it has None where it needs a module"));
  CHECK(says(refused("}Na"), "it appends to a dict"));
  CHECK(says(refused("]NNs"), "it sets an item of a list"));
  CHECK(says(refused("}(Nu"), "a key without a value"));
  CHECK(says(refused("}]Ns"), "a key that is a list"));
  CHECK(says(refused(global("collections", "OrderedDict") + "]\x85R"), "an OrderedDict with arguments"));
  CHECK(says(refused("}}b"), "it sets the state of a dict"));
  CHECK(says(refused(global("torch", "Size") + ")R}b}b"), "it sets the state of an object of torch.Size twice"));
}

TEST_CASE("a key that occurs twice") {
  CHECK(says(refused(pickled::dict({{text("w"), "N"}, {text("w"), "N"}})), "the key 'w' twice"));
  CHECK(says(refused(pickled::dict({{"K\x01", "N"}, {"K\x01", "N"}})), "the key 1 twice"));
  CHECK(refused(pickled::dict({{text(std::string(4096, 'w')), "N"}})).empty());
  CHECK(says(refused(pickled::dict({{text(std::string(4097, 'w')), "N"}})), "a key of 4097 characters; at most 4096"));
}

TEST_CASE("values that contain themselves, are nested too deeply, or unfold without bound") {
  CHECK(says(refused("]q\x01h\x01"
                     "a"),
             "a value contains itself"));
  CHECK(says(refused("}q\x01" + text("k") + "h\x01s"), "a value contains itself"));
  CHECK(says(refused("]q\x01(h\x01ta"), "a value contains itself"));
  const auto nested = [](std::size_t n) { return "N" + std::string(n, '\x85'); };
  CHECK(refused(nested(64)).empty());
  CHECK(says(refused(nested(65)), "nested deeper than 64 levels"));
  CHECK(says(refused(nested(1000000)), "nested deeper than 64 levels"));
  CHECK(says(refused(std::string(1000000, ']') + std::string(999999, 'a')), "nested deeper than 64 levels"));
  // Each of these is shallow where it first stands, and deep where it is used again.
  std::string chain = "(N";
  for (int i = 0; i < 100; ++i) chain += std::string(40, '\x85') + "q\x01h\x01";
  CHECK(says(refused(chain + "t"), "nested deeper than 64 levels"));
  // 2^40 values, were they written out
  std::string doubled = "]q\x01";
  for (int i = 0; i < 40; ++i) doubled += "h\x01\x86q\x01";
  CHECK(says(refused(doubled), "unfold into more than"));
  // One tuple as the arguments of many objects
  std::string calls = "](" + std::string(1000, 'N') +
                      "tq\x01"
                      "a";
  for (int i = 0; i < 200; ++i) calls += global("torch", "device") + "h\x01Ra";
  CHECK(says(refused(calls), "repeat their arguments without bound"));
  // Deep values that are no part of the result: hooks of a tensor are looked at and dropped.
  const std::string hooks = no_hooks + nested(1000000) + "b";
  CHECK(value(tensor(storage("0", 4), 0, {4}, {1}, "\x89" + hooks)).get<PickleTensor>());
}

TEST_CASE("a pickle of more containers than any state has") {
  CHECK(says(refused(std::string((1 << 21) + 1, ']')), "it makes more than 2097152 containers"));
}

TEST_CASE("a pickle of more than 64 MB is refused before its values are read") {
  const std::string big = "\x80\x02X" + u32(64 << 20) + std::string(64 << 20, 'x') + ".";
  CHECK(says(refusal(big), "it has more than 67108864 bytes"));
}

TEST_CASE("calls that make no tensor") {
  const auto with = [](const std::string& arguments) {
    return refused(global("torch._utils", "_rebuild_tensor_v2") + tuple(arguments) + "R");
  };
  const std::string s = storage("0", 4);
  CHECK(says(with(""), "no tensor: argument 0 is not there; expected a storage"));
  CHECK(says(with("N"), "argument 0 is None; expected a storage"));
  CHECK(says(with(s + "N"), "argument 1 is None; expected an offset"));
  CHECK(says(with(s + number(-1)), "an offset of -1"));
  CHECK(says(with(s + number(0) + "]"), "argument 2 is a list; expected a tuple of sizes"));
  CHECK(says(with(s + number(0) + numbers({-2})), "a size or stride that is -2"));
  CHECK(says(with(s + number(0) + "N\x85"), "a size or stride that is None"));
  CHECK(says(with(s + number(0) + numbers(std::vector<std::int32_t>(9, 1))), "9 dimensions; at most 8"));
  CHECK(says(refused(tensor(s, 0, {2, 2}, {1})), "2 sizes and 1 strides"));
  CHECK(says(refused(tensor(s, 0, {4}, {1}, "N")), "argument 4 is None; expected requires_grad"));
  CHECK(says(refused(tensor(s, 0, {4}, {1}, "\x89" + pickled::dict({{"K\x01", "N"}}))), "its hooks are not empty"));
  CHECK(says(refused(tensor(s, 0, {4}, {1}, "\x89N" + pickled::dict({{text("conj"), "\x88"}}))),
             "its metadata are not empty"));
  CHECK(says(refused(tensor(s, 0, {4}, {1}, "\x89NNN")), "more arguments"));
  CHECK(value(tensor(s, 0, {4}, {1}, "\x88NN")).get<PickleTensor>()->requires_grad);
}

TEST_CASE("persistent ids that are no storages") {
  const auto with = [](const std::string& items) { return refused(tuple(items) + "Q"); };
  const std::string begin = text("storage") + global("torch", "FloatStorage");
  CHECK(says(refused("NQ"), "a persistent id that is no storage"));
  CHECK(says(with("NNNN"), "a persistent id that is no storage"));
  CHECK(says(with(text("module") + "NNNN"), "a persistent id that is no storage"));
  CHECK(says(with(text("storage") + "NNNN"), "argument 1 is None; expected a class of storages"));
  CHECK(says(with(text("storage") + global("torch", "Size") + "NNN"), "torch.Size is no class of storages"));
  CHECK(says(with(begin + "NNN"), "argument 2 is None; expected a key"));
  CHECK(says(with(begin + text("0") + "NN"), "argument 3 is None; expected a device"));
  CHECK(says(with(begin + text("0") + text("cpu") + "N"), "argument 4 is None; expected a number of elements"));
  CHECK(says(with(begin + text("0") + text("cpu") + number(-1)), "a storage of -1 elements"));
  CHECK(says(with(begin + text(std::string(256, '0')) + text("cpu") + number(1)), "whose key has 256 characters"));
  CHECK(says(with(begin + text("0") + text("cpu") + number(1) + "K\x01"), "a view of another"));
  CHECK(says(refused("(" + storage("0", 4) + storage("0", 5) + "t"), "named with another type or size"));
  CHECK(says(refused("(" + storage("0", 4) + storage("0", 4, "HalfStorage") + "t"), "named with another type or size"));
  CHECK(value("(" + storage("0", 4) + storage("0", 4) + "t").get<PickleTuple>()->values[0].get<PickleStorage>());
}

TEST_CASE("parameters and tensors with attributes hold tensors, sharded ones a part") {
  const std::string plain = tensor(storage("0", 4), 0, {4}, {1});
  const std::string arguments = tuple(storage("0", 4) + number(0) + numbers({4}) + numbers({1}) + "\x89" + no_hooks);
  const std::string typed = global("torch._tensor", "_rebuild_from_type_v2");
  const std::string rebuild = global("torch._utils", "_rebuild_tensor_v2"),
                    wrapper = global("torch._utils", "_rebuild_wrapper_subclass"), type = global("torch", "Tensor");
  CHECK(tensor_of(value(global("torch._utils", "_rebuild_parameter") + tuple(plain + "\x88" + no_hooks) + "R")));
  CHECK_FALSE(tensor_of(value(global("torch._utils", "_rebuild_parameter") + ")R")));
  CHECK(tensor_of(value(typed + tuple(rebuild + type + arguments + "}") + "R")));
  CHECK_FALSE(tensor_of(value("N")));
  const auto sharded = value(typed +
                             tuple(wrapper + global("torch.distributed.tensor", "DTensor") + ")" +
                                   tuple("N" + pickled::dict({{text("_local_tensor"), plain}}))) +
                             "R");
  CHECK_FALSE(tensor_of(sharded));
  REQUIRE(local_tensor_of(sharded));
  CHECK(local_tensor_of(sharded)->shape == Shape{4});
  CHECK_FALSE(local_tensor_of(value(plain)));
  CHECK_FALSE(local_tensor_of(value(typed + tuple(wrapper + type + ")" + "N") + "R")));
  CHECK(says(message_of<format_error>([&] { tensor_of(value(typed + ")R")); }), "argument 0 is not there"));
  CHECK(says(message_of<format_error>([&] { tensor_of(value(typed + tuple(rebuild + type + "N") + "R")); }),
             "argument 2 is None; expected arguments"));
}

TEST_CASE("tensors to be written, and whether they are contiguous") {
  const auto t = torch_tensor("7", DType::f8_e4m3, {2, 3});
  CHECK(t.storage->type.text() == "torch.storage.UntypedStorage");
  CHECK(t.storage->elements == 6);
  CHECK(t.strides == Shape{3, 1});
  CHECK(is_contiguous(t));
  CHECK(torch_tensor("7", DType::i64, {2}).storage->elements == 2);
  CHECK(says(message_of<format_error>([] { torch_tensor("w", DType::f6_e2m3, {4}); }),
             "type F6_E2M3, which torch has not"));
  auto view = torch_tensor("0", DType::f32, {2, 1, 3});
  view.strides = Shape{3, 77, 1};
  CHECK(is_contiguous(view));
  view.strides = Shape{1, 2, 2};
  CHECK_FALSE(is_contiguous(view));
  view.shape = Shape{2, 0, 3};
  CHECK(is_contiguous(view));
  CHECK(says(message_of<format_error>([] { row_major({INT64_MAX, INT64_MAX}); }), "overflows 63 bits"));
}

// SPDX-License-Identifier: MIT
// The definitions of pickle_writer.hpp.
#pragma once
#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_map>

#include <modelgrow/checkpoint/pickle_opcodes.hpp>
#include <modelgrow/checkpoint/pickle_writer.hpp>
#include <modelgrow/checkpoint/torch_names.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/utf8.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Instructions as Python's pickler orders them: every container, text and name is kept in the memo, and taken from
/// there when it comes again.
class Pickler {
 public:
  WrittenPickle write(const PickleValue& root) {
    op(PickleOp::proto);
    raw(std::uint8_t{2});
    save(root);
    op(PickleOp::stop);
    return std::move(out_);
  }

 private:
  static constexpr std::size_t batch = 1000;  // items that Python appends at once

  [[noreturn]] static void fail(const std::string& what) { throw format_error("a pickle cannot be written: " + what); }

  // ---- bytes ----
  void op(PickleOp code) { out_.bytes.push_back(char(code)); }
  template <class T>
  void raw(T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_.bytes.append(bytes, sizeof value);
  }

  // ---- memo ----
  void keep(const void* id) {
    const std::uint32_t place = kept_++;
    if (id) memo_.emplace(id, place);
    if (place < 256) {
      op(PickleOp::binput);
      raw(std::uint8_t(place));
    } else {
      op(PickleOp::long_binput);
      raw(place);
    }
  }
  void take(std::uint32_t place) {
    if (place < 256) {
      op(PickleOp::binget);
      raw(std::uint8_t(place));
    } else {
      op(PickleOp::long_binget);
      raw(place);
    }
  }
  bool took(const void* id) {
    const auto found = id ? memo_.find(id) : memo_.end();
    if (found == memo_.end()) return false;
    take(found->second);
    return true;
  }

  // ---- values ----
  void save(const PickleValue& value) {
    if (++depth_ > Pickle::max_depth + 1)
      fail("values are nested deeper than " + std::to_string(Pickle::max_depth) + " levels, or contain themselves");
    if (!took(value.identity())) save_new(value);
    --depth_;
  }
  void save_new(const PickleValue& value) {
    const void* const id = value.identity();
    if (value.is_none()) op(PickleOp::none);
    if (const auto* flag = value.get<bool>()) op(*flag ? PickleOp::newtrue : PickleOp::newfalse);
    if (const auto* number = value.get<std::int64_t>()) integer(*number);
    if (const auto* number = value.get<double>()) real(*number);
    if (const auto* number = value.get<PickleLong>()) long1(number->bytes);
    if (const auto* text = value.get<std::string>()) string(*text, id);
    if (const auto* global = value.get<PickleGlobal>()) name(*global);
    if (const auto* tuple = value.get<PickleTuple>()) save_tuple(tuple->values, id);
    if (const auto* list = value.get<PickleList>()) save_list(list->values, id);
    if (const auto* dict = value.get<PickleDict>()) save_dict(*dict, id);
    if (const auto storage = value.share<PickleStorage>()) persistent(storage);
    if (const auto* tensor = value.get<PickleTensor>()) save_tensor(*tensor, id);
    if (const auto* object = value.get<PickleObject>()) save_object(*object, id);
  }
  void integer(std::int64_t n) {
    if (n >= 0 && n < 256) {
      op(PickleOp::binint1);
      raw(std::uint8_t(n));
    } else if (n >= 0 && n < 65536) {
      op(PickleOp::binint2);
      raw(std::uint16_t(n));
    } else if (n >= INT32_MIN && n <= INT32_MAX) {
      op(PickleOp::binint);
      raw(std::int32_t(n));
    } else {
      std::string bytes(sizeof n, '\0');
      std::memcpy(bytes.data(), &n, sizeof n);
      const char sign = n < 0 ? '\xFF' : '\0';  // bytes that the sign of the one before says, too
      while (bytes.size() > 1 && bytes.back() == sign && (bytes[bytes.size() - 2] & 0x80) == (sign & 0x80))
        bytes.pop_back();
      long1(bytes);
    }
  }
  void long1(const std::string& bytes) {
    if (bytes.size() > 255) fail("an integer of " + std::to_string(bytes.size()) + " bytes");
    op(PickleOp::long1);
    raw(std::uint8_t(bytes.size()));
    out_.bytes += bytes;
  }
  void real(double value) {  // big-endian
    op(PickleOp::binfloat);
    const auto bits = std::bit_cast<std::uint64_t>(value);
    for (int shift = 56; shift >= 0; shift -= 8) out_.bytes.push_back(char(bits >> shift));
  }
  void save_text(const PickleValue& text) {
    if (!took(text.identity())) save_new(text);
  }
  void string(const std::string& text, const void* id) {
    if (!is_utf8(text)) fail("the text '" + text + "' is not UTF-8");
    op(PickleOp::binunicode);
    raw(std::uint32_t(text.size()));
    out_.bytes += text;
    keep(id);
  }
  /// Names are one object each in Python, whoever holds them.
  void name(const PickleGlobal& global) {
    const auto [known, added] = names_.emplace(global.text(), kept_);
    if (!added) return take(known->second);
    if (!is_allowed(global)) fail("the name '" + global.text() + "' is not on the list of what is read");
    op(PickleOp::global);
    out_.bytes += global.module + "\n" + global.name + "\n";
    keep(nullptr);
  }

  // ---- containers ----
  void save_tuple(const std::vector<PickleValue>& values, const void* id) {
    if (values.empty()) return op(PickleOp::empty_tuple);
    if (values.size() > 3) op(PickleOp::mark);
    for (const auto& value : values) save(value);
    constexpr PickleOp small[] = {PickleOp::tuple1, PickleOp::tuple2, PickleOp::tuple3};
    op(values.size() > 3 ? PickleOp::tuple : small[values.size() - 1]);
    keep(id);
  }
  void save_list(const std::vector<PickleValue>& values, const void* id) {
    op(PickleOp::empty_list);
    keep(id);
    in_batches(values.size(), PickleOp::append, PickleOp::appends, [&](std::size_t i) { save(values[i]); });
  }
  void save_dict(const PickleDict& dict, const void* id) {
    if (dict.ordered) {
      name(PickleGlobal{"collections", "OrderedDict"});
      op(PickleOp::empty_tuple);
      op(PickleOp::reduce);
    } else {
      op(PickleOp::empty_dict);
    }
    keep(id);
    in_batches(dict.items.size(), PickleOp::setitem, PickleOp::setitems, [&](std::size_t i) {
      save(dict.items[i].key);
      save(dict.items[i].value);
    });
    set_state(dict.attributes);
  }
  template <class F>
  void in_batches(std::size_t count, PickleOp one, PickleOp many, const F& save_item) {
    for (std::size_t i = 0; i < count;) {
      const std::size_t end = std::min(count, i + batch);
      const bool alone = end - i == 1;
      if (!alone) op(PickleOp::mark);
      for (; i < end; ++i) save_item(i);
      op(alone ? one : many);
    }
  }
  void set_state(const PickleValue& state) {
    if (state.is_none()) return;
    save(state);
    op(PickleOp::build);
  }
  void save_object(const PickleObject& object, const void* id) {
    name(object.type);
    save_tuple(object.arguments.values, nullptr);
    op(object.allocated ? PickleOp::newobj : PickleOp::reduce);
    keep(id);
    set_state(object.state);
  }

  // ---- tensors ----
  void persistent(const std::shared_ptr<PickleStorage>& storage) {
    const auto [known, added] = storages_.emplace(storage->name(), storage.get());
    if (added) out_.storages.push_back(storage);
    if (known->second != storage.get()) fail("two storages have the key '" + storage->name() + "'");
    op(PickleOp::mark);
    save_text(tag_);
    name(storage->type);
    save_text(storage->key);
    save_text(storage->location);
    integer(storage->elements);
    op(PickleOp::tuple);
    keep(nullptr);
    op(PickleOp::binpersid);
  }
  void save_extents(const Shape& shape) {
    PickleTuple tuple;
    for (const auto extent : shape) tuple.values.emplace_back(extent);
    save_tuple(tuple.values, nullptr);
  }
  void save_tensor(const PickleTensor& tensor, const void* id) {
    const bool untyped = tensor.storage->type.name == "UntypedStorage";
    name(PickleGlobal{"torch._utils", untyped ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2"});
    op(PickleOp::mark);
    persistent(tensor.storage);
    integer(tensor.offset);
    save_extents(tensor.shape);
    save_extents(tensor.strides);
    op(tensor.requires_grad ? PickleOp::newtrue : PickleOp::newfalse);
    save_dict(PickleDict{.ordered = true}, nullptr);  // hooks
    if (untyped) name(PickleGlobal{"torch", std::string(torch_type(tensor.dtype)->name)});
    op(PickleOp::tuple);
    keep(nullptr);
    op(PickleOp::reduce);
    keep(id);
  }

  WrittenPickle out_;
  std::uint32_t kept_ = 0;
  int depth_ = 0;
  const PickleValue tag_ = "storage";
  std::unordered_map<const void*, std::uint32_t> memo_;
  std::unordered_map<std::string, std::uint32_t> names_;
  std::unordered_map<std::string, const PickleStorage*> storages_;
};

}  // namespace detail

MODELGROW_INLINE WrittenPickle write_pickle(const PickleValue& root) { return detail::Pickler().write(root); }

}  // namespace modelgrow::inline v0

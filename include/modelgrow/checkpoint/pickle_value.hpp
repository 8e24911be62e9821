// SPDX-License-Identifier: MIT
// What a Python pickle holds, as a tree: numbers, texts, lists, dictionaries in their order, tensors that refer to
// storages, and objects of which only type and arguments are known. Nothing here can run anything.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <modelgrow/core/dtype.hpp>
#include <modelgrow/core/shape.hpp>

namespace modelgrow::inline v0 {

class PickleValue;
struct PickleDict;
struct PickleStorage;
struct PickleTensor;
struct PickleObject;

/// The name of a class or function, such as torch.FloatStorage. It is never looked up.
struct PickleGlobal {
  std::string module, name;
  std::string text() const { return module + "." + name; }
  bool is(std::string_view in, std::string_view what) const { return module == in && name == what; }
  bool operator==(const PickleGlobal&) const = default;
};
/// An integer that needs more than 64 bits: two's complement, little-endian.
struct PickleLong {
  std::string bytes;
};
struct PickleTuple {
  std::vector<PickleValue> values;
};
struct PickleList {
  std::vector<PickleValue> values;
};

/// One value. Copies share what they hold, as names in Python do: who changes a list changes it everywhere. Trees that
/// were read have no cycles.
class PickleValue {
 public:
  /// None.
  PickleValue() = default;
  template <std::same_as<bool> T>
  PickleValue(T value) : value_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool> && (std::signed_integral<T> || sizeof(T) < sizeof(std::int64_t))) PickleValue(T value)
      : value_(std::int64_t(value)) {}
  PickleValue(double value) : value_(value) {}
  PickleValue(std::string text) : value_(std::make_shared<std::string>(std::move(text))) {}
  PickleValue(std::string_view text) : PickleValue(std::string(text)) {}
  PickleValue(const char* text) : PickleValue(std::string(text)) {}
  PickleValue(PickleGlobal global) : value_(std::make_shared<PickleGlobal>(std::move(global))) {}
  PickleValue(PickleLong number) : value_(std::make_shared<PickleLong>(std::move(number))) {}
  PickleValue(PickleTuple tuple) : value_(std::make_shared<PickleTuple>(std::move(tuple))) {}
  PickleValue(PickleList list) : value_(std::make_shared<PickleList>(std::move(list))) {}
  PickleValue(PickleDict dict);
  PickleValue(PickleStorage storage);
  PickleValue(PickleTensor tensor);
  PickleValue(PickleObject object);

  bool is_none() const { return std::holds_alternative<std::monostate>(value_); }
  /// The value as a bool, std::int64_t, double, std::string or one of the structs of this file; nullptr where it is
  /// something else.
  template <class T>
  const T* get() const {
    return const_cast<PickleValue*>(this)->edit<T>();
  }
  /// The same, to be changed for all who share it.
  template <class T>
  T* edit() {
    if constexpr (std::same_as<T, bool> || std::same_as<T, std::int64_t> || std::same_as<T, double>) {
      return std::get_if<T>(&value_);
    } else {
      return share<T>().get();
    }
  }
  /// A share in what get() points to.
  template <class T>
  std::shared_ptr<T> share() const {
    const auto* shared = std::get_if<std::shared_ptr<T>>(&value_);
    return shared ? *shared : nullptr;
  }
  /// Equal for two values that share what they hold; nullptr for None, bools, integers and floats.
  const void* identity() const;
  /// "None", "a bool", "an int", "a dict", "an object of torch.Size", .. for messages.
  std::string kind() const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::shared_ptr<std::string>, std::shared_ptr<PickleGlobal>,
               std::shared_ptr<PickleLong>, std::shared_ptr<PickleTuple>, std::shared_ptr<PickleList>,
               std::shared_ptr<PickleDict>, std::shared_ptr<PickleStorage>, std::shared_ptr<PickleTensor>,
               std::shared_ptr<PickleObject>>
      value_;
};

struct PickleItem {
  PickleValue key, value;
};

/// A dict, or a collections.OrderedDict with what was set on it (`_metadata` of a module's state).
struct PickleDict {
  std::vector<PickleItem> items = {};  ///< in the order of insertion; no key occurs twice
  bool ordered = false;
  PickleValue attributes = {};

  /// The value of a key; nullptr where there is none.
  const PickleValue* find(std::string_view key) const;
  const PickleValue* find(std::int64_t key) const;
  /// Replaces the value of a key, or appends it.
  void set(std::string_view key, PickleValue value);
  void set(std::int64_t key, PickleValue value);
};

/// Numbers that tensors share.
struct PickleStorage {
  PickleGlobal type = {};     ///< torch.FloatStorage; torch.storage.UntypedStorage counts bytes
  PickleValue key = {};       ///< a text: the name of the record
  PickleValue location = {};  ///< a text: "cpu", "cuda:0"
  std::int64_t elements = 0;
  const std::string& name() const { return *key.get<std::string>(); }
};

/// A strided view of a storage, in elements; two tensors with one identity are one object in Python.
struct PickleTensor {
  std::shared_ptr<PickleStorage> storage;
  DType dtype = DType::f32;
  std::int64_t offset = 0;
  Shape shape = {}, strides = {};
  bool requires_grad = false;
};

/// Whatever else the allow-list lets through: a type or function, its arguments, and the state that was set on it.
struct PickleObject {
  PickleGlobal type;
  PickleTuple arguments = {};
  bool allocated = false;  ///< by the type's __new__, not by a call
  PickleValue state = {};
};

/// A pickle as it was read: what it holds, the storages that its tensors name, each once in the order of their first
/// use, and how many bytes it has.
struct Pickle {
  PickleValue value = {};
  std::vector<std::shared_ptr<PickleStorage>> storages = {};
  std::size_t bytes = 0;

  /// Values are nested at most this deep.
  static constexpr int max_depth = 64;
  /// Longer ones are refused: no model has as many tensors.
  static constexpr std::size_t max_bytes = std::size_t{64} << 20;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/pickle_value_inl.hpp>
#endif

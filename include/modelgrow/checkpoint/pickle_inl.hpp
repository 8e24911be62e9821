// SPDX-License-Identifier: MIT
// The definitions of pickle.hpp.
#pragma once
#include <bit>
#include <cstring>
#include <unordered_map>

#include <modelgrow/checkpoint/pickle.hpp>
#include <modelgrow/checkpoint/pickle_opcodes.hpp>
#include <modelgrow/checkpoint/pickle_tree.hpp>
#include <modelgrow/checkpoint/torch_names.hpp>
#include <modelgrow/checkpoint/torch_tensor.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/utf8.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// A stack, a memo, and one function for each instruction.
class Unpickler {
 public:
  Unpickler(std::span<const std::byte> bytes, const std::string& source, std::uint64_t offset)
      : bytes_(bytes.first(std::min(bytes.size(), Pickle::max_bytes))),
        cut_(bytes.size() > Pickle::max_bytes),
        source_(source),
        offset_(offset) {}

  /// Runs up to STOP.
  Pickle read() try {
    while (step()) {
    }
    if (stack_.size() != 1 || !marks_.empty()) fail("STOP with " + std::to_string(stack_.size()) + " values");
    // Tensors and storages take what they were made of, so every byte makes a few values at most, shared ones aside.
    made_.accept(stack_[0], most_values());
    return Pickle{.value = stack_[0], .storages = std::move(storages_), .bytes = at_};
  } catch (const foreign_object_error& e) {
    throw foreign_object_error(place() + e.what());
  } catch (const format_error& e) {
    throw format_error(place() + e.what());
  }

 private:
  std::string place() const { return source_ + ": at byte " + std::to_string(offset_ + op_) + ", in its pickle: "; }
  std::uint64_t most_values() const { return 65536 + 16 * at_; }
  [[noreturn]] static void fail(const std::string& what) { throw format_error(what); }

  // ---- bytes ----
  std::span<const std::byte> take(std::size_t n) {
    if (n > bytes_.size() - at_)
      fail(cut_ ? "it has more than " + std::to_string(Pickle::max_bytes) + " bytes, which no model needs"
                : "it ends too early; the file is cut or altered: fetch or write it again");
    return bytes_.subspan(std::exchange(at_, at_ + n), n);
  }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text(std::size_t n) {
    const auto taken = take(n);
    std::string text(reinterpret_cast<const char*>(taken.data()), n);
    if (!is_utf8(text)) fail("a text that is not UTF-8");
    return text;
  }
  std::string line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + at_, bytes_.size() - at_);
    const auto end = rest.find('\n');
    std::string found = text(end == rest.npos ? rest.size() + 1 : end);
    ++at_;
    return found;
  }

  // ---- stack ----
  std::size_t above() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  PickleValue pop() {
    if (above() == 0) fail("a value is missing");
    PickleValue value = std::move(stack_.back());
    stack_.pop_back();
    return value;
  }
  PickleValue& top() {
    if (above() == 0) fail("a value is missing");
    return stack_.back();
  }
  std::vector<PickleValue> pop_to_mark() {
    if (marks_.empty()) fail("a mark is missing");
    const auto begin = stack_.begin() + std::ptrdiff_t(marks_.back());
    std::vector<PickleValue> values(std::make_move_iterator(begin), std::make_move_iterator(stack_.end()));
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return values;
  }
  void push(PickleValue value) { stack_.push_back(std::move(value)); }
  template <class T>
  void make(T node) {
    push(made_.add(PickleValue(std::move(node))));
  }
  void tuple(std::size_t n) {
    PickleTuple made;
    made.values.resize(n);
    for (auto i = n; i-- > 0;) made.values[i] = pop();
    make(std::move(made));
  }
  template <class T>
  T pop_as(const char* expected) {
    const PickleValue value = pop();
    const auto* found = value.get<T>();
    if (!found) fail("it has " + value.kind() + " where it needs " + expected);
    return *found;
  }

  // ---- containers ----
  void append(std::vector<PickleValue> values) {
    auto* list = top().edit<PickleList>();
    if (!list) fail("it appends to " + top().kind());
    std::move(values.begin(), values.end(), std::back_inserter(list->values));
  }
  void set_items(std::vector<PickleValue> values) {
    auto* dict = top().edit<PickleDict>();
    if (!dict) fail("it sets an item of " + top().kind());
    if (values.size() % 2) fail("a key without a value");
    for (std::size_t i = 0; i < values.size(); i += 2) {
      if (values[i].get<PickleList>() || values[i].get<PickleDict>()) fail("a key that is " + values[i].kind());
      dict->items.push_back(PickleItem{.key = std::move(values[i]), .value = std::move(values[i + 1])});
    }
  }

  // ---- names ----
  void global(PickleGlobal name) {
    if (!is_allowed(name))
      throw foreign_object_error(
          "it asks for '" + name.text() +
          "', which is not on the list of what is read (a pickle can name any program); nothing was run. If the file "
          "is a whole model or has objects of a trainer, load it where you trust it and save model.state_dict()");
    push(std::move(name));
  }
  /// Of a call. An object has a copy of them, and one tuple may be the arguments of many calls.
  PickleTuple arguments() {
    auto found = pop_as<PickleTuple>("arguments");
    if ((copied_ += found.values.size()) > most_values()) fail("its calls repeat their arguments without bound");
    return found;
  }
  void call() {
    const auto arguments = this->arguments();
    const auto function = pop_as<PickleGlobal>("a function");
    if (rebuilds_tensor(function)) return make(rebuilt_tensor(function, arguments));
    if (!function.is("collections", "OrderedDict")) return make(PickleObject{.type = function, .arguments = arguments});
    if (!arguments.values.empty()) fail("an OrderedDict with arguments");
    make(PickleDict{.ordered = true});
  }
  void allocate() {
    const auto arguments = this->arguments();
    const auto type = pop_as<PickleGlobal>("a class");
    make(PickleObject{.type = type, .arguments = arguments, .allocated = true});
  }
  void build() {
    PickleValue state = pop();
    auto* object = top().edit<PickleObject>();
    auto* dict = top().edit<PickleDict>();
    if (!object && !(dict && dict->ordered)) fail("it sets the state of " + top().kind());
    PickleValue& held = object ? object->state : dict->attributes;
    if (!held.is_none()) fail("it sets the state of " + top().kind() + " twice");
    held = std::move(state);
  }
  void persistent() {
    PickleStorage found = storage_of(pop());
    auto& known = by_key_[found.name()];
    if (known.is_none()) {
      known = made_.add(PickleValue(std::move(found)));
      storages_.push_back(known.share<PickleStorage>());
    } else if (const auto& before = *known.get<PickleStorage>();
               before.type != found.type || before.elements != found.elements) {
      fail("storage '" + found.name() + "' is named with another type or size than before");
    }
    push(known);
  }

  // ---- memo ----
  void put(std::uint32_t place) { memo_.insert_or_assign(place, top()); }
  void get(std::uint32_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) fail("it takes value " + std::to_string(place) + ", which it has not kept");
    push(found->second);
  }

  void long1() {
    const auto size = number<std::uint8_t>();
    const auto taken = take(size);
    if (size > sizeof(std::int64_t)) {
      push(PickleLong{.bytes = {reinterpret_cast<const char*>(taken.data()), size}});
      return;
    }
    std::int64_t value = size && (taken.back() & std::byte{0x80}) != std::byte{} ? -1 : 0;
    std::memcpy(&value, taken.data(), size);
    push(value);
  }
  double binfloat() {  // big-endian
    std::uint64_t bits = 0;
    for (const auto b : take(sizeof bits)) bits = bits << 8 | std::uint64_t(b);
    return std::bit_cast<double>(bits);
  }

  /// False at STOP.
  bool step() {
    op_ = at_;
    const auto code = number<std::uint8_t>();
    switch (PickleOp(code)) {
      case PickleOp::proto:
        if (const auto version = number<std::uint8_t>(); version < 2 || version > 5)
          fail("protocol " + std::to_string(version) + "; expected 2 to 5");
        break;
      case PickleOp::frame:
        if (number<std::uint64_t>() > bytes_.size() - at_ && !cut_) fail("a frame that ends behind the file");
        break;
      case PickleOp::stop:
        return false;
      case PickleOp::mark:
        marks_.push_back(stack_.size());
        break;
      case PickleOp::none:
        push({});
        break;
      case PickleOp::newtrue:
        push(true);
        break;
      case PickleOp::newfalse:
        push(false);
        break;
      case PickleOp::binint:
        push(number<std::int32_t>());
        break;
      case PickleOp::binint1:
        push(number<std::uint8_t>());
        break;
      case PickleOp::binint2:
        push(number<std::uint16_t>());
        break;
      case PickleOp::long1:
        long1();
        break;
      case PickleOp::binfloat:
        push(binfloat());
        break;
      case PickleOp::binunicode:
        push(text(number<std::uint32_t>()));
        break;
      case PickleOp::short_binunicode:
        push(text(number<std::uint8_t>()));
        break;
      case PickleOp::empty_tuple:
        tuple(0);
        break;
      case PickleOp::tuple1:
        tuple(1);
        break;
      case PickleOp::tuple2:
        tuple(2);
        break;
      case PickleOp::tuple3:
        tuple(3);
        break;
      case PickleOp::tuple:
        make(PickleTuple{.values = pop_to_mark()});
        break;
      case PickleOp::empty_list:
        make(PickleList{});
        break;
      case PickleOp::append:
        append({pop()});
        break;
      case PickleOp::appends:
        append(pop_to_mark());
        break;
      case PickleOp::empty_dict:
        make(PickleDict{});
        break;
      case PickleOp::setitem: {
        PickleValue value = pop(), key = pop();
        set_items({std::move(key), std::move(value)});
        break;
      }
      case PickleOp::setitems:
        set_items(pop_to_mark());
        break;
      case PickleOp::binput:
        put(number<std::uint8_t>());
        break;
      case PickleOp::long_binput:
        put(number<std::uint32_t>());
        break;
      case PickleOp::memoize:
        put(std::uint32_t(memo_.size()));
        break;
      case PickleOp::binget:
        get(number<std::uint8_t>());
        break;
      case PickleOp::long_binget:
        get(number<std::uint32_t>());
        break;
      case PickleOp::global: {
        std::string module = line(), name = line();
        global(PickleGlobal{.module = std::move(module), .name = std::move(name)});
        break;
      }
      case PickleOp::stack_global: {
        auto name = pop_as<std::string>("a name"), module = pop_as<std::string>("a module");
        global(PickleGlobal{.module = std::move(module), .name = std::move(name)});
        break;
      }
      case PickleOp::reduce:
        call();
        break;
      case PickleOp::newobj:
        allocate();
        break;
      case PickleOp::build:
        build();
        break;
      case PickleOp::binpersid:
        persistent();
        break;
      default: {
        const std::string name = refused_opcode(code);
        fail(name.empty() ? "byte " + std::to_string(code) + " is no instruction: the file is cut, altered or no pickle"
                          : "instruction " + name + ", which neither torch.save nor the trainers write");
      }
    }
    return true;
  }

  std::span<const std::byte> bytes_;
  bool cut_;
  const std::string& source_;
  std::uint64_t offset_;
  std::size_t at_ = 0, op_ = 0, copied_ = 0;
  PickleNodes made_;  // outlives what holds its nodes
  std::vector<PickleValue> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, PickleValue> memo_;
  std::unordered_map<std::string, PickleValue> by_key_;
  std::vector<std::shared_ptr<PickleStorage>> storages_;
};

}  // namespace detail

MODELGROW_INLINE Pickle read_pickle(std::span<const std::byte> bytes, const std::string& source, std::uint64_t offset) {
  return detail::Unpickler(bytes, source, offset).read();
}

}  // namespace modelgrow::inline v0

// SPDX-License-Identifier: MIT
// A handle of an operation that goes on while its caller computes.
#pragma once
#include <functional>
#include <memory>
#include <utility>

namespace modelgrow::inline v0 {

/// An operation that has begun; it goes on whenever somebody asks for it. What it works on is kept until it has ended.
class [[nodiscard]] Pending {
 public:
  struct Operation {
    virtual ~Operation() = default;
    /// Whether it has ended; may be asked again and again. Throws communication_error.
    virtual bool test() = 0;
    /// Returns when it has ended. Throws communication_error.
    virtual void wait() = 0;
  };

  /// Nothing is left to be waited for.
  Pending() = default;
  /// `then` is called once, by whoever finds the operation ended.
  explicit Pending(std::unique_ptr<Operation> operation, std::function<void()> then = {})
      : operation_(std::move(operation)), then_(std::move(then)) {}
  Pending(Pending&&) noexcept = default;
  Pending& operator=(Pending&& other) {
    wait();
    operation_ = std::move(other.operation_);
    then_ = std::exchange(other.then_, {});
    return *this;
  }
  /// Waits for the other ranks, and drops what goes wrong: say wait() where that matters.
  ~Pending() {
    if (!operation_) return;
    try {
      operation_->wait();
    } catch (...) {
    }
  }

  /// The same operation, and f() when it has ended.
  Pending and_then(std::function<void()> f) && {
    const auto both = [first = std::move(then_), second = std::move(f)] {
      if (first) first();
      second();
    };
    return Pending(std::move(operation_), both);
  }

  /// Lets the operation go on; true when it has ended. Throws communication_error.
  bool test() {
    if (operation_ && !operation_->test()) return false;
    end();
    return true;
  }
  /// Returns when the operation has ended. Throws communication_error.
  void wait() {
    if (operation_) operation_->wait();
    end();
  }

 private:
  void end() {
    operation_.reset();
    if (const auto then = std::exchange(then_, {})) then();
  }
  std::unique_ptr<Operation> operation_;
  std::function<void()> then_;
};

}  // namespace modelgrow::inline v0

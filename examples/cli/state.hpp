// SPDX-License-Identifier: MIT
// What commands are told about the training state beside the weights.
#pragma once
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/grow/state_options.hpp>

#include "tool.hpp"

namespace tool {

/// The flags of training state. Lives as long as its command.
class State {
 public:
  explicit State(CLI::App& command) {
    const auto add = [&](const char* flag, auto& to, const char* type, const char* help) {
      command.add_option(flag, to, help)->type_name(type)->group("Training state");
    };
    add("--parameter-order", order_, "FILE",
        "names of all parameters, one a line, as model.named_parameters() has them; for state that has numbers only");
    add("--frozen", options_.frozen, "PATTERN", "parameters of that order that are not trained: 'text_embedder.*'");
    add("--optimizer", options_.optimizer, "NAME", "of a state that does not tell: adamw, adam, ..");
    add("--leave-behind", options_.leave_behind, "PATTERN", "files beside the weights that do not grow: 'optimizer*'");
  }

  /// Throws io_error.
  mg::StateOptions options() const {
    auto options = options_;
    if (order_.empty()) return options;
    const auto text = mg::detail::read_file(order_);
    for (std::size_t begin = 0, end; begin < text.size(); begin = end + 1) {
      end = std::min(text.find('\n', begin), text.size());
      auto line = text.substr(begin, end - begin);
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) options.order.push_back(std::move(line));
    }
    return options;
  }

 private:
  mg::StateOptions options_;
  std::string order_;
};

}  // namespace tool

// SPDX-License-Identifier: MIT
// Ports and grafts as data: where a family takes new layers, and which layers a checkpoint was given. Grafts are
// recorded, never guessed from the names of tensors.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/core/axis.hpp>

namespace modelgrow::inline v0 {

/// A place where a family takes grafts, in terms of its sizes.
struct PortSpec {
  std::string name;               // "temporal", "text", "time", "tokens"
  std::string stack = {};         // every block of it gets the layer; empty: one layer for the model
  std::string stream = "hidden";  // what the layer reads and adds to, as a formula
  std::string heads = "heads", head_dim = "head_dim", ffn = "ffn";  // what a layer may share; 0 where it is not known
  bool operator==(const PortSpec&) const = default;
};

/// A port of one model. Sizes that the family does not know are 0.
struct Port {
  std::string name;
  Extent stream = Extent(0);
  Space heads = {.name = {}, .size = 0};
  std::int64_t head_dim = 0;
  Extent ffn = Extent(0);
};

/// A layer that growth added. `tensors` are lines of a family text ("blocks.{}.conv_temp.weight" -> "out hidden, in
/// hidden, fixed 3; closes"), so that a checkpoint can be read, and grown on, where nobody knows the layer.
struct GraftRecord {
  std::string name;            // of the graft: "TemporalConv"
  std::string options = "{}";  // JSON object
  std::vector<std::pair<std::string, std::string>> tensors;
  std::vector<std::string> replaces = {};  // lines of the family whose place they took ("blocks.{}.mlp.fc1.weight")
  bool operator==(const GraftRecord&) const = default;
};

/// Where the states of a text encoder enter a model, so that another encoder can take its place.
struct TextInput {
  struct Axis {
    std::string tensor;
    std::size_t axis = 0;
    bool operator==(const Axis&) const = default;
  };
  std::string width_name = {}, length_name = {};  // constants of the family that hold these sizes, where it has them
  std::vector<Axis> width, length;                // axes as long as a state is wide, and as a prompt has tokens
  std::string because = {};                       // no other encoder can take the place of the first
  bool operator==(const TextInput&) const = default;
};

}  // namespace modelgrow::inline v0

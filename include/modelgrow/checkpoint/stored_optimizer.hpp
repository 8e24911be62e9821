// SPDX-License-Identifier: MIT
// The state of one optimizer, whatever file it was stored in: groups of options, and for every parameter its entries.
// Its tensors have names of the form that growth moves: "<optimizer>.<entry>.<parameter>".
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/joined_tensor.hpp>
#include <modelgrow/checkpoint/optimizer_classes.hpp>
#include <modelgrow/checkpoint/packed_entry.hpp>
#include <modelgrow/core/names.hpp>

namespace modelgrow::inline v0 {

struct StoredOptimizer {
  /// Entries of one parameter: tensors, and numbers that are none in the file, which `number` holds as they were.
  struct Entry {
    std::string name;
    JoinedTensor tensor;
    PickleValue number = {};
    std::shared_ptr<const PackedTensor> packed = {};  ///< what has these numbers in the file, in few bits
    PickleValue object = {};                          ///< the object that holds it there (torchao)
  };
  /// In the order of their groups. Without a name until someone gives it one.
  struct Parameter {
    std::string name = {};
    std::vector<Entry> entries = {};
    const Entry* find(std::string_view entry) const;
  };
  /// Options, without the lists of parameters; places in `parameters`.
  struct Group {
    PickleDict options = {};
    std::vector<std::size_t> parameters = {};
    std::map<std::string, JoinedTensor> tensors = {};  ///< of the options that are such (a rate)
  };

  /// How groups list their parameters.
  enum class Ids { numbers, names };

  KnownOptimizer is = {};
  Ids ids = Ids::numbers;
  bool param_names = false;  ///< beside that list they have one of names
  std::vector<Group> groups = {};
  std::vector<Parameter> parameters = {};
  std::string source = {};  ///< what it was read from, for errors
  std::string prefix = {};  ///< what the file has before every name ("module."), and names here have not
  bool joined = false;      ///< a group is one tensor in the files, with one counter of steps (ZeRO)
  bool wrapped = false;     ///< moments are in a dictionary of their own (bitsandbytes)

  bool has_names() const;
  /// Whether some entries are in few bits.
  bool has_packed() const;
  /// Names of parameters that have no entry: frozen, or not trained yet.
  std::vector<std::string> without_state() const;
  /// The entries of all parameters under their names. Throws format_error where parameters have no names, where nobody
  /// knows the optimizer, and for an entry that it does not have.
  std::vector<JoinedTensor> tensors() const;
  /// Tells the optimizer by its groups and entries. Throws format_error for a word that is no optimizer; empty: by
  /// itself.
  void tell(std::string_view word = {});
};

/// Whether an entry may belong to a parameter of this shape.
bool fits_parameter(const StoredOptimizer::Entry& entry, const OptimizerClass* kind, const Shape& parameter);

/// Gives names to the parameters of one optimizer, or of several that train one model, by the order of its trained
/// parameters: each group has some of them, in that order. Where one of them could go into two groups, or shapes do not
/// fit, format_error says what to give instead.
void name_parameters(const std::vector<StoredOptimizer*>& optimizers, const std::vector<NamedShape>& order);

/// Throws format_error unless a state with names has just the trained parameters of a model, and entries that fit them.
void check_parameters(const StoredOptimizer& optimizer, const std::vector<NamedShape>& trained);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/stored_optimizer_inl.hpp>
#endif

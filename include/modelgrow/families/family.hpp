// SPDX-License-Identifier: MIT
// A family of models as data: from its text, the names and shapes of a file and config.json, the schema that growth
// needs. No forward pass, no C++ of the model.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <modelgrow/core/schema.hpp>
#include <modelgrow/families/trust.hpp>

namespace modelgrow::inline v0 {

class Checkpoint;
struct FamilyText;
namespace detail {
struct Fit;
/// What is wrong with a fit, for people; empty when nothing is.
std::string complaint(const Fit& f);
}  // namespace detail

/// One family of checkpoints, read from its text. Cheap to copy.
class Family {
 public:
  /// Throws format_error that names the line.
  explicit Family(std::string_view text);
  /// A text of your own. Throws io_error, format_error.
  static Family open(const std::filesystem::path& path);

  const std::string& name() const;
  const FamilyText& text() const;
  /// Whether config.json says that it is of this family: `_class_name`, `architectures` or `model_type`.
  bool claims(std::string_view config) const;
  /// This family with the grafts that config.json records; itself where there are none. Throws format_error for records
  /// that cannot be read; whether they are of this family is for schema() to say.
  Family grafted(std::string_view config, const std::string& where) const;
  /// How the names of a file fit, in the layout that explains most of it.
  detail::Fit fit(const Names& file) const;
  /// The schema of a checkpoint. `where` begins error messages. Throws format_error for tensors that are missing or
  /// belong to no line, shapes that contradict each other, and a config.json that contradicts the file.
  Schema schema(const Names& file, std::string_view config, const std::string& where,
                Trust trust = Trust::nobody) const;
  /// The schema of an opened checkpoint.
  Schema schema(const Checkpoint& in, Trust trust = Trust::nobody) const;

 private:
  struct Data;
  /// Throws format_error for grafts in the place of what the family does not have.
  void require_replaced(const std::string& where) const;
  Schema read(const Names& file, std::string_view config, const std::string& where, Trust trust) const;
  std::shared_ptr<const Data> data_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/families/family_inl.hpp>
#endif

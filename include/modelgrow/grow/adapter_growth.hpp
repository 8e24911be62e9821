// SPDX-License-Identifier: MIT
// An adapter through the plan of its model: the adapters of old blocks move with them, factors widen with the weights,
// new blocks have none. The grown model with the grown adapter computes what the old one did with the old adapter.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/adapter.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

class AdapterGrowth {
 public:
  /// `model` are the tensors that the plan grows, with those that the family does not know. Keeps a reference to the
  /// plan. Throws plan_error that names a layer which the model does not have, or whose adapter cannot follow.
  AdapterGrowth(const Plan& plan, const Names& model, Adapter adapter);
  AdapterGrowth(AdapterGrowth&&) = default;

  const Adapter& source() const { return adapter_; }
  /// The form that is written: that of the source, or where its names cannot say the result, one whose names can.
  AdapterForm form() const { return form_; }
  /// Where its weights lie, below the folder that write() gets.
  const std::string& file_name() const { return file_name_; }
  std::uint64_t bytes() const;
  /// Which layers are adapted now.
  const std::vector<MovedLayer>& layers() const { return layers_; }
  /// What people should know.
  const std::vector<std::string>& notes() const { return notes_; }

  /// Writes the grown adapter into a folder, and checks it. Throws io_error and check_error.
  void write(const std::filesystem::path& folder) const;
  /// Proves every tensor of the grown adapter in a folder from its bytes, and that the file says of each layer what was
  /// planned. Throws io_error, and check_error that names the difference.
  void check(const std::filesystem::path& folder) const;

 private:
  struct Grown {
    NamedShape target;
    const TensorView* source = nullptr;
    std::int64_t parameter = -1;  // of the plan's schema, the adapted weight; -1: the tensor is copied
    bool writes = false;          // the factor B
    std::int64_t rank = 0;
  };
  void choose_form();
  std::string name_of(const TensorView& tensor, std::size_t layer, const std::string& grown) const;
  std::vector<std::byte> make(const Grown& tensor) const;
  void prove(const Grown& tensor, const TensorView& found) const;

  const Plan& plan_;
  Adapter adapter_;
  Names grown_names_;
  std::vector<MovedLayer> layers_;
  std::vector<std::pair<std::size_t, std::int64_t>> of_;  // parallel to them: layer of the source, and parameter
  std::vector<Grown> tensors_;
  AdapterForm form_;
  std::string file_name_, config_;
  std::vector<std::string> notes_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/adapter_growth_inl.hpp>
#endif

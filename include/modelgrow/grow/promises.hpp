// SPDX-License-Identifier: MIT
// What a plan promises of the tensors of a grown file, one proof a tensor. It shares nothing with the code that makes
// the tensors but the list of verbs, the axes of the family and the rules of optimizers.
#pragma once
#include <map>

#include <modelgrow/checkpoint/optimizer_names.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/correspondence.hpp>
#include <modelgrow/grow/outputs.hpp>
#include <modelgrow/grow/tensor_proof.hpp>

namespace modelgrow::inline v0 {

struct StateEntry;

/// What was found about a file.
struct FileCheck {
  std::vector<TensorCheck> tensors;
  double max_residual = 0;
  std::string worst;                  // name of the tensor with the largest residual
  std::vector<NotFinite> not_finite;  // old tensors, and grown ones whose source is sound
};

/// What a set of tensors is to a model.
enum class Contents { weights, optimizer };

namespace detail {

/// Keeps references to the plan and the old tensors. Errors begin with `where`, the grown file or folder.
class Promises {
 public:
  Promises(const Plan& plan, Contents contents, const TensorSet& old, std::string where);

  /// Throws check_error unless these are the names that were promised.
  void check_names(const std::vector<std::string>& grown) const;

  /// The proof of a grown tensor; nothing where nothing is promised. Throws check_error for what its shape or type
  /// shows.
  std::unique_ptr<TensorProof> proof(const NamedShape& grown) const;

  /// All verdicts as one. Throws check_error where a promise was not kept.
  FileCheck judge(std::vector<Verdict> verdicts) const;

 private:
  void check_state_names(const std::set<std::string_view>& grown) const;
  std::unique_ptr<TensorProof> weight(const NamedShape& t, const Ancestor& ancestor) const;
  std::unique_ptr<TensorProof> state(const NamedShape& t, const StateName& of, const StateEntry& entry,
                                     const Ancestor& ancestor) const;
  std::unique_ptr<TensorProof> mean(const NamedShape& t, const TensorView& old, ParamSpec now, ParamSpec before,
                                    const StateEntry& entry, double share) const;
  std::unique_ptr<TensorProof> residual(const NamedShape& t, const TensorView& old, const ParamSpec& now,
                                        const ParamSpec& before, Of of, std::string rule, double share = 1) const;
  bool random(const Ancestor& ancestor, const ParamSpec* now) const;
  std::unique_ptr<TensorProof> filled(const NamedShape& t, const TensorView& old, const TensorView* weight,
                                      const std::vector<Filled>& fills, const ParamSpec& now,
                                      const ParamSpec& before) const;
  void check_shapes(const NamedShape& t, const TensorView& old, const Shape& now, const Shape& before) const;
  void check_copies() const;
  void check_state(const TensorCheck& found, DType dtype) const;
  bool spread(const Axis& axis) const;
  [[noreturn]] void fail(const std::string& what) const { throw check_error(where_ + ": " + what); }

  const Plan& plan_;
  Contents contents_;
  const TensorSet& old_;
  std::string where_;
  UnitsOf units_, apart_;  // the second with copies apart, where those have no first moment
  SharesOf shares_;
  ParameterIndex source_, schema_;             // of the plan
  std::map<std::string, Ancestor> ancestors_;  // of tensors, or of the parameters that state belongs to
  bool approximate_;
};

}  // namespace detail
}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/promises_inl.hpp>
#endif

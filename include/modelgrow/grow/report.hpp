// SPDX-License-Identifier: MIT
// What a growth did: sizes, times, memory, and for every tensor how it was made and how exact the file check found it.
#pragma once
#include <ostream>
#include <string>
#include <vector>

#include <modelgrow/grow/plan_print.hpp>

namespace modelgrow::inline v0 {

/// One tensor of the grown model.
struct TensorReport {
  std::string name;
  Shape before, after;  // `before` is empty for a new tensor
  std::string recipe;
  std::uint64_t bytes = 0;
  std::string rule;     // what the file check compared
  double residual = 0;  // and what it found
};

/// The result of a growth.
struct Report {
  std::string family;
  Certificate certificate, trajectory;
  std::int64_t parameters_before = 0, parameters_after = 0;
  std::uint64_t bytes_before = 0, bytes_after = 0;  // of weights
  std::vector<TensorReport> tensors;
  std::vector<std::string> passed_through;    // tensors that the family does not know, copied as they are
  std::vector<std::string> files;             // what was written, within the directory
  std::vector<std::string> grown_along = {};  // of them, what is not the weights: variants, averages, optimizer state
  std::vector<std::string> not_finite = {};   // tensors with NaN or infinities, which were allowed
  std::vector<std::string> notes;
  bool optimizer_moved = false;      // the folder had optimizer state, and it was grown along
  std::size_t checked = 0;           // tensors that were compared with their sources
  double max_residual = 0;           // over weights and averages
  std::string worst;                 // the tensor that has it
  bool read_back = false;            // the family read the grown folder again and found what the plan promised
  std::string upstream_cannot = {};  // why the upstream class cannot load it; empty: it can
  struct Seconds {
    double plan = 0, write = 0, check = 0;
  } seconds;
  std::uint64_t peak_rss_bytes = 0;      // of the process
  std::uint64_t peak_private_bytes = 0;  // of it, what is not the pages of files; 0: not measured
};

/// What a plan alone tells of its growth.
Report report_of(const Plan& plan);

/// Largest resident memory that this process has had, in bytes.
std::uint64_t peak_rss();

/// What is claimed about the trajectory; nothing where no optimizer state was moved.
std::string trajectory_text(const Certificate& trajectory, bool optimizer_moved);

std::ostream& operator<<(std::ostream& os, const Report& r);

/// The report as JSON, tensor by tensor.
std::string to_json(const Report& r);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/report_inl.hpp>
#endif

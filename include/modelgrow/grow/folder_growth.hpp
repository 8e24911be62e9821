// SPDX-License-Identifier: MIT
// A checkpoint on its way through a plan into a folder: all that will be written is known before anything is.
#pragma once
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/layout.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/journal.hpp>
#include <modelgrow/grow/adapter_growth.hpp>
#include <modelgrow/grow/adapters_beside.hpp>
#include <modelgrow/grow/checksums.hpp>
#include <modelgrow/grow/outputs.hpp>
#include <modelgrow/grow/parts.hpp>
#include <modelgrow/grow/promises.hpp>
#include <modelgrow/grow/proven_tensors.hpp>
#include <modelgrow/grow/report.hpp>
#include <modelgrow/grow/source_files.hpp>
#include <modelgrow/grow/torch_growth.hpp>
#include <modelgrow/grow/write_options.hpp>

namespace modelgrow::inline v0::detail {

class FolderGrowth {
 public:
  /// `below` is the folder within what is written together ("" or "transformer"). Keeps references to plan and options.
  /// Throws plan_error and format_error for what cannot be grown.
  FolderGrowth(const Plan& plan, const Checkpoint& in, std::filesystem::path below, const WritePlan& options);

  const std::filesystem::path& below() const { return below_; }
  /// Bytes of all tensors and matrices.
  std::uint64_t bytes() const { return bytes_; }

  /// Writes into `root` / below(), proves it, and reads it back. Throws check_error, io_error and plan_error.
  /// Of several ranks all write what is written window by window, and rank 0 all else.
  Report write(const std::filesystem::path& root, Journal& journal);

  /// What the files are made from, for the journal: equal texts, equal bytes.
  std::string plan_hash() const;
  std::string source_state() const { return source_.state(); }
  std::string layout_hash() const;

 private:
  struct Grown {
    explicit Grown(Part p) : part(std::move(p)) {}
    Part part;
    std::vector<Output> outputs;
    CheckpointLayout layout;                     // below the root
    std::unique_ptr<TorchGrowth> torch;          // in place of it
    std::unique_ptr<ProvenTensors> proven = {};  // of a distributed checkpoint, while it is written
    std::size_t first_place = 0;                 // among the tensors of its folder
    bool own_folder = false;
    std::string config;  // empty: there is none
    std::vector<std::string> notes;
  };
  struct GrownAdapter {
    std::filesystem::path folder;
    AdapterGrowth growth;
  };
  void add(Part part);
  void judge_optimizers();
  void judge_groups(const TorchGrowth& torch);
  void write_part(const std::filesystem::path& root, Journal& journal, Grown& grown);
  using Places = std::map<std::string, std::vector<std::uint64_t>>;  // by the folder, "" where there is one
  Places write_distributed(const std::filesystem::path& folder, Journal& journal);
  void check_distributed(const std::filesystem::path& folder, const Places& places);
  void write_deepspeed_run(const std::filesystem::path& folder);
  void check_deepspeed_run(const std::filesystem::path& folder);
  void write_store(const std::filesystem::path& root, Journal& journal);
  std::unique_ptr<ProvenTensors> proven(const Grown& grown, const std::filesystem::path& where) const;
  WriteWindows windows(Journal& journal);
  void note(const std::string& file, const WrittenFile& written);
  std::filesystem::path state_folder(const std::filesystem::path& root) const {
    return in_.state_folder() == in_.path() ? root / below_ : root;
  }
  void write_state(const std::filesystem::path& root, Journal& journal, Grown& grown);
  std::set<std::string> carry_state(const std::filesystem::path& folder);
  void add(AdapterPart part);
  void write_adapters(const std::filesystem::path& folder);
  void write_beside(const std::filesystem::path& root);
  void merge(const FileCheck& check, const Part& part);
  void check_finite() const;

  const Plan& plan_;
  Checkpoint in_;
  std::filesystem::path below_;
  const WritePlan& options_;
  Ranks alone_;
  Ranks& ranks_;
  std::string plan_text_;
  std::deque<Grown> parts_;  // outputs point into them
  Unread unread_;
  AdaptersBeside beside_;
  std::deque<GrownAdapter> adapters_;
  SourceFiles source_;
  std::uint64_t bytes_ = 0;
  Checksums checksums_;
  Report report_;
};

/// Writes folders that belong together: all of them or none. `beside` puts what else belongs there into the root, on
/// rank 0.
/// Throws what they throw; an error that another try may not meet says what is kept for it.
std::vector<Report> write_folders(std::deque<FolderGrowth>& growths, const std::filesystem::path& directory,
                                  const WritePlan& options,
                                  const std::function<void(const std::filesystem::path& root)>& beside = {});

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/folder_growth_inl.hpp>
#include <modelgrow/grow/folder_growth_state_inl.hpp>
#endif

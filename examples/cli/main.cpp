// SPDX-License-Identifier: MIT
// The program `modelgrow`: grows checkpoints from the command line.
#include <modelgrow/core/names.hpp>

#include <csignal>
#include <iostream>

#include <modelgrow/version.hpp>

#include "tool.hpp"

namespace {

/// Names of commands, or of flags of a command.
std::vector<std::string> words_of(const CLI::App& app, bool flags) {
  std::vector<std::string> words;
  if (flags) {
    for (const auto* option : app.get_options())
      for (const auto& name : option->get_lnames()) words.push_back("--" + name);
  } else {
    for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
      words.push_back(command->get_name());
  }
  return words;
}

/// The first word that nothing knows, with those that are near.
std::string unknown_word(const CLI::App& program) {
  const CLI::App* app = &program;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  const auto left = program.remaining(true);
  if (left.empty()) return {};
  auto word = left.front();
  for (const auto& w : left)
    if (w.starts_with("-")) {
      word = w;
      break;
    }
  const bool flag = word.starts_with("-");
  if (!flag && app != &program) return "'" + app->get_name() + "' takes no further argument; there is '" + word + "'";
  return "there is no " + std::string(flag ? "option '" : "command '") + word + "'" +
         modelgrow::nearest_names(word.substr(0, word.find('=')), words_of(*app, flag));
}

std::string version() {
  std::string text;
  for (const int part : {MODELGROW_VERSION_MAJOR, MODELGROW_VERSION_MINOR, MODELGROW_VERSION_PATCH})
    text += (text.empty() ? "" : ".") + std::to_string(part);
  return text;
}

int complain(const std::string& what, tool::Exit code) {
  std::cerr << "modelgrow: " << what << "\n";
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is a failed write, which cleans up
  CLI::App program("Grows pretrained video diffusion transformers without changing what they compute.", "modelgrow");
  program.require_subcommand(1);
  program.set_version_flag("--version", "modelgrow " + version());
  program.footer(
      "Begin with:\n"
      "  modelgrow inspect IN                          what it is, and how it may grow\n"
      "  modelgrow plan IN --insert-blocks every=1     what would be done, and how exact it is\n"
      "  modelgrow grow IN OUT --insert-blocks every=1 done and checked\n"
      "Exit codes: 0 good, 1 a check failed, 2 usage, 3 refused, 4 input or output, 130 Ctrl-C or SIGTERM.\n"
      "`modelgrow COMMAND --help` says more.");
  tool::add_inspect(program);
  tool::add_plan(program);
  tool::add_grow(program);
  tool::add_merge(program);
  tool::add_check(program);
  tool::add_diff(program);
  tool::add_convert(program);
  tool::add_family(program);
  try {
    program.parse(argc, argv);
    return std::cout.flush() ? tool::good : complain("cannot write to standard output", tool::input_output);
  } catch (const tool::Interrupted& stopped) {
    return complain("interrupted; " + stopped.what, tool::interrupted);
  } catch (const tool::SaidByAnother&) {
    return tool::good;  // launchers end all ranks at the first failure, maybe before the other has said why
  } catch (const CLI::Success& e) {  // --help, --version
    return program.exit(e);
  } catch (const CLI::ParseError& e) {
    const auto unknown = unknown_word(program);
    return complain((unknown.empty() ? e.what() : unknown) + std::string("; modelgrow --help says more"), tool::usage);
  } catch (const modelgrow::option_error& e) {
    return complain(e.what(), tool::usage);
  } catch (const modelgrow::plan_error& e) {
    return complain(std::string("refused: ") + e.what(), tool::refused);
  } catch (const modelgrow::check_error& e) {
    return complain(e.what(), tool::check_failed);
  } catch (const std::exception& e) {
    return complain(e.what(), tool::input_output);
  }
}

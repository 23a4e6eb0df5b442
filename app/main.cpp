// graft: the program. It chooses the command, and turns what goes wrong into one line and an exit code.
#include <cstdio>
#include <new>

#include "app/command.h"
#include "app/console.h"
#include "app/team.h"
#include "core/error.h"
#include "core/memory_reserve.h"
#include "core/nearest.h"
#include "core/version.h"

namespace graft::app {
namespace {

const char* const kExamples =
    "Examples:\n"
    "  graft demo\n"
    "  graft tune flowers --model mobilenet_v2 --weights mobilenet_v2.pth\n"
    "  graft predict graft-out/model.graft picture.jpg\n"
    "  graft inspect mobilenet_v2.pth --model mobilenet_v2\n"
    "\n"
    "Exit codes: 0 done, 64 usage, 65 bad data, 70 internal or device, 71 memory, 74 disk, 129, 130 and 143 "
    "stopped.\n"
    "`graft COMMAND --help` tells more about each.";

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

// Names what the parser did not know, with what was probably meant.
[[noreturn]] void fail_unknown(const CLI::App& command) {
  for (const std::string& word : command.remaining()) {
    if (word.size() > 1 && word[0] == '-') {
      std::string name = word.substr(0, word.find('='));
      fail<UsageError>("unknown option ", printable(name), did_you_mean(name, option_names(command)));
    }
  }
  std::vector<std::string> words = command.remaining();
  fail<UsageError>("unexpected argument ", words.empty() ? "" : printable(words[0]), "; see graft ",
                   command.get_name(), " --help");
}

int parse_and_run(int argc, char** argv, std::string& command_name) {
  CLI::App app{"graft: retrain a published network on your own pictures, and prove what moved.", "graft"};
  app.footer(kExamples);
  app.set_version_flag("--version", str("graft ", kVersion));
  app.require_subcommand(1);
  app.get_formatter()->column_width(30);
  Action action;
  add_demo(app, action);
  add_tune(app, action);
  add_eval(app, action);
  add_predict(app, action);
  add_inspect(app, action);
  add_generate(app, action);
  add_embed(app, action);
  add_fewshot(app, action);
  add_zeroshot(app, action);
  add_compare(app, action);
  add_adapt(app, action);
  add_doctor(app, action);
  add_meadow(app, action);
  add_kernels(app, action);
  if (argc < 2) {
    std::fputs(app.help().c_str(), stderr);
    return 64;
  }
  std::string first = argv[1];
  std::vector<std::string> names = command_names(app);
  if (std::find(names.begin(), names.end(), first) != names.end()) {
    command_name = first;
  } else if (!first.empty() && first[0] != '-') {
    fail<UsageError>("unknown command ", printable(first), did_you_mean(first, names), "; see graft --help");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    fail_unknown(command_name.empty() ? app : *app.get_subcommand(command_name));
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) {  // --help, --version
      app.exit(e);
      require_said();
      return 0;
    }
    fail<UsageError>(e.what(), "; see graft ", command_name, command_name.empty() ? "" : " ", "--help");
  }
  join_team(command_name);
  int code = action();
  require_said();
  leave_team();
  return code;
}

// The exit code; what went wrong is told.
int run(int argc, char** argv) {
  std::string name;
  auto complain = [&](std::string_view message) {
    let_the_leader_speak();
    std::string line = str("graft", name.empty() ? "" : " ", name, ": ", speaker(), message, "\n");
    std::fwrite(line.data(), 1, line.size(), stderr);
  };
  try {
    return parse_and_run(argc, argv, name);
  } catch (const Interrupted& stop) {
    if (!stop.together || leads()) complain(str("stopped (", stop.what_was_done, "); ", stop.what_is_left));
    if (stop.together) leave_team();
    return 128 + stop.signal;
  } catch (const Error& e) {
    complain(e.what());
    return e.exit_code();
  } catch (const std::bad_alloc&) {
    complain("memory ran out; a smaller --batch, or fewer programs beside this one, may help");
    return 71;
  } catch (const std::exception& e) {
    complain(str("internal error: ", e.what()));
    return 70;
  }
}

}  // namespace
}  // namespace graft::app

int main(int argc, char** argv) {
  graft::app::prepare_process();
  int code = 71;
  try {
    graft::MemoryReserve reserve;
    code = graft::app::run(argc, argv);
  } catch (const std::bad_alloc&) {  // not even for the complaint
    std::fputs("graft: memory ran out\n", stderr);
  }
  if (code != 0) graft::app::end_team(code);
  return code;
}

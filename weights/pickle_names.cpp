// The names that a pickle may not hold.
#include <algorithm>
#include <array>

#include "weights/pickle.h"

namespace graft::weights::pickle {
namespace {

// Modules of which no checkpoint needs a name, and single names in modules that are otherwise harmless. They
// could not run here in any case; a file that names them is an attack on another reader, and is refused as a
// whole.
constexpr std::array<std::string_view, 56> kNeverModules = {
    "os",         "posix",           "nt",        "sys",
    "subprocess", "socket",          "ssl",       "shutil",
    "pty",        "commands",        "popen2",    "importlib",
    "imp",        "runpy",           "code",      "codeop",
    "ctypes",     "_ctypes",         "cffi",      "webbrowser",
    "pickle",     "_pickle",         "cPickle",   "cloudpickle",
    "dill",       "joblib",          "marshal",   "operator",
    "_operator",  "timeit",          "bdb",       "pdb",
    "cProfile",   "profile",         "trace",     "doctest",
    "asyncio",    "multiprocessing", "threading", "_thread",
    "requests",   "urllib",          "http",      "ftplib",
    "smtplib",    "telnetlib",       "pip",       "distutils",
    "setuptools", "ensurepip",       "venv",      "idlelib",
    "zipimport",  "inspect",         "signal",    "pydoc"};
constexpr std::array<std::string_view, 24> kNeverBuiltins = {
    "eval",  "exec",       "execfile", "compile",    "getattr", "setattr", "delattr", "hasattr",
    "open",  "__import__", "input",    "raw_input",  "globals", "locals",  "vars",    "breakpoint",
    "apply", "file",       "reload",   "memoryview", "map",     "filter",  "type",    "super"};
constexpr std::array<std::string_view, 12> kNeverNames = {"types.CodeType",
                                                          "types.FunctionType",
                                                          "functools.reduce",
                                                          "torch.hub.load",
                                                          "torch.load",
                                                          "torch.jit.load",
                                                          "torch.jit.unsupported_tensor_ops.execWrapper",
                                                          "torch.utils.cpp_extension.load",
                                                          "torch.utils.cpp_extension.load_inline",
                                                          "numpy.testing._private.utils.runstring",
                                                          "numpy.load",
                                                          "torch.ops.load_library"};

}  // namespace

bool never_allowed(std::string_view module, std::string_view name) {
  std::string_view package = module.substr(0, module.find('.'));
  auto holds = [](const auto& list, std::string_view text) {
    return std::find(list.begin(), list.end(), text) != list.end();
  };
  if (holds(kNeverModules, package)) return true;
  if ((package == "builtins" || package == "__builtin__") && holds(kNeverBuiltins, name)) return true;
  return holds(kNeverNames, str(module, ".", name));
}

}  // namespace graft::weights::pickle

// The frame of every page: one HTML file that needs nothing else, neither a network nor a script.
#pragma once

#include <string>

namespace graft::transfer::report {

// `title` for the browser, `where` beside graft's name; both as text. `body` is HTML.
std::string page(const std::string& title, const std::string& where, const std::string& body);

}  // namespace graft::transfer::report

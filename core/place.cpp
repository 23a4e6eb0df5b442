#include "core/place.h"

#include <exception>

namespace graft {
namespace {

struct Here {
  const void* who = nullptr;
  bool backward = false;
};
thread_local Here now_here, last_here, failed_here;

}  // namespace

Place::Place(const void* who, bool backward)
    : before_(now_here.who), backward_before_(now_here.backward), exceptions_(std::uncaught_exceptions()) {
  now_here = {who, backward};
  if (who) last_here = now_here;
  failed_here = {};  // that was caught
}

Place::~Place() {
  // Unwinding meets the innermost place first.
  if (std::uncaught_exceptions() > exceptions_ && !failed_here.who) failed_here = now_here;
  now_here = {before_, backward_before_};
}

Place::Name Place::of_failure() {
  const Here& found = failed_here.who ? failed_here : last_here;
  return {found.who, found.backward, failed_here.who != nullptr};
}

const void* Place::now() {
  return now_here.who;
}

void Place::forget() {
  last_here = failed_here = {};
}

}  // namespace graft

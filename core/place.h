// Which part of a program computes, for the messages of what goes wrong inside it. core knows parts only as
// pointers; who catches the error (transfer/retrain.cpp) knows their names.
#pragma once

namespace graft {

// While one is alive, `who` computes on this thread. Costs a few writes; nothing is looked up before
// something fails.
class Place {
 public:
  // `backward`: on the way back through `who`. Null: nobody in particular.
  explicit Place(const void* who, bool backward = false);
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  struct Name {
    const void* who = nullptr;
    bool backward = false;
    bool inside = false;  // false: it was done, and the next one had not begun
  };
  // Where this thread's last exception left a Place: the innermost. Where it left none: the last one there
  // was, if any.
  static Name of_failure();
  // Who computes now; null: nobody.
  static const void* now();
  // From here on there was none.
  static void forget();

 private:
  const void* before_;
  bool backward_before_;
  int exceptions_;
};

}  // namespace graft

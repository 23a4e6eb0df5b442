// Memory in large pages: what is written once and is larger than a few megabytes costs less time that way, as
// the system then hands out 2 MiB for each first touch and not 4 KiB.
#pragma once

#include <cstddef>

namespace graft {

// Asks for large pages in [data, data + bytes); nothing where it is small or the system has none.
void prefer_large_pages(void* data, size_t bytes);

// vector.reserve(count), in large pages.
template <class Vector>
void reserve_large(Vector& vector, size_t count) {
  vector.reserve(count);
  prefer_large_pages(vector.data(), vector.capacity() * sizeof(typename Vector::value_type));
}

}  // namespace graft

// The shared memory of one simulated block: named static pieces and one dynamic piece, with red zones between
// them. A piece is filled with 0xFF bytes when the block first asks for it: a read before the first write
// gives NaN or -1 on every run. A write into a red zone is an error at the end of the block at the latest; an
// AddressSanitizer build stops at the access itself.
#pragma once

#include <cstddef>

namespace graft::sim {

// One address for each type: the name of a static piece.
template <class T>
inline constexpr char type_tag = 0;

// For shared.h: memory of the block that the calling simulated thread belongs to.
void* static_shared(const void* tag, size_t bytes);
void* dynamic_shared();

// What one block of a compute capability 8.x or 9.0 device may have: 227 KiB is the most of sm_90.
inline constexpr size_t kMaxStaticShared = 48 * 1024;
inline constexpr size_t kMaxShared = 227 * 1024;

class Arena {
 public:
  Arena();
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Forgets all pieces and makes the dynamic one.
  void begin_block(size_t dynamic_bytes);
  void* static_piece(const void* tag, size_t bytes);
  void* dynamic_piece() const { return pieces_[0].data; }
  // Throws where a red zone was written to.
  void check() const;

  struct Piece {
    const void* tag;
    char* data;
    size_t bytes;
  };
  static constexpr int kMaxPieces = 16;
  int pieces() const { return count_; }
  const Piece& piece(int i) const { return pieces_[i]; }
  // The piece that holds all of these bytes, or null.
  const Piece* piece_of(const void* p, size_t bytes) const {
    for (const Piece& piece : pieces_) {
      if (&piece == pieces_ + count_) break;
      const char* at = static_cast<const char*>(p);
      if (at >= piece.data && at + bytes <= piece.data + piece.bytes) return &piece;
    }
    return nullptr;
  }
  bool contains(const void* p) const {
    return static_cast<const char*>(p) >= memory_ && static_cast<const char*>(p) < memory_ + kBytes;
  }
  const char* base() const { return memory_; }
  // A shared address as instructions know it: 18 bits, whose low ten are those of the pointer.
  unsigned offset(const void* p) const {
    return static_cast<unsigned>(static_cast<const char*>(p) - memory_) - kWindow;
  }
  const char* at(unsigned offset) const { return memory_ + kWindow + offset; }
  // Addresses of this block's own that ThreadSanitizer knows as synchronisation objects: one for the start,
  // two for barriers, two for each thread.
  char* tag(int i) const { return memory_ + 8 * i; }
  static constexpr int kStartTag = 0, kBarrierTags = 1, kNamedTags = 3, kThreadTags = 35;

  static constexpr size_t kRedZone = 256;
  static constexpr size_t kTagBytes = 8 * (kThreadTags + 3 * 1024 + 1);
  static constexpr unsigned kWindow = kTagBytes / 1024 * 1024;  // where shared addresses begin
  static constexpr size_t kBytes = kTagBytes + kMaxShared + (kMaxPieces + 1) * (kRedZone + 128) + 4096;

 private:
  char* add(const void* tag, size_t bytes);

  char* memory_ = nullptr;
  char* next_ = nullptr;
  Piece pieces_[kMaxPieces];
  int count_ = 0;
};

}  // namespace graft::sim

// A checkpoint's tensors cut and turned without reading them: other views of the same blocks.
#include <algorithm>

#include "weights/content.h"

namespace graft::weights {
namespace {

// "attn.in_proj_weight rows 768 to 1535, transposed"
std::string origin_of(const Piece& piece, bool whole) {
  std::string text = piece.source;
  if (!whole) text += str(" rows ", piece.begin, " to ", piece.begin + piece.count - 1);
  return piece.transposed ? text + ", transposed" : text;
}

void add(const Content& from, const Piece& piece, Content& to) {
  auto found = from.index.find(piece.source);
  if (found == from.index.end()) from.file->reject("holds no tensor named ", printable(piece.source));
  Entry entry = from.entries[found->second];
  View view = from.views[found->second];
  auto refuse = [&](const auto&... why) {
    from.file->reject("tensor ", printable(to_text(entry)), ", of which ", printable(piece.name),
                      " is a part: ", why...);
  };
  bool whole = piece.count < 0;
  if (!whole) {
    bool inside = !entry.sizes.empty() && piece.begin >= 0 && piece.count >= 1 &&
                  piece.begin <= entry.sizes[0] - piece.count;
    if (!inside) refuse("it has no rows ", piece.begin, " to ", piece.begin + piece.count - 1);
    entry.bytes = entry.bytes / entry.sizes[0] * piece.count;
    entry.sizes[0] = piece.count;
    view.offset += piece.begin * view.strides[0];
  }
  if (piece.transposed) {
    if (entry.sizes.size() != 2) refuse("expected a matrix");
    std::swap(entry.sizes[0], entry.sizes[1]);
    std::swap(view.strides[0], view.strides[1]);
  }
  entry.origin = origin_of(piece, whole);
  entry.name = piece.name;
  to.entries.push_back(std::move(entry));
  to.views.push_back(std::move(view));
}

}  // namespace

Checkpoint Checkpoint::rearranged(const std::vector<Piece>& pieces) const {
  auto out = std::make_unique<Content>();
  out->path = content_->path;
  out->format = content_->format;
  out->file = content_->file;
  out->blocks = content_->blocks;
  out->metadata = content_->metadata;
  out->warnings = content_->warnings;
  for (const Piece& piece : pieces) add(*content_, piece, *out);
  out->finish();
  Checkpoint checkpoint;
  checkpoint.content_ = std::move(out);
  return checkpoint;
}

}  // namespace graft::weights

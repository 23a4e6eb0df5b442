// Small square pictures for reports.
#pragma once

#include <string>

#include "data/image.h"
#include "transfer/report/sections.h"
#include "transfer/result.h"

namespace graft::transfer::report {

inline constexpr int64_t kThumbnailSide = 160;  // pixels

// The middle square of the picture, side x side pixels, as the bytes of a PNG file. Empty for a picture
// without pixels.
std::string thumbnail_png(const data::Image& image, int64_t side = kThumbnailSide);

// Of the pictures that a run held out: its files, found under the data folder or as they are named. A file
// that cannot be read any more has none.
Thumbnail held_out_thumbnails(const RunResult& run);

}  // namespace graft::transfer::report

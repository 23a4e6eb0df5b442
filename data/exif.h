// The orientation in a photo's EXIF data. Source: CIPA DC-008 (Exif 2.32), section 4.6.4, tag 0x0112;
// TIFF 6.0, section 2.
#pragma once

#include <cstdint>
#include <span>

#include "data/image.h"

namespace graft::data {

// 1 to 8, from the body of an APP1 segment ("Exif\0\0" and a TIFF); 1 where there is none or it makes no
// sense. Only the first directory is looked at, so there is nothing to follow in a circle.
int exif_orientation(std::span<const uint8_t> app1);

// The picture as that orientation wants it shown: 2 mirrored, 3 turned by 180 degrees, 6 by 90 clockwise, 8
// by 270, ...
Image oriented(const Image& image, int orientation);

}  // namespace graft::data

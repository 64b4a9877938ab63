// Pictures, and the nearest of many directions.
#include <algorithm>
#include <vector>

#include "edgewise/image.hpp"
#include "edgewise/nearest.hpp"
#include "handles.hpp"

using namespace edgewise::c;

extern "C" {

edgewise_status edgewise_resize(const uint8_t* in, size_t height, size_t width, size_t channels,
                                uint8_t* out, size_t out_height, size_t out_width) {
  return guarded([&] {
    expect(in, "in");
    expect(out, "out");
    edgewise::resize(in, height, width, channels, out, out_height, out_width);
  });
}

edgewise_status edgewise_nearest(const int8_t* rows, const float* scales, size_t count, size_t dim,
                                 const uint8_t* mask, const float* query, size_t k,
                                 edgewise_neighbour* neighbours, size_t* found) {
  return guarded([&] {
    expect_array(rows, count, "rows");
    expect_array(scales, count, "scales");
    expect(query, "query");
    expect_array(neighbours, std::min(k, count), "neighbours");
    expect(found, "found");
    const std::vector<edgewise::Neighbour> best =
        edgewise::nearest({rows, scales, count, dim}, query, k, mask);
    for (std::size_t i = 0; i < best.size(); ++i) neighbours[i] = {best[i].row, best[i].cosine};
    *found = best.size();
  });
}

}  // extern "C"

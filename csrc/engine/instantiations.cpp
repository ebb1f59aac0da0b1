// What cells share, compiled once for each instruction set instead of in each cell's file.
#define THROUGHTIME_INSTANTIATE
#include "engine/forward_buffers.hpp"
#include "engine/gradient_products.hpp"

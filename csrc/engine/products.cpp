// The products that cells share, compiled once instead of in each cell's file.
#define THROUGHTIME_INSTANTIATE
#include "engine/products.hpp"

// Arrays of whole numbers as NumPy's numpy.save writes them (.npy, versions 1 to 3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace mixoscope {

struct IntegerArray {
    std::vector<std::int64_t> shape;
    std::vector<std::int32_t> values;  // in C order, as many as the shape says
};

/// Throws Error naming `where`: no .npy, another type than whole numbers of 1, 2, 4 or 8 bytes in little-endian order,
/// Fortran order, a shape that the bytes do not fill exactly, a value beyond 32 bits. Allocates no more than the values
/// that are there need.
IntegerArray readNpy(std::span<const std::byte> bytes, const std::string& where);

}  // namespace mixoscope

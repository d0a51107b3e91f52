// Which model it is: a hash that tells checkpoints apart without reading all of their weights.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "engine/model.h"

namespace mixoscope {

/// 16 hexadecimal digits over the configuration, all routers and norms, and the first, middle and last 64 bytes of
/// every other weight matrix. Two fine-tunes of one model differ in it; a change of a few weights that are not looked
/// at does not show.
std::string modelHash(const Model& model);

/// The same, computed once for as long as the model is there; from any thread.
std::string rememberedModelHash(const Model& model);
/// For a model that ends or becomes another one.
void forgetModelHash(const Model& model) noexcept;

/// 16 hexadecimal digits over all bytes.
std::string contentHash(std::span<const std::byte> bytes);

/// 16 hexadecimal digits over a file's size and bytes: all of them up to 16 MiB, of a longer file 64 pieces of 4 KiB
/// that are spread evenly over it, with its first and last. Empty when it cannot be read.
std::string fileHash(const std::filesystem::path& file);

}  // namespace mixoscope

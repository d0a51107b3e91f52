// A hostile safetensors file: either an Error, or tensors that lie inside the file and cover it without overlap.
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/error.h"
#include "engine/safetensors.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mixoscope;
    const std::span<const std::byte> file = std::as_bytes(std::span(data, size));
    try {
        const std::vector<TensorView> tensors = parseSafetensors(file, "model.safetensors");
        std::size_t covered = 0;
        const std::byte* last_end = nullptr;
        for (const TensorView& tensor : tensors) {
            MIXO_REQUIRE(tensor.data.data() >= file.data() + 8);
            MIXO_REQUIRE(tensor.data.data() + tensor.data.size() <= file.data() + file.size());
            MIXO_REQUIRE(last_end == nullptr || tensor.data.data() == last_end);
            last_end = tensor.data.data() + tensor.data.size();
            covered += tensor.data.size();
            std::int64_t elements = 1;
            for (const std::int64_t length : tensor.shape) elements *= length;
            MIXO_REQUIRE(elements >= 0 && static_cast<std::uint64_t>(elements) <= tensor.data.size());
        }
        MIXO_REQUIRE(last_end == nullptr || last_end == file.data() + file.size());
        MIXO_REQUIRE(covered <= file.size());
    } catch (const Error& error) {
        MIXO_REQUIRE(error.parts().where.find("model.safetensors") == 0);
    }
    try {
        for (const ShardIndex::Entry& entry : parseShardIndex(file, "index.json").entries) {
            MIXO_REQUIRE(entry.file.find('/') == std::string::npos && entry.file.front() != '.');
        }
    } catch (const Error& error) {
        MIXO_REQUIRE(error.parts().where.find("index.json") == 0);
    }
    return 0;
}

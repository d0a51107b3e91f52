// A checkpoint without its weights: configuration, tokenizer and what its chat template can do.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "engine/error.h"
#include "engine/model.h"

namespace mixoscope {

/// Reads config.json, generation_config.json, tokenizer.json and the chat template of a Hugging Face directory; `log`,
/// if set, is told each step in a line. Throws Error naming file and field.
Model readModelDescription(const std::filesystem::path& directory, const std::function<void(std::string_view)>& log);

/// Who reads a file knows its name; this adds which of many directories it lies in.
Error errorInDirectory(const Error& error, const std::filesystem::path& directory);

/// Where an embedded model lies: "demo" in `demo_directory`, its relatives in the folders of their names beside it.
std::filesystem::path embeddedModelDirectory(std::string_view model, const std::filesystem::path& demo_directory);

/// The description of an embedded model or a directory, for whoever only reads what was computed elsewhere: no weights
/// need be there. Throws Error naming directory, file and field.
Model openModelDescription(std::string_view model, const std::filesystem::path& demo_directory);

}  // namespace mixoscope

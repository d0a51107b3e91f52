// Bytes that JSON carries as text (RFC 4648).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mixoscope {

/// The bytes of a base64 text with its padding. Throws Error naming `where` for anything else, also a text that was
/// cut.
std::vector<std::byte> decodeBase64(std::string_view text, const std::string& where);

}  // namespace mixoscope

// The light theme's colours for a while, whatever the theme in force: for what is made to be printed.
#pragma once

namespace mixoscope {

/// While one lives, colours() (views/theme.h) are the light theme's. GUI thread.
class LightColours {
public:
    LightColours();
    ~LightColours();
    LightColours(const LightColours&) = delete;
    LightColours& operator=(const LightColours&) = delete;
};

}  // namespace mixoscope

// Where Qt runs: on a display, or on none, as in a container or over ssh.
#pragma once

namespace mixoscope {

/// Before the QApplication is made: without a login session Qt takes a folder of its own for XDG_RUNTIME_DIR and says
/// so on stderr, where only messages of the program belong. This names the same kind of folder beforehand.
void nameRuntimeDirectory();

/// Before the QApplication is made: throws Error where no window can appear. Qt would abort the program instead.
void requireDisplay();

/// Before the QApplication is made: without a display, draw off screen.
void drawOffscreenWithoutDisplay();

}  // namespace mixoscope

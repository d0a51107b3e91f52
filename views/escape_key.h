// Esc in a dialog that does not block its window.
#pragma once

#include <QEvent>

namespace mixoscope {

/// For a dialog's event(): accepts the question whether it wants Esc, and says whether this event was it. Without, Esc
/// is the window's shortcut, which stops the model or clears the selection, and the dialog stays.
bool keepsEscape(QEvent* event);

}  // namespace mixoscope

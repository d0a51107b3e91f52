#include "views/escape_key.h"

#include <QKeyEvent>

namespace mixoscope {

bool keepsEscape(QEvent* event) {
    if (event->type() != QEvent::ShortcutOverride || static_cast<QKeyEvent*>(event)->key() != Qt::Key_Escape)
        return false;
    event->accept();
    return true;
}

}  // namespace mixoscope

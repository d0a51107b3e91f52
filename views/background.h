// Work that takes as long as a disk does, off the thread that draws.
#pragma once

#include <QCoreApplication>
#include <QPointer>
#include <QThreadPool>
#include <functional>
#include <utility>

#include "views/format.h"

namespace mixoscope {

/// Runs `work()` on a thread of the pool and then `show(owner, result)` on the GUI thread, unless the owner, a QObject,
/// is gone by then. `work` must neither throw nor touch the owner. GUI thread.
template <typename Owner, typename Work, typename Show>
void inBackground(Owner* owner, Work work, Show show) {
    QThreadPool::globalInstance()->start([owner = QPointer(owner), work = std::move(work), show = std::move(show)] {
        QMetaObject::invokeMethod(
            QCoreApplication::instance(),
            [owner, result = work(), show] {
                if (!owner.isNull()) show(*owner, result);
            },
            Qt::QueuedConnection);
    });
}

/// Runs `work` so, which may throw; the owner's showMessage(text, warning) then shows `done`, or why it failed.
template <typename Owner>
void tellWhenDone(Owner* owner, const QString& done, std::function<void()> work) {
    inBackground(
        owner,
        [done, work = std::move(work)]() -> std::pair<QString, bool> {
            try {
                work();
                return {done, false};
            } catch (const std::exception& exception) {
                return {format::plainText(exception.what()), true};
            }
        },
        [](Owner& shown, const std::pair<QString, bool>& told) { shown.showMessage(told.first, told.second); });
}

}  // namespace mixoscope

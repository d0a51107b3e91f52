// What is asked of a selected token: a fork that goes on from it otherwise, and what each of its experts did. Holds the
// actions that menus, shortcuts and the inspector share, and the dialog.
#pragma once

#include <QAction>
#include <QObject>
#include <functional>

#include "views/fork_point.h"
#include "views/selection.h"

class QWidget;

namespace mixoscope {

class ComparisonWorkspace;
class WhatIfDialog;

class WhatIf : public QObject {
    Q_OBJECT

public:
    /// `selection`: of the chat workspace. `is_comparing`: whether the compare workspace is shown.
    WhatIf(Workbench& workbench, Selection& selection, ComparisonWorkspace& comparison,
           std::function<bool()> is_comparing, QWidget* window);

    QAction& forkAction() { return *m_fork; }
    QAction& measureAction() { return *m_measure; }
    void takeSnapshot(const SnapshotPointer& snapshot);
    /// What was selected in a recording is not to be forked after all.
    void forget() { m_continued_token = -1; }
    /// Sets what can be asked now, and why not what cannot.
    void refresh();

Q_SIGNALS:
    /// The fork is under way: of the conversation (then it is in snapshot.forks), or of a compared lane.
    void forked(bool in_comparison);
    /// A recording is to be gone on with, ended where it is shown, so that its selected token can be forked.
    void continueAsked();
    /// The selected token's experts are being measured.
    void measuring();

private:
    ForkOffer offer() const;
    void openDialog();
    void openContinued();
    void ask();
    void measure();

    Workbench& m_workbench;
    Selection& m_selection;
    ComparisonWorkspace& m_comparison;
    std::function<bool()> m_is_comparing;
    QWidget* m_window;
    SnapshotPointer m_snapshot;
    QAction* m_fork;
    QAction* m_measure;
    WhatIfDialog* m_dialog = nullptr;
    std::int32_t m_continued_token = -1;  // of a recording: to be forked once that is live
    bool m_asked = false;                 // a fork was asked for, and nothing came of it yet
    std::int64_t m_forks_before = 0;      // WorkbenchSnapshot::forks_asked as it was asked for
};

}  // namespace mixoscope

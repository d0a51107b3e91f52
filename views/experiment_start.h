// What one sees before an experiment is open: what an experiment is, the demo's, one's own, and those of before.
#pragma once

#include <QWidget>
#include <optional>

#include "engine/error.h"

class QLabel;
class QListWidget;
class QPushButton;

namespace mixoscope {

class ExperimentStart : public QWidget {
    Q_OBJECT

public:
    explicit ExperimentStart(QWidget* parent = nullptr);

    /// Experiment files and results, newest first.
    void setRecent(const QStringList& files);
    /// Why the last one could not be opened; nothing: no message.
    void showError(const std::optional<ErrorParts>& error, const QString& file);
    /// While one is being opened nothing can be chosen.
    void showOpening(const QString& file);

Q_SIGNALS:
    void demoAsked();
    void browseAsked();
    void newAsked();
    void fileAsked(const QString& file);

private:
    QLabel* m_error;
    QWidget* m_choices;
    QLabel* m_opening;
    QPushButton* m_demo;
    QLabel* m_recent_title;
    QListWidget* m_recent;
};

}  // namespace mixoscope

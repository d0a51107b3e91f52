// Why a model or a recorded session could not be opened: what, where, expected, found, what to do. Never a dialog box.
#pragma once

#include <QWidget>

#include "engine/error.h"

class QGridLayout;
class QLabel;
class QPushButton;

namespace mixoscope {

class ErrorPage : public QWidget {
    Q_OBJECT

public:
    explicit ErrorPage(QWidget* parent = nullptr);

    /// `model` is what was asked for: a folder or a name. `other_open`: another model is open and stays so.
    void showError(const ErrorParts& error, const QString& model, bool other_open);
    /// A recorded session that cannot be read; the chat behind it goes on.
    void showSessionError(const ErrorParts& error, const QString& file);
    /// Plain text with versions, for a mail or an issue.
    QString report() const;

Q_SIGNALS:
    void openAgain();
    void openAnother();
    void useDemo();
    void backAsked();

private:
    void fill(const ErrorParts& error, const QString& asked, bool of_session);
    void addRow(const QString& title, const std::string& text, bool mono);

    ErrorParts m_error;
    QString m_asked;  // model or session
    bool m_of_session = false;
    QLabel* m_title;
    QLabel* m_subtitle;
    QLabel* m_advice;
    QGridLayout* m_rows;
    QPushButton* m_again;
    QPushButton* m_another;
    QPushButton* m_back;
};

}  // namespace mixoscope

// A line below a view that says what has happened there, with the one thing that can be done about it. It stays until
// it is closed or there is something newer to say.
#pragma once

#include <QFrame>
#include <functional>

class QLabel;
class QPushButton;

namespace mixoscope {

class NoticeBar : public QFrame {
    Q_OBJECT

public:
    enum class Kind { kBusy, kDone, kError };

    explicit NoticeBar(QWidget* parent = nullptr);

    /// `deed`: what the button says; empty: none.
    void say(Kind kind, const QString& text, const QString& deed = {});
    QString text() const;

Q_SIGNALS:
    void deedAsked();

private:
    QLabel* m_text;
    QPushButton* m_deed;
};

}  // namespace mixoscope

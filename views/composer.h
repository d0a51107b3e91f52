// Where messages are written: Enter sends, Shift+Enter breaks the line, Up and Down recall what was sent before.
#pragma once

#include <QPlainTextEdit>
#include <QStringList>
#include <QWidget>

class QPushButton;

namespace mixoscope {

class MessageEdit : public QPlainTextEdit {
    Q_OBJECT

public:
    explicit MessageEdit(QWidget* parent = nullptr);
    int heightForLines() const;

Q_SIGNALS:
    void submitted();
    void stopAsked();
    void recallAsked(int by);

protected:
    void keyPressEvent(QKeyEvent* event) override;
};

class Composer : public QWidget {
    Q_OBJECT

public:
    explicit Composer(QWidget* parent = nullptr);

    QString text() const;
    void setText(const QString& text);
    /// While the model generates the button stops it.
    void setGenerating(bool generating);
    /// An empty reason enables it.
    void setDisabledReason(const QString& reason);
    MessageEdit& edit() { return *m_edit; }
    QPushButton& button() { return *m_button; }

Q_SIGNALS:
    void sent(const QString& text);
    void stopped();

private:
    void submit();
    void recall(int by);
    void updateButton();
    void fitHeight();

    MessageEdit* m_edit;
    QPushButton* m_button;
    bool m_generating = false;
    QString m_disabled_reason;
    QStringList m_history;
    int m_recalled = 0;  // index in m_history; its size: the text being written
    QString m_draft;
};

}  // namespace mixoscope

#include "views/composer.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QPushButton>
#include <QTextBlock>
#include <QTextLayout>
#include <algorithm>
#include <cmath>

#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kMostLines = 8;
constexpr int kSmallestHeight = 34;

}  // namespace

MessageEdit::MessageEdit(QWidget* parent) : QPlainTextEdit(parent) {
    setObjectName(u"message_edit"_s);
    setAccessibleName(tr("Message"));
    setFont(textFont(font_size::kChat));
    setTabChangesFocus(true);
    setVerticalScrollBarPolicy(Qt::ScrollBarAsNeeded);
    document()->setDocumentMargin(6);
}

int MessageEdit::heightForLines() const {
    int lines = 0;
    for (QTextBlock block = document()->begin(); block.isValid(); block = block.next()) {
        lines += std::max(1, block.layout() != nullptr ? block.layout()->lineCount() : 1);
    }
    const int line = fontMetrics().lineSpacing();
    return std::max(kSmallestHeight, std::min(lines, kMostLines) * line + 14);
}

void MessageEdit::keyPressEvent(QKeyEvent* event) {
    const bool enter = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
    if (enter && (event->modifiers() & Qt::ShiftModifier) == 0) {
        Q_EMIT submitted();
        return;
    }
    if (event->key() == Qt::Key_Escape) {
        Q_EMIT stopAsked();
        return;
    }
    const QTextCursor cursor = textCursor();
    if (event->key() == Qt::Key_Up && event->modifiers() == Qt::NoModifier && cursor.blockNumber() == 0) {
        Q_EMIT recallAsked(-1);
        return;
    }
    if (event->key() == Qt::Key_Down && event->modifiers() == Qt::NoModifier &&
        cursor.blockNumber() == document()->blockCount() - 1) {
        Q_EMIT recallAsked(1);
        return;
    }
    QPlainTextEdit::keyPressEvent(event);
}

Composer::Composer(QWidget* parent) : QWidget(parent), m_edit(new MessageEdit(this)), m_button(new QPushButton(this)) {
    setObjectName(u"composer"_s);
    m_button->setObjectName(u"send_button"_s);
    m_button->setStyleSheet(u"min-height: 32px;"_s);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(10, 8, 10, 8);
    row->setSpacing(8);
    row->addWidget(m_edit, 1);
    row->addWidget(m_button, 0, Qt::AlignBottom);
    connect(m_edit, &MessageEdit::submitted, this, &Composer::submit);
    connect(m_edit, &MessageEdit::stopAsked, this, [this] {
        if (m_generating) Q_EMIT stopped();
    });
    connect(m_edit, &MessageEdit::recallAsked, this, &Composer::recall);
    connect(m_edit, &QPlainTextEdit::textChanged, this, [this] {
        updateButton();
        fitHeight();
    });
    connect(m_button, &QPushButton::clicked, this, [this] {
        if (m_generating) {
            Q_EMIT stopped();
        } else {
            submit();
        }
    });
    setFocusProxy(m_edit);
    updateButton();
    fitHeight();
}

QString Composer::text() const {
    return m_edit->toPlainText();
}

void Composer::setText(const QString& text) {
    m_edit->setPlainText(text);
    m_edit->moveCursor(QTextCursor::End);
}

void Composer::fitHeight() {
    m_edit->setFixedHeight(m_edit->heightForLines());
}

void Composer::submit() {
    if (m_generating || !m_disabled_reason.isEmpty() || text().trimmed().isEmpty()) return;
    const QString message = text();
    if (m_history.isEmpty() || m_history.last() != message) m_history << message;
    m_recalled = static_cast<int>(m_history.size());
    m_edit->clear();
    Q_EMIT sent(message);
}

void Composer::recall(int by) {
    const int size = static_cast<int>(m_history.size());
    const int next = std::clamp(m_recalled + by, 0, size);
    if (next == m_recalled) return;
    if (m_recalled == size) m_draft = text();
    m_recalled = next;
    setText(next == size ? m_draft : m_history[next]);
}

void Composer::setGenerating(bool generating) {
    if (generating == m_generating) return;
    m_generating = generating;
    updateButton();
}

void Composer::setDisabledReason(const QString& reason) {
    if (reason == m_disabled_reason && !m_edit->placeholderText().isEmpty()) return;
    m_disabled_reason = reason;
    m_edit->setEnabled(reason.isEmpty());
    m_edit->setPlaceholderText(reason.isEmpty() ? tr("Next message…") : reason);
    m_edit->setToolTip(reason.isEmpty()
                           ? tr("Write a message: Enter sends, Shift+Enter breaks the line, Up recalls the last one")
                           : reason);
    updateButton();
}

void Composer::updateButton() {
    m_button->setText(m_generating ? tr("Stop") : tr("Send"));
    m_button->setIcon(themedIcon(m_generating ? u"stop"_s : u"send"_s));
    const bool ready = m_disabled_reason.isEmpty() && !text().trimmed().isEmpty();
    m_button->setEnabled(m_generating || ready);
    if (m_generating) {
        m_button->setToolTip(tr("Stop generating; what is there stays (Esc)"));
    } else if (!m_disabled_reason.isEmpty()) {
        m_button->setToolTip(m_disabled_reason);
    } else {
        m_button->setToolTip(ready ? tr("Send the message (Enter)") : tr("Write a message first"));
    }
}

}  // namespace mixoscope

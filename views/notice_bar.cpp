#include "views/notice_bar.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QToolButton>

#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

NoticeBar::NoticeBar(QWidget* parent) : QFrame(parent), m_text(new QLabel(this)), m_deed(new QPushButton(this)) {
    m_text->setObjectName(u"notice_text"_s);
    m_text->setTextFormat(Qt::PlainText);
    m_text->setWordWrap(true);
    m_text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_text->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    m_deed->setObjectName(u"notice_deed"_s);
    auto* close = new QToolButton(this);
    close->setObjectName(u"notice_close"_s);
    close->setProperty("role", u"flat"_s);
    close->setIcon(themedIcon(u"close"_s));
    close->setIconSize({12, 12});
    close->setToolTip(tr("Hide this message"));
    close->setAccessibleName(close->toolTip());
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(10, 6, 6, 6);
    row->setSpacing(8);
    row->addWidget(m_text, 1);
    row->addWidget(m_deed, 0, Qt::AlignVCenter);
    row->addWidget(close, 0, Qt::AlignVCenter);
    connect(m_deed, &QPushButton::clicked, this, &NoticeBar::deedAsked);
    connect(close, &QToolButton::clicked, this, &QWidget::hide);
    hide();
}

void NoticeBar::say(Kind kind, const QString& text, const QString& deed) {
    setRole(*this, kind == Kind::kError ? u"notice-error"_s : u"notice"_s);
    m_text->setText(kind == Kind::kError ? tr("⚠ %1").arg(text) : text);
    setAccessibleName(m_text->text());
    m_deed->setText(deed);
    m_deed->setVisible(!deed.isEmpty());
    show();
}

QString NoticeBar::text() const {
    return isHidden() ? QString() : m_text->text();
}

}  // namespace mixoscope

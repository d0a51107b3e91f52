#include "app/window/panel_dock.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QToolButton>

#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kTitleHeight = 27;

class TitleBar : public QWidget {
public:
    using QWidget::QWidget;

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        painter.fillRect(rect(), colours().window);
        painter.fillRect(QRect(0, height() - 1, width(), 1), colours().border);
    }
};

/// Shortens a text that does not fit in its middle, where a file's name tells the least.
class ElidedLabel : public QLabel {
public:
    using QLabel::QLabel;

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        painter.setPen(colours().muted_text);
        painter.drawText(rect(), Qt::AlignLeft | Qt::AlignVCenter,
                         fontMetrics().elidedText(text(), Qt::ElideMiddle, width()));
    }
};

QToolButton* titleButton(const QString& icon, const QString& tip, QWidget* parent) {
    auto* button = new QToolButton(parent);
    button->setProperty("role", u"flat"_s);
    button->setIcon(themedIcon(icon));
    button->setIconSize({12, 12});
    button->setToolTip(tip);
    button->setAccessibleName(tip);
    button->setFocusPolicy(Qt::NoFocus);
    button->setFixedSize(24, 24);
    return button;
}

}  // namespace

PanelDock::PanelDock(const QString& name, const QString& title, QWidget* view, QWidget* parent)
    : QDockWidget(title, parent),
      m_bar(new TitleBar(this)),
      m_no_bar(new QWidget(this)),
      m_subtitle(new ElidedLabel(m_bar)) {
    setObjectName(name);
    view->setProperty("role", u"panel"_s);
    view->setAttribute(Qt::WA_StyledBackground);
    setWidget(view);
    auto* row = new QHBoxLayout(m_bar);
    row->setContentsMargins(10, 0, 4, 1);
    row->setSpacing(8);
    m_bar->setFixedHeight(kTitleHeight);
    auto* label = new QLabel(title, m_bar);
    label->setFont(textFont(font_size::kDockTitle, QFont::DemiBold));
    m_subtitle->setFont(textFont(font_size::kTable));
    m_subtitle->setMinimumWidth(0);
    m_subtitle->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    row->addWidget(label);
    row->addWidget(m_subtitle, 1);
    auto* float_button = titleButton(u"float"_s, tr("Float or dock this panel"), m_bar);
    auto* close_button = titleButton(u"close"_s, tr("Hide this panel; the View menu shows it again"), m_bar);
    row->addWidget(float_button);
    row->addWidget(close_button);
    connect(float_button, &QToolButton::clicked, this, [this] { setFloating(!isFloating()); });
    connect(close_button, &QToolButton::clicked, this, &QWidget::close);
    m_no_bar->hide();
    setTitleBarWidget(m_bar);
}

void PanelDock::setSubtitle(const QString& text) {
    m_subtitle->setText(text);
    m_subtitle->setToolTip(text);
}

void PanelDock::setTitleVisible(bool visible) {
    QWidget* wanted = visible ? m_bar : m_no_bar;
    if (titleBarWidget() == wanted) return;
    if (QWidget* shown = titleBarWidget()) shown->hide();
    setTitleBarWidget(wanted);
    wanted->show();
}

}  // namespace mixoscope

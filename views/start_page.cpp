#include "views/start_page.h"

#include <QFontMetrics>
#include <QKeyEvent>
#include <QLabel>
#include <QPainter>
#include <QProgressBar>
#include <QPushButton>
#include <QVBoxLayout>

#include "views/session_list_view.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kTwoColumnsFrom = 640;

/// A button with icon, title, two lines of explanation and its key.
class StartCard : public QPushButton {
public:
    StartCard(QString icon, QString title, QString text, QString key, bool primary, QWidget* parent)
        : QPushButton(parent),
          m_icon(std::move(icon)),
          m_title(std::move(title)),
          m_text(std::move(text)),
          m_key(std::move(key)),
          m_primary(primary) {
        setAccessibleName(m_title);
        setAccessibleDescription(m_text);
        setToolTip(u"%1 (%2)"_s.arg(m_title, m_key));
        setFocusPolicy(Qt::StrongFocus);
        setStyleSheet(u"min-height: 76px;"_s);
    }

    QSize sizeHint() const override { return {320, 76}; }
    QSize minimumSizeHint() const override { return {250, 76}; }

protected:
    void paintEvent(QPaintEvent*) override {
        const ThemeColours& c = colours();
        QPainter painter(this);
        painter.setRenderHint(QPainter::Antialiasing);
        const QRectF box = QRectF(rect()).adjusted(1, 1, -1, -1);
        QColor fill = m_primary ? c.accent : c.base;
        if (isDown()) fill = m_primary ? c.accent.darker(115) : c.accent_background;
        painter.setBrush(fill);
        const bool marked = underMouse() || hasFocus();
        painter.setPen(
            QPen(marked ? (m_primary ? c.text : c.accent) : (m_primary ? c.accent : c.strong_border), marked ? 2 : 1));
        painter.drawRoundedRect(box, 4, 4);
        const QColor text = m_primary ? c.text_on_accent : c.text;
        painter.drawPixmap(QPointF(16, height() / 2.0 - 9), themedPixmap(m_icon, text, 18, devicePixelRatioF()));
        painter.setFont(monoFont(font_size::kTick));
        const int key_width = painter.fontMetrics().horizontalAdvance(m_key) + 12;
        const QRectF key_box(width() - key_width - 12, height() / 2.0 - 9, key_width, 18);
        painter.setPen(QPen(m_primary ? c.text_on_accent : c.strong_border, 1));
        painter.setBrush(Qt::NoBrush);
        painter.drawRoundedRect(key_box, 3, 3);
        painter.setPen(m_primary ? c.text_on_accent : c.muted_text);
        painter.drawText(key_box, Qt::AlignCenter, m_key);
        const QRectF words(48, 10, key_box.left() - 48 - 10, height() - 20);
        painter.setPen(text);
        painter.setFont(textFont(14, QFont::DemiBold));
        painter.drawText(words, Qt::AlignTop | Qt::AlignLeft, m_title);
        painter.setPen(m_primary ? c.text_on_accent : c.muted_text);
        painter.setFont(textFont(font_size::kTable));
        painter.drawText(words.adjusted(0, 20, 0, 4), Qt::TextWordWrap, m_text);
    }
    void keyPressEvent(QKeyEvent* event) override {
        if (event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter) return click();
        QPushButton::keyPressEvent(event);
    }

private:
    QString m_icon, m_title, m_text, m_key;
    bool m_primary;
};

QLabel* sectionLabel(const QString& text, QWidget* parent) {
    auto* label = new QLabel(text, parent);
    label->setProperty("role", u"section"_s);
    return label;
}

}  // namespace

StartPage::StartPage(QWidget* parent)
    : QWidget(parent),
      m_choices(new QWidget(this)),
      m_loading(new QWidget(this)),
      m_sessions(new SessionListView(8, this)) {
    setObjectName(u"start_page"_s);
    setProperty("role", u"panel"_s);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(32, 36, 32, 20);
    column->setSpacing(6);
    auto* title = new QLabel(u"Mixoscope"_s, this);
    title->setFont(textFont(30, QFont::DemiBold));
    auto* subtitle = new QLabel(tr("See which experts a model uses while it thinks."), this);
    subtitle->setProperty("role", u"muted"_s);
    subtitle->setWordWrap(true);
    column->addWidget(title);
    column->addWidget(subtitle);
    column->addSpacing(22);

    auto* start = new QVBoxLayout(m_choices);
    start->setContentsMargins(0, 0, 0, 0);
    start->setSpacing(10);
    start->addWidget(sectionLabel(tr("Start"), m_choices));
    m_demo = new StartCard(u"play"_s, tr("Open the demo model"),
                           tr("Built in, nothing to download. A small mixture of experts that thinks."), tr("Enter"),
                           true, m_choices);
    m_demo->setObjectName(u"start_demo"_s);
    auto* folder = new StartCard(u"folder"_s, tr("Open a model folder…"),
                                 tr("Hugging Face: config, tokenizer and *.safetensors (F32, F16, BF16)"), tr("Ctrl+O"),
                                 false, m_choices);
    folder->setObjectName(u"start_folder"_s);
    start->addWidget(m_demo);
    start->addWidget(folder);
    auto* drop = new QLabel(tr("or drop a model folder or a session anywhere"), m_choices);
    drop->setAlignment(Qt::AlignCenter);
    drop->setProperty("role", u"muted"_s);
    start->addWidget(drop);
    start->addStretch(1);

    auto* loading = new QVBoxLayout(m_loading);
    loading->setContentsMargins(0, 0, 0, 0);
    loading->setSpacing(10);
    m_loading_title = sectionLabel({}, m_loading);
    m_loading_title->setObjectName(u"loading_title"_s);
    m_loading_step = new QLabel(m_loading);
    m_loading_step->setFont(monoFont(font_size::kTable));
    m_loading_step->setWordWrap(true);
    auto* bar = new QProgressBar(m_loading);
    bar->setRange(0, 0);  // steps differ too much in length for a percentage to be true
    bar->setTextVisible(false);
    bar->setFixedHeight(6);
    loading->addWidget(m_loading_title);
    loading->addWidget(bar);
    loading->addWidget(m_loading_step);
    loading->addStretch(1);
    m_loading->hide();

    auto* recent = new QWidget(this);
    auto* recent_column = new QVBoxLayout(recent);
    recent_column->setContentsMargins(0, 0, 0, 0);
    recent_column->setSpacing(10);
    recent_column->addWidget(sectionLabel(tr("Recent sessions"), recent));
    recent_column->addWidget(m_sessions, 1);

    m_columns = new QBoxLayout(QBoxLayout::LeftToRight);
    m_columns->setSpacing(28);
    m_columns->addWidget(m_choices, 1);
    m_columns->addWidget(m_loading, 1);
    m_columns->addWidget(recent, 1);
    column->addLayout(m_columns, 1);
    m_machine = new QLabel(this);
    m_machine->setProperty("role", u"caption"_s);
    m_machine->setWordWrap(true);
    column->addWidget(m_machine);

    connect(m_demo, &QPushButton::clicked, this, &StartPage::demoChosen);
    connect(folder, &QPushButton::clicked, this, &StartPage::browseChosen);
    connect(m_sessions, &SessionListView::openAsked, this, &StartPage::sessionAsked);
    connect(m_sessions, &SessionListView::exportAsked, this, &StartPage::exportAsked);
    connect(m_sessions, &SessionListView::imageAsked, this, &StartPage::imageAsked);
    setFocusProxy(m_demo);
}

void StartPage::showSessions(const std::vector<ListedSession>& sessions) {
    m_sessions->showSessions(sessions);
}

void StartPage::setMachine(const QString& text) {
    m_machine->setText(text);
}

void StartPage::showLoading(const QString& model, const QString& step) {
    m_choices->setVisible(model.isEmpty());
    m_loading->setVisible(!model.isEmpty());
    m_loading_title->setText(tr("Opening %1").arg(model));
    m_loading_step->setText(step);
}

void StartPage::resizeEvent(QResizeEvent*) {
    m_columns->setDirection(width() >= kTwoColumnsFrom ? QBoxLayout::LeftToRight : QBoxLayout::TopToBottom);
}

}  // namespace mixoscope

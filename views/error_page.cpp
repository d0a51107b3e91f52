#include "views/error_page.h"

#include <QApplication>
#include <QClipboard>
#include <QFileInfo>
#include <QFrame>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QRegularExpression>
#include <QSysInfo>
#include <QVBoxLayout>
#include <algorithm>
#include <string_view>

#include "views/breaking_label.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kWidestWord = 360;
constexpr int kMostLines = 12;
constexpr int kMostSubtitleLines = 3;

QString fromUtf8(const std::string& text) {
    return format::plainText(text);
}

int widestWord(const QString& text, const QFont& font) {
    const QFontMetrics metrics(font);
    int widest = 0;
    for (const QString& word : text.split(QRegularExpression(u"\\s"_s)))
        widest = std::max(widest, metrics.horizontalAdvance(word));
    return widest;
}

/// Draws the error sign in the colour of the theme in force.
class ErrorSign : public QWidget {
public:
    explicit ErrorSign(QWidget* parent) : QWidget(parent) { setFixedSize(30, 30); }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        painter.drawPixmap(QPointF(0, 0), themedPixmap(u"error"_s, colours().error, 30, devicePixelRatioF()));
    }
};

}  // namespace

ErrorPage::ErrorPage(QWidget* parent)
    : QWidget(parent),
      m_title(new QLabel(this)),
      m_subtitle(new BreakingLabel(kMostSubtitleLines, this)),
      m_advice(new QLabel(this)) {
    setObjectName(u"error_page"_s);
    setProperty("role", u"panel"_s);
    auto* column = new QVBoxLayout;
    column->setSpacing(10);
    auto* outer = new QHBoxLayout(this);
    outer->setContentsMargins(24, 40, 24, 24);
    outer->addStretch(1);
    outer->addLayout(column, 20);
    outer->addStretch(1);

    auto* head = new QHBoxLayout;
    head->setSpacing(14);
    head->addWidget(new ErrorSign(this), 0, Qt::AlignTop);
    auto* titles = new QVBoxLayout;
    titles->setSpacing(4);
    m_title->setObjectName(u"error_title"_s);
    m_title->setFont(textFont(21, QFont::DemiBold));
    m_title->setWordWrap(true);
    m_subtitle->setProperty("role", u"muted"_s);
    titles->addWidget(m_title);
    titles->addWidget(m_subtitle);
    head->addLayout(titles, 1);
    column->addLayout(head);
    column->addSpacing(8);

    auto* table = new QWidget(this);
    m_rows = new QGridLayout(table);
    m_rows->setContentsMargins(0, 0, 0, 0);
    m_rows->setHorizontalSpacing(16);
    m_rows->setVerticalSpacing(10);
    m_rows->setColumnMinimumWidth(0, 76);
    m_rows->setColumnStretch(1, 1);
    column->addWidget(table);
    column->addSpacing(8);

    auto* advice_box = new QFrame(this);
    advice_box->setObjectName(u"error_advice_box"_s);
    advice_box->setProperty("role", u"card"_s);
    auto* advice_column = new QVBoxLayout(advice_box);
    advice_column->setContentsMargins(14, 12, 14, 12);
    auto* advice_title = new QLabel(tr("What to do"), advice_box);
    advice_title->setProperty("role", u"section"_s);
    advice_column->addWidget(advice_title);
    m_advice->setObjectName(u"error_advice"_s);
    m_advice->setWordWrap(true);
    m_advice->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    advice_column->addWidget(m_advice);
    column->addWidget(advice_box);
    column->addSpacing(4);

    auto* buttons = new QGridLayout;
    buttons->setSpacing(8);
    const auto addButton = [&](int place, const QString& name, const QString& text, const QString& tip, auto slot) {
        auto* button = new QPushButton(text, this);
        button->setObjectName(name);
        button->setToolTip(tip);
        buttons->addWidget(button, place / 2, place % 2);
        connect(button, &QPushButton::clicked, this, slot);
        return button;
    };
    m_again =
        addButton(0, u"error_again"_s, tr("Open again"), tr("Try the same one again"), [this] { Q_EMIT openAgain(); });
    m_again->setProperty("role", u"primary"_s);
    addButton(1, u"error_copy"_s, tr("Copy report"), tr("Copy this message with versions as plain text"),
              [this] { QApplication::clipboard()->setText(report()); });
    m_another = addButton(2, u"error_another"_s, tr("Open another…"), {}, [this] { Q_EMIT openAnother(); });
    addButton(3, u"error_demo"_s, tr("Use the demo model"), tr("Open the embedded model"),
              [this] { Q_EMIT useDemo(); });
    m_back = addButton(4, u"error_back"_s, tr("Back to the chat"), tr("Go on with the model that is open"),
                       [this] { Q_EMIT backAsked(); });
    auto* button_row = new QHBoxLayout;
    button_row->addLayout(buttons);
    button_row->addStretch(1);
    column->addLayout(button_row);
    column->addStretch(1);
    setFocusProxy(m_again);
}

void ErrorPage::addRow(const QString& title, const std::string& text, bool mono) {
    if (text.empty()) return;
    const int row = m_rows->rowCount();
    auto* name = new QLabel(title, this);
    name->setProperty("role", u"section"_s);
    const QString shown = fromUtf8(text);
    const QFont font = mono ? monoFont(font_size::kTable) : this->font();
    // A path without a space in it would make the page wider than its panel; only a label that breaks it is narrower.
    const bool breaks = widestWord(shown, font) > kWidestWord;
    QLabel* value = breaks ? new BreakingLabel(kMostLines, this) : new QLabel(this);
    value->setText(shown);
    value->setObjectName(u"error_"_s + title.toLower());
    value->setTextFormat(Qt::PlainText);
    value->setWordWrap(true);
    if (!breaks) value->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    if (mono) value->setFont(font);
    m_rows->addWidget(name, row, 0, Qt::AlignTop);
    m_rows->addWidget(value, row, 1);
}

void ErrorPage::showError(const ErrorParts& error, const QString& model, bool other_open) {
    m_back->setVisible(other_open);
    m_back->setToolTip(tr("Go on with the model that is open"));
    fill(error, model, false);
}

void ErrorPage::showSessionError(const ErrorParts& error, const QString& file) {
    m_back->setVisible(true);
    m_back->setToolTip(tr("Leave the recording; the chat is as it was"));
    fill(error, file, true);
}

void ErrorPage::fill(const ErrorParts& error, const QString& asked, bool of_session) {
    // Shown with every snapshot while it lasts; what the user marks in it must stay marked.
    if (asked == m_asked && of_session == m_of_session &&
        Error(error).what() == std::string_view(Error(m_error).what()))
        return;
    m_error = error;
    m_asked = asked;
    m_of_session = of_session;
    while (QLayoutItem* item = m_rows->takeAt(0)) {
        delete item->widget();
        delete item;
    }
    const QString name = QFileInfo(asked).fileName().isEmpty() ? asked : QFileInfo(asked).fileName();
    m_title->setText(of_session ? tr("This session cannot be opened") : tr("This model cannot be opened"));
    m_subtitle->setText(of_session ? tr("%1 · no file was changed, the chat is as it was").arg(name)
                                   : tr("%1 · nothing was loaded, no file was changed").arg(name));
    m_subtitle->setToolTip(asked);
    m_another->setToolTip(of_session ? tr("Choose another recorded session (Ctrl+Shift+O)")
                                     : tr("Choose another model folder (Ctrl+O)"));
    addRow(tr("What"), error.what, false);
    addRow(tr("Where"), error.where, true);
    addRow(tr("Expected"), error.expected, true);
    addRow(tr("Found"), error.found, true);
    const QString advice = of_session
                               ? tr("Correct what is named above and open the file again, or open another session.")
                               : tr("Correct what is named above and open the folder again, or open another model.");
    m_advice->setText(error.advice.empty() ? advice : fromUtf8(error.advice));
}

QString ErrorPage::report() const {
    QString text =
        (m_of_session ? tr("Mixoscope could not open a session") : tr("Mixoscope could not open a model")) + u'\n';
    const auto add = [&text](const QString& title, const QString& value) {
        if (!value.isEmpty()) text += title + u": "_s + value + u'\n';
    };
    add(m_of_session ? tr("Session") : tr("Model"), m_asked);
    add(tr("What"), fromUtf8(m_error.what));
    add(tr("Where"), fromUtf8(m_error.where));
    add(tr("Expected"), fromUtf8(m_error.expected));
    add(tr("Found"), fromUtf8(m_error.found));
    add(tr("What to do"), fromUtf8(m_error.advice));
    add(tr("Version"), QApplication::applicationVersion());
    add(tr("Qt"), QString::fromLatin1(qVersion()));
    add(tr("System"), QSysInfo::prettyProductName() + u", "_s + QSysInfo::currentCpuArchitecture());
    return text;
}

}  // namespace mixoscope

#include "views/experiment_start.h"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QListWidget>
#include <QPushButton>
#include <QVBoxLayout>

#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kColumnWidth = 620;
constexpr int kRecentHeight = 150;

}  // namespace

ExperimentStart::ExperimentStart(QWidget* parent)
    : QWidget(parent),
      m_error(new QLabel(this)),
      m_choices(new QWidget(this)),
      m_opening(new QLabel(this)),
      m_demo(new QPushButton(tr("Run the demo's experiment"), m_choices)),
      m_recent_title(new QLabel(tr("Recent experiments"), m_choices)),
      m_recent(new QListWidget(m_choices)) {
    setObjectName(u"experiment_start"_s);
    auto* title = new QLabel(tr("Experiments"), this);
    title->setFont(textFont(font_size::kHeading, QFont::DemiBold));
    auto* what = new QLabel(
        tr("An experiment asks a model questions with known answers, under every combination of routing policy, "
           "thinking budget, mode, sampling and seed. It shows how accuracy, think length, speed and load change, with "
           "intervals and paired tests. Every run is kept as it ends: what was stopped goes on where it was."),
        this);
    what->setWordWrap(true);
    m_error->setObjectName(u"experiment_error"_s);
    m_error->setProperty("role", u"chip-error"_s);
    m_error->setWordWrap(true);
    m_error->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_error->setFocusPolicy(Qt::NoFocus);
    m_error->hide();
    m_opening->setProperty("role", u"muted"_s);
    m_opening->hide();
    m_demo->setObjectName(u"experiment_demo"_s);
    m_demo->setProperty("role", u"primary"_s);
    m_demo->setIcon(themedIcon(u"play"_s));
    m_demo->setToolTip(tr("Run sums on the embedded model under four policies and five budgets; takes seconds"));
    auto* demo_text = new QLabel(tr("Sums on the embedded model under four routing policies, five thinking budgets and "
                                    "without thinking. Takes seconds on most machines."),
                                 m_choices);
    demo_text->setProperty("role", u"muted"_s);
    demo_text->setWordWrap(true);
    auto* browse = new QPushButton(tr("Open an experiment…"), m_choices);
    browse->setObjectName(u"experiment_browse"_s);
    browse->setIcon(themedIcon(u"folder"_s));
    browse->setToolTip(tr("Open an experiment file (JSON) or the results of one (.mixo)"));
    auto* own = new QPushButton(tr("New experiment"), m_choices);
    own->setObjectName(u"experiment_new"_s);
    own->setIcon(themedIcon(u"plus"_s));
    own->setToolTip(tr("Begin an experiment of your own in a form"));
    auto* drop = new QLabel(tr("or drop an experiment file or its results anywhere"), m_choices);
    drop->setProperty("role", u"muted"_s);
    drop->setWordWrap(true);
    m_recent_title->setProperty("role", u"section"_s);
    m_recent->setObjectName(u"experiment_recent"_s);
    m_recent->setAccessibleName(tr("Recent experiments"));
    m_recent->setFrameShape(QFrame::NoFrame);
    m_recent->setMaximumHeight(kRecentHeight);

    auto* choices = new QVBoxLayout(m_choices);
    choices->setContentsMargins(0, 0, 0, 0);
    choices->setSpacing(8);
    auto* demo_row = new QHBoxLayout;
    demo_row->setSpacing(14);
    demo_row->addWidget(m_demo, 0, Qt::AlignTop);
    demo_row->addWidget(demo_text, 1);
    choices->addLayout(demo_row);
    auto* own_row = new QHBoxLayout;
    own_row->setSpacing(14);
    own_row->addWidget(own);
    own_row->addWidget(browse);
    own_row->addWidget(drop, 1);
    choices->addLayout(own_row);
    choices->addSpacing(10);
    choices->addWidget(m_recent_title);
    choices->addWidget(m_recent);
    auto* column = new QVBoxLayout;
    column->setSpacing(10);
    column->addWidget(title);
    column->addWidget(what);
    column->addSpacing(6);
    column->addWidget(m_error);
    column->addWidget(m_opening);
    column->addWidget(m_choices);
    column->addStretch(1);
    auto* body = new QWidget(this);
    body->setLayout(column);
    body->setMaximumWidth(kColumnWidth);
    column->setContentsMargins(0, 0, 0, 0);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(32, 36, 32, 20);
    row->addStretch(1);
    row->addWidget(body, 8);
    row->addStretch(1);
    setFocusProxy(m_demo);
    setRecent({});

    connect(m_demo, &QPushButton::clicked, this, &ExperimentStart::demoAsked);
    connect(own, &QPushButton::clicked, this, &ExperimentStart::newAsked);
    connect(browse, &QPushButton::clicked, this, &ExperimentStart::browseAsked);
    connect(m_recent, &QListWidget::itemActivated, this,
            [this](const QListWidgetItem* item) { Q_EMIT fileAsked(item->data(Qt::UserRole).toString()); });
}

void ExperimentStart::setRecent(const QStringList& files) {
    m_recent->clear();
    for (const QString& file : files) {
        const QFileInfo info(file);
        auto* item = new QListWidgetItem(u"%1   %2"_s.arg(info.fileName(), info.absolutePath()), m_recent);
        item->setData(Qt::UserRole, file);
        item->setToolTip(tr("Open %1 (Enter)").arg(file));
        if (!info.exists()) {
            item->setFlags(Qt::NoItemFlags);
            item->setToolTip(tr("%1 is not there any more").arg(file));
        }
    }
    m_recent_title->setVisible(!files.isEmpty());
    m_recent->setVisible(!files.isEmpty());
}

void ExperimentStart::showError(const std::optional<ErrorParts>& error, const QString& file) {
    m_error->setVisible(error.has_value());
    if (!error) return;
    m_error->setText(
        tr("%1 cannot be opened. %2").arg(QFileInfo(file).fileName(), format::plainText(Error(*error).what())));
}

void ExperimentStart::showOpening(const QString& file) {
    m_opening->setVisible(!file.isEmpty());
    m_opening->setText(tr("Opening %1…").arg(QFileInfo(file).fileName()));
    m_choices->setEnabled(file.isEmpty());
}

}  // namespace mixoscope

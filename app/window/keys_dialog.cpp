#include "app/window/keys_dialog.h"

#include <QDialogButtonBox>
#include <QGridLayout>
#include <QLabel>
#include <QScreen>
#include <QScrollArea>
#include <QVBoxLayout>
#include <algorithm>

#include "views/escape_key.h"
#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

constexpr int kWidestKeys = 190;
constexpr int kWidth = 560;
constexpr int kAroundList = 90;     // the dialog's button and margins
constexpr int kAroundDialog = 120;  // what the dialog leaves free of the screen's height

KeysDialog::KeysDialog(const std::vector<KeyRow>& rows, QWidget* parent) : QDialog(parent) {
    setObjectName(u"keys_dialog"_s);
    setWindowTitle(tr("Keys"));
    auto* list = new QWidget(this);
    auto* grid = new QGridLayout(list);
    grid->setContentsMargins(16, 12, 16, 12);
    grid->setHorizontalSpacing(18);
    grid->setVerticalSpacing(5);
    grid->setColumnStretch(1, 1);
    const auto label = [list](const QString& text) {
        auto* shown = new QLabel(text, list);
        shown->setTextFormat(Qt::PlainText);
        shown->setWordWrap(true);
        return shown;
    };
    for (int row = 0; row < static_cast<int>(rows.size()); ++row) {
        QLabel* keys = label(rows[static_cast<std::size_t>(row)].keys);
        keys->setFont(textFont(font_size::kInterface, QFont::DemiBold));
        keys->setFixedWidth(kWidestKeys);
        grid->addWidget(keys, row, 0, Qt::AlignTop);
        grid->addWidget(label(rows[static_cast<std::size_t>(row)].does), row, 1, Qt::AlignTop);
    }
    auto* area = new QScrollArea(this);
    area->setObjectName(u"keys_list"_s);
    area->setAccessibleName(tr("Keys"));
    area->setWidget(list);
    area->setWidgetResizable(true);
    area->setFrameShape(QFrame::NoFrame);
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 12);
    column->addWidget(area, 1);
    auto* below = new QHBoxLayout;
    below->setContentsMargins(16, 0, 16, 0);
    below->addWidget(buttons);
    column->addLayout(below);
    const int whole = grid->totalHeightForWidth(kWidth) + kAroundList;
    resize(kWidth, std::min(whole, screen()->availableGeometry().height() - kAroundDialog));
    area->setFocus();  // arrows scroll
}

bool KeysDialog::event(QEvent* event) {
    return keepsEscape(event) || QDialog::event(event);
}

}  // namespace mixoscope

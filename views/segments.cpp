#include "views/segments.h"

#include <QBoxLayout>
#include <QButtonGroup>
#include <QFontMetrics>
#include <QToolButton>

#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

void addSegments(QButtonGroup& group, QBoxLayout& layout, const QString& name,
                 std::span<const std::pair<QString, QString>> texts_and_tips) {
    layout.setSpacing(0);
    for (const auto& [text, tip] : texts_and_tips) {
        const auto id = static_cast<int>(group.buttons().size());
        auto* button = new QToolButton;
        button->setObjectName(name + QString::number(id));
        button->setProperty("role", u"segment"_s);
        button->setText(text);
        button->setToolTip(tip);
        button->setCheckable(true);
        button->setChecked(id == 0);
        button->setFont(textFont(font_size::kTable));
        // Bold when checked: room for it, so that nothing moves.
        button->setMinimumWidth(QFontMetrics(textFont(font_size::kTable, QFont::DemiBold)).horizontalAdvance(text) +
                                18);
        group.addButton(button, id);
        layout.addWidget(button);
    }
}

}  // namespace mixoscope

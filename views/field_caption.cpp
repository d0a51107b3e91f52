#include "views/field_caption.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

QLabel* makeFieldCaption(const QString& text, QWidget* field, QWidget* parent) {
    auto* label = new QLabel(text, parent);
    label->setProperty("role", u"caption"_s);
    label->setBuddy(field);
    field->setAccessibleName(text);
    return label;
}

}  // namespace mixoscope

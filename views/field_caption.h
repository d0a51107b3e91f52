// The caption of a field in a form.
#pragma once

#include <QLabel>

namespace mixoscope {

/// A label that names the field, for assistive technology too. `parent` owns it.
QLabel* makeFieldCaption(const QString& text, QWidget* field, QWidget* parent);

}  // namespace mixoscope

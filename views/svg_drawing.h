// A widget as a vector drawing.
#pragma once

#include <QByteArray>
#include <QString>

class QWidget;

namespace mixoscope {

/// The widget with its children as shapes and text, as an SVG file; maps and bands stay pictures within it.
QByteArray svgOf(QWidget& widget, const QString& title);

}  // namespace mixoscope

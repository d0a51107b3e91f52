// Buttons side by side of which one is chosen: the pages and projections of a panel.
#pragma once

#include <QString>
#include <span>
#include <utility>

class QBoxLayout;
class QButtonGroup;

namespace mixoscope {

/// Adds a checkable button to group and layout for each pair of text and tooltip, with ids from 0 and object names
/// NAME0, NAME1, …; the first one is checked. The layout's parent widget owns the buttons once it is set.
void addSegments(QButtonGroup& group, QBoxLayout& layout, const QString& name,
                 std::span<const std::pair<QString, QString>> texts_and_tips);

}  // namespace mixoscope

#include "views/session_delegate.h"

#include <QLineEdit>
#include <QPainter>

#include "views/models/session_list_model.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kMargin = 10;
constexpr int kTop = 7;
constexpr int kLine = 19;
constexpr int kChipLine = 22;
constexpr int kChip = 17;  // height
constexpr QSize kPicture(56, 36);
constexpr int kPictureFrom = 240;  // width of a row; narrower ones are for the text
constexpr int kEditor = 24;

/// Where the parts of a row are.
struct RowParts {
    QRect picture, title, subtitle, chips;

    explicit RowParts(const QRect& row) {
        QRect text = row.adjusted(kMargin, kTop, -kMargin, -kTop);
        if (row.width() >= kPictureFrom) {
            picture = QRect(text.topLeft() + QPoint(0, 1), kPicture);
            text.setLeft(picture.right() + 1 + kMargin);
        }
        title = QRect(text.left(), text.top(), text.width(), kLine);
        subtitle = title.translated(0, kLine);
        chips = QRect(text.left(), subtitle.bottom() + 3, text.width(), kChip);
    }
};

QStringList tagsOf(const QModelIndex& index) {
    return index.data(SessionListModel::kTagsRole).toStringList();
}

/// Writes at the right end of the line; returns what is left of it.
QRect paintRight(QPainter& painter, const QRect& line, const QString& text, const QColor& colour) {
    painter.setPen(colour);
    painter.drawText(line, Qt::AlignRight | Qt::AlignVCenter, text);
    return line.adjusted(0, 0, -painter.fontMetrics().horizontalAdvance(text) - kMargin, 0);
}

void paintLeft(QPainter& painter, const QRect& line, const QString& text, const QColor& colour) {
    painter.setPen(colour);
    painter.drawText(line, Qt::AlignLeft | Qt::AlignVCenter,
                     painter.fontMetrics().elidedText(text, Qt::ElideRight, line.width()));
}

void paintPicture(QPainter& painter, const QRect& place, const QImage& image) {
    const ThemeColours& c = colours();
    if (image.isNull()) {
        painter.fillRect(place, c.alternate_row);
    } else {
        // Few cells stay sharp, many are averaged.
        painter.setRenderHint(QPainter::SmoothPixmapTransform,
                              image.width() > place.width() || image.height() > place.height());
        painter.drawImage(place, image);
    }
    painter.setPen(c.border);
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(place.adjusted(0, 0, -1, -1));
}

/// As many tags as there is room for, and how many there is none for.
void paintChips(QPainter& painter, const QRect& line, const QStringList& tags, bool selected) {
    const ThemeColours& c = colours();
    painter.setFont(textFont(font_size::kCaption));
    painter.setRenderHint(QPainter::Antialiasing);
    int left = line.left();
    for (qsizetype i = 0; i < tags.size(); ++i) {
        const QFontMetrics metrics = painter.fontMetrics();
        const QString rest = u"+%1"_s.arg(tags.size() - i);
        const int room = line.right() - left - (i + 1 < tags.size() ? metrics.horizontalAdvance(rest) + 8 : 0);
        const QString text = metrics.elidedText(tags[i], Qt::ElideRight, std::max(room - 16, 0));
        const int width = metrics.horizontalAdvance(text) + 16;
        if (width > room || (text != tags[i] && i > 0)) {
            painter.setPen(c.muted_text);
            painter.drawText(QRect(left, line.top(), line.right() - left, line.height()),
                             Qt::AlignLeft | Qt::AlignVCenter, rest);
            return;
        }
        const QRectF chip(left + 0.5, line.top() + 0.5, width - 1, line.height() - 1);
        painter.setPen(c.border);
        painter.setBrush(selected ? c.base : c.window);
        painter.drawRoundedRect(chip, 8, 8);
        painter.setPen(c.text);
        painter.drawText(chip, Qt::AlignCenter, text);
        left += width + 5;
    }
}

}  // namespace

QSize SessionDelegate::sizeHint(const QStyleOptionViewItem&, const QModelIndex& index) const {
    return {200, 2 * kTop + 2 * kLine + (tagsOf(index).isEmpty() ? 0 : kChipLine)};
}

void SessionDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const {
    const ThemeColours& c = colours();
    const bool selected = (option.state & QStyle::State_Selected) != 0;
    const RowParts parts(option.rect);
    painter->save();
    painter->fillRect(option.rect, selected ? c.accent_background : c.base);
    painter->setPen(c.border);
    painter->drawLine(option.rect.bottomLeft(), option.rect.bottomRight());
    if (!parts.picture.isNull()) paintPicture(*painter, parts.picture, index.data(Qt::DecorationRole).value<QImage>());

    const QFont small = textFont(font_size::kTable);
    painter->setFont(small);
    const QRect title =
        index.data(SessionListModel::kRecordingRole).toBool()
            ? paintRight(*painter, parts.title, tr("● recording"), c.error)
            : paintRight(*painter, parts.title, index.data(SessionListModel::kDateRole).toString(), c.muted_text);
    const QRect subtitle =
        paintRight(*painter, parts.subtitle, index.data(SessionListModel::kSizeRole).toString(), c.muted_text);
    const QString state = index.data(SessionListModel::kStateRole).toString();
    const bool broken = index.data(SessionListModel::kBrokenRole).toBool();
    paintLeft(*painter, subtitle, state.isEmpty() ? index.data(SessionListModel::kSubtitleRole).toString() : state,
              !state.isEmpty() ? c.accent
              : broken         ? c.warning
                               : c.muted_text);
    painter->setFont(textFont(font_size::kInterface, QFont::DemiBold));
    paintLeft(*painter, title, index.data(Qt::DisplayRole).toString(), c.text);
    if (const QStringList tags = tagsOf(index); !tags.isEmpty()) paintChips(*painter, parts.chips, tags, selected);
    painter->restore();
}

QWidget* SessionDelegate::createEditor(QWidget* parent, const QStyleOptionViewItem&, const QModelIndex&) const {
    auto* editor = new QLineEdit(parent);
    const bool title = m_field == Field::kTitle;
    editor->setObjectName(title ? u"session_title_edit"_s : u"session_tags_edit"_s);
    editor->setAccessibleName(title ? tr("Title of the session") : tr("Tags of the session, separated by commas"));
    editor->setPlaceholderText(title ? QString() : tr("Tags, separated by commas"));
    editor->setStyleSheet(u"min-height: 0; padding: 0 4px;"_s);
    return editor;
}

void SessionDelegate::setEditorData(QWidget* editor, const QModelIndex& index) const {
    auto* line = qobject_cast<QLineEdit*>(editor);
    if (line->isModified()) return;  // the list was read again while somebody types
    line->setText(m_field == Field::kTitle ? index.data(Qt::EditRole).toString() : tagsOf(index).join(u", "_s));
}

void SessionDelegate::setModelData(QWidget* editor, QAbstractItemModel*, const QModelIndex& index) const {
    const auto* line = qobject_cast<QLineEdit*>(editor);
    if (!line->isModified()) return;
    const QString file = index.data(SessionListModel::kFileRole).toString();
    if (m_field == Field::kTitle) {
        Q_EMIT titleEdited(file, line->text().trimmed());
    } else {
        QStringList tags;
        for (const QString& tag : line->text().split(u',')) {
            const QString name = tag.simplified();
            if (!name.isEmpty() && !tags.contains(name)) tags << name;
        }
        Q_EMIT tagsEdited(file, tags);
    }
}

void SessionDelegate::updateEditorGeometry(QWidget* editor, const QStyleOptionViewItem& option,
                                           const QModelIndex& index) const {
    const RowParts parts(option.rect);
    QRect line = m_field == Field::kTitle ? parts.title : tagsOf(index).isEmpty() ? parts.subtitle : parts.chips;
    line.setTop(line.center().y() - kEditor / 2);
    line.setHeight(kEditor);
    editor->setGeometry(line.intersected(option.rect));
}

}  // namespace mixoscope

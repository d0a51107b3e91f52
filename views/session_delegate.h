// How a recorded session looks in a list, and how its title and its tags are edited in place.
#pragma once

#include <QStyledItemDelegate>

namespace mixoscope {

class SessionDelegate : public QStyledItemDelegate {
    Q_OBJECT

public:
    enum class Field { kTitle, kTags };

    using QStyledItemDelegate::QStyledItemDelegate;

    /// What the next editor is for.
    void setField(Field field) { m_field = field; }

    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
    QWidget* createEditor(QWidget* parent, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
    void setEditorData(QWidget* editor, const QModelIndex& index) const override;
    void setModelData(QWidget* editor, QAbstractItemModel* model, const QModelIndex& index) const override;
    void updateEditorGeometry(QWidget* editor, const QStyleOptionViewItem& option,
                              const QModelIndex& index) const override;

Q_SIGNALS:
    void titleEdited(const QString& file, const QString& title) const;
    void tagsEdited(const QString& file, const QStringList& tags) const;

private:
    Field m_field = Field::kTitle;
};

}  // namespace mixoscope
